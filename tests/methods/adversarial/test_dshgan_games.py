"""The games of DSH-GAN: each loss against its formula written out, and who moves in a step."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
from checkerboard import pictures, quick
from torch import Tensor

from crossbit.corpus import Corpus
from crossbit.methods.adversarial.dshgan.games import SynthesisGame, TripletGame
from crossbit.training.data import TrainingData
from crossbit.training.loop import run_epoch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def game_of(labels: Any = None, **settings: Any) -> tuple[SynthesisGame, TripletGame]:
    """Return both games of a fit that has just begun."""
    corpus = pictures(40)
    if labels is not None:
        corpus = Corpus(corpus.views, labels=labels, encoders=corpus.encoders)
    hasher: Any = quick("dshgan", hidden=16, channels=4, generator_channels=4, **settings)
    hasher.dims, hasher.encoders = corpus.dims, dict(corpus.encoders)
    hasher._classes = corpus.require_labels().shape[1]
    scaling = {view: hasher._fit_scaling(corpus, view) for view in corpus.views}
    data = TrainingData.of(corpus, scaling)
    first = hasher._first_task(data, rng())
    hasher._parts = {name: part.state_dict() for name, part in first.networks.items()}
    return first, hasher._task(data, rng())


def test_pixels_go_from_minus_one_to_one() -> None:
    first, _ = game_of()
    shown = torch.from_numpy(pictures(40)["image"])
    torch.testing.assert_close(first.pictures.pixels, 2 * shown - 1)


def test_one_label_each_is_a_softmax_and_several_are_sigmoids() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.0]])
    single, _ = game_of()
    total = sum(math.exp(value) for value in logits[0].tolist())
    wanted = torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    assert single.class_loss(logits, wanted).item() == pytest.approx(-math.log(math.exp(2) / total))
    labels = torch.eye(4)[torch.arange(40) % 4]
    labels[0, :2] = 1
    several, _ = game_of(labels.numpy().astype(bool))
    both = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    terms = [
        -math.log(p if here else 1 - p)
        for p, here in zip(torch.sigmoid(logits[0]).tolist(), both[0].tolist(), strict=True)
    ]
    assert several.class_loss(logits, both).item() == pytest.approx(sum(terms), rel=1e-5)


def labelled(rows: list[list[int]]) -> Tensor:
    return torch.stack([torch.eye(4)[row].sum(0) for row in rows])


@pytest.mark.parametrize("every", [False, True])
def test_triplets_are_hinges_of_pictures_that_share_a_label_and_that_share_none(
    every: bool,
) -> None:
    _, game = game_of(all_triplets=every, margin=1.5)
    codes = torch.rand(9, 5, generator=rng())
    # The second query has no picture that shares none: its negative shares a label.
    labels = labelled([[0], [0, 1], [2], [0], [1], [2, 3], [1], [0], [3]])
    h = codes.double()

    def hinge(i: int, near: int, far: int) -> float:
        distance = (h[i] - h[near]).square().sum() - (h[i] - h[far]).square().sum()
        return max(0.0, 1.5 + distance.item())

    def shares(i: int, j: int) -> bool:
        return bool((labels[i] * labels[j]).sum() > 0)

    triplets = (
        [(i, j, k) for i in range(3) for j in range(3, 9) for k in range(3, 9)]
        if every
        else [(i, i + 3, i + 6) for i in range(3)]
    )
    terms = [hinge(*t) for t in triplets if shares(t[0], t[1]) and not shares(t[0], t[2])]
    assert 0 < len(terms) < len(triplets)
    expected = sum(terms) / len(terms)
    assert game.triplet_loss(codes, labels, 3).item() == pytest.approx(expected, rel=1e-4)


def test_partners_share_a_label_and_share_none() -> None:
    first, _ = game_of()
    query_batch = labelled([[0], [1, 2], [3]] * 20)
    near, far = first.pictures.draw_partners(query_batch, rng())
    assert ((query_batch * first.pictures.labels[near]).sum(1) > 0).all()
    assert ((query_batch * first.pictures.labels[far]).sum(1) == 0).all()
    assert len(set(near.tolist())) > 10
    everything = torch.ones(5, 4)  # nothing shares none with it: any row, which makes no triplet
    _, far = first.pictures.draw_partners(everything, rng())
    assert len(far) == 5


def test_synthetic_positives_have_the_labels_of_the_picture_and_negatives_none() -> None:
    _, game = game_of(synthetic=1.0)
    rows = torch.arange(8)
    shown, labels, made = game.partners(rows)
    assert made.all()
    assert torch.equal(labels[:8], game.pictures.labels[rows])
    assert ((labels[8:] * game.pictures.labels[rows]).sum(1) == 0).all()
    real = game.pictures.pixels
    assert not any((real == row).all(1).any() for row in shown)


def test_a_share_of_partners_is_synthetic_and_the_others_are_real() -> None:
    _, game = game_of(synthetic=0.5)
    shown, _, made = game.partners(torch.arange(40))
    assert 20 < int(made.sum()) < 60
    found = torch.stack([(game.pictures.pixels == row).all(1).any() for row in shown])
    assert torch.equal(found, ~made)


def test_without_synthetic_pictures_there_is_no_generator_and_no_adversary() -> None:
    _, game = game_of(synthetic=0.0)
    assert set(game.networks) == {"discriminator"}
    assert set(game.network_step()) == {"discriminator/triplet", "discriminator/classes"}


def moved(game: Any, act: Any) -> set[str]:
    """Return the networks whose parameters a step changes."""
    before = {name: copy.deepcopy(part.state_dict()) for name, part in game.networks.items()}
    act()
    return {
        name
        for name, part in game.networks.items()
        for key, _ in part.named_parameters()
        if not torch.equal(part.state_dict()[key], before[name][key])
    }


def test_each_player_moves_in_its_own_step_alone() -> None:
    first, second = game_of(generator_every=1)
    for game, act in (
        (first, lambda: first.network_step(smooth=True)),
        (second, second.network_step),
    ):
        assert moved(game, act) == {"discriminator"}
    for game in first, second:
        assert moved(game, game.generator_step) == {"synthesiser", "average"}
    _, frozen = game_of(generator_every=0)
    assert moved(frozen, lambda: run_epoch(frozen, 1)) == {"discriminator"}


def test_the_hash_stream_takes_no_part_in_stage_one() -> None:
    first, _ = game_of(weight_decay=0.0)
    before = copy.deepcopy(first.streams.second.weight)
    run_epoch(first, 1)
    assert torch.equal(first.streams.second.weight, before)


def test_the_smoothing_is_the_square_of_the_adversarys_slope() -> None:
    first, _ = game_of(smoothing=3.0, activation="tanh", augment=False)
    x, labels = first.pictures.pixels[:4].double(), first.pictures.labels[:4].double()
    first.streams.double()

    def logits(x: Tensor) -> Tensor:
        return first.real(first.streams.judge(x), labels)

    step, slopes = 1e-5, []
    with torch.no_grad():
        for k in range(x.shape[1]):
            moved = torch.zeros_like(x)
            moved[:, k] = step
            slopes.append((logits(x + moved) - logits(x - moved)) / (2 * step))
    expected = torch.stack(slopes).square().sum(0).mean().item()
    every = first.rules.smooth_every
    found = first.r1_penalty(x, labels).item()
    assert found == pytest.approx(3.0 / 2 * every * expected, rel=1e-3)


def test_real_and_synthetic_pictures_come_augmented_alike_before_the_network() -> None:
    first, _ = game_of()
    shown: list[int] = []

    def black(rows: Tensor) -> Tensor:
        shown.append(len(rows))
        return rows * 0

    first.pictures = dataclasses.replace(first.pictures, augment=black)
    batch = first.rules.batch
    losses = first.network_step(smooth=True)
    first.generator_step()
    assert shown == [3 * batch, batch, batch]  # of the network, of the slope, of the generator
    assert losses["discriminator/smoothing"] == 0  # nothing that is seen depends on the pixels
    plain, _ = game_of(augment=False)
    rows = plain.pictures.pixels[:3]
    assert torch.equal(plain.pictures.augment(rows), rows)


def test_half_precision_is_near_single_and_leaves_weights_single() -> None:
    figures = []
    for half in False, True:
        first, _ = game_of(bfloat16=half)
        figures.append(first.network_step(smooth=True) | first.generator_step())
        states = [part.state_dict().values() for part in first.networks.values()]
        n_label_sets = {value.dtype for state in states for value in state}
        assert n_label_sets <= {torch.float32, torch.int64}
    single, half_ = figures
    assert half_ == pytest.approx(single, rel=0.05)
    assert half_ != single
