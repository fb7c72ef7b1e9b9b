"""UCCH: both losses against loops, which keys a round contrasts with, what a step changes."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
import torch
from checkerboard import THREE, board, maps, quick, same_weights, split
from torch import Tensor

from crossbit.errors import ConfigError
from crossbit.features.scaling import fit_scaling
from crossbit.methods.deep.ucch import ContrastTask, key_contrast, pair_ranking
from crossbit.training.data import TrainingData
from crossbit.training.loop import run_epoch

VIEWS = {"image": 12, "text": 7}


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(n: int = 24, dims: dict[str, int] = VIEWS, **settings: Any) -> ContrastTask:
    """Return the task of a small corpus, its bank filled with vectors that are no signs."""
    hasher = quick("ucch", **{"bits": 8, "hidden": 16, "negatives": n, **settings})
    corpus = board(n, dims)
    data = TrainingData.of(corpus, {view: fit_scaling(corpus[view]) for view in corpus.views})
    hasher.dims = corpus.dims
    task = hasher._task(data, torch.Generator().manual_seed(0))
    task.bank.vectors.copy_(torch.nn.functional.normalize(numbers(n, 8, seed=5)))
    return task


def outputs_of(task: ContrastTask, rows: Tensor) -> dict[str, list[list[float]]]:
    """Return tanh of the logits scaled to length 1, in plain numbers."""
    found = {}
    for view, x in task.data.views.items():
        h = task.network.logits(view, x[rows]).tanh()
        found[view] = (h / h.square().sum(1, keepdim=True).sqrt()).tolist()
    return found


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def signs(vector: list[float]) -> list[float]:
    return [math.copysign(1 / math.sqrt(len(vector)), x) for x in vector]


def naive_contrast(
    h: list[list[float]], keys: list[list[float]], own: list[int], temperature: float
) -> float:
    """Return the mean of -log softmax over `keys`, of which row i's own is `own[i]`."""
    total = 0.0
    for i, at in enumerate(own):
        terms = [math.exp(dot(h[i], key) / temperature) for key in keys]
        total -= math.log(terms[at] / sum(terms)) / len(own)
    return total


def naive_ranking(
    similarity: list[list[float]], margin: float, shift: float, softness: float
) -> float:
    n, total = len(similarity), 0.0
    for i in range(n):
        soft = 0.0
        for j in range(n):
            near = similarity[i][i] - similarity[i][j] <= margin
            soft += math.exp((similarity[i][j] - (0 if near else shift)) / softness)
        total += (margin + softness * math.log(soft) - similarity[i][i]) / n
    return total


# -- the losses ------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.1, 0.9])
def test_contrast_by_loop(temperature: float) -> None:
    h, keys = numbers(4, 6), numbers(9, 6, seed=1)
    own = [2, 8, 0, 5]
    same = torch.zeros(4, 9, dtype=torch.bool)
    same[range(4), own] = True
    found = key_contrast(h, keys[own], keys, same, temperature)
    expected = naive_contrast(h.tolist(), keys.tolist(), own, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_row_that_was_not_drawn_counts_beside_the_negatives() -> None:
    h, own, others = numbers(3, 6), numbers(3, 6, seed=1), numbers(5, 6, seed=2)
    found = key_contrast(h, own, others, torch.zeros(3, 5, dtype=torch.bool), 0.5)
    expected = sum(
        naive_contrast([h[i].tolist()], [own[i].tolist(), *others.tolist()], [0], 0.5) / 3
        for i in range(3)
    )
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_alone_a_row_has_nothing_to_learn_from() -> None:
    h = numbers(1, 6).requires_grad_()
    loss = key_contrast(h, h.detach(), h.detach(), torch.ones(1, 1, dtype=torch.bool), 0.5)
    loss.backward()
    assert loss.item() == 0
    assert h.grad is not None
    assert (h.grad == 0).all()


@pytest.mark.parametrize("shift", [0.1, 1.0])
@pytest.mark.parametrize("softness", [0.3, 1.0])
def test_ranking_by_loop(shift: float, softness: float) -> None:
    similarity = torch.tanh(numbers(7, 7))
    near = similarity.diagonal()[:, None] - similarity <= 0.2
    assert 7 < near.sum() < 49  # both sides of the margin are tried
    found = pair_ranking(similarity, 0.2, shift, softness)
    expected = naive_ranking(similarity.tolist(), 0.2, shift, softness)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_ranking_pushes_what_is_ranked_right_less() -> None:
    similarity = torch.tensor([[0.5, 0.4, -0.5], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]])
    similarity.requires_grad_()
    pushes = []
    for shift in 0.0, 1.0:
        similarity.grad = None
        pair_ranking(similarity, 0.2, shift, 1.0).backward()
        assert similarity.grad is not None
        assert similarity.grad[0, 0] < 0
        pushes.append((similarity.grad[0, 2] / similarity.grad[0, 1]).item())
    assert pushes[1] == pytest.approx(pushes[0] * math.exp(-1.0))


# -- the keys of a step ----------------------------------------------------------------------


def test_in_warm_up_the_keys_are_the_bits_of_the_batch() -> None:
    task, rows = made(), torch.tensor([3, 20, 7, 11, 0])
    h = outputs_of(task, rows)
    mean = [
        [(x + y) / 2 for x, y in zip(a, b, strict=True)]
        for a, b in zip(h["image"], h["text"], strict=True)
    ]
    keys = [signs(v) for v in mean]
    expected = sum(naive_contrast(h[view], keys, list(range(5)), 0.9) for view in h)
    task.method.temperature = 0.9
    found = task.losses(rows, warm=True)["contrast"].item()
    assert found == pytest.approx(task.method.contrast_weight * expected, rel=1e-4)
    for i, row in enumerate(rows.tolist()):  # and the bank forgets what it held of the rows
        length = math.sqrt(dot(mean[i], mean[i]))
        assert task.bank.vectors[row].tolist() == pytest.approx(
            [x / length for x in mean[i]], abs=1e-5
        )


def test_later_they_are_the_signs_of_the_bank_as_it_was_before_the_step() -> None:
    task, rows = made(), torch.tensor([3, 20, 7, 11, 0])
    task.method.temperature = 0.5
    h, before = outputs_of(task, rows), task.bank.vectors.clone()
    keys = [signs(v) for v in before.tolist()]
    expected = sum(naive_contrast(h[view], keys, rows.tolist(), 0.5) for view in h)
    found = task.losses(rows, warm=False)["contrast"].item()
    assert found == pytest.approx(task.method.contrast_weight * expected, rel=1e-4)
    moved = (task.bank.vectors != before).any(1)
    assert moved.nonzero().flatten().tolist() == sorted(rows.tolist())
    assert not torch.equal(task.bank.vectors[3], torch.tensor(h["image"][0]))


def test_fewer_negatives_than_rows_are_drawn_anew_for_every_step() -> None:
    task, rows = made(contrast_weight=1.0, negatives=4), torch.arange(6)
    state = task.bank.vectors.clone()
    found = set()
    for _ in range(3):
        task.bank.vectors.copy_(state)
        found.add(round(task.losses(rows, warm=False)["contrast"].item(), 6))
    assert len(found) == 3
    task.method.negatives = 24  # all rows: nothing is left to chance
    both = []
    for _ in range(2):
        task.bank.vectors.copy_(state)
        both.append(task.losses(rows, warm=False)["contrast"].item())
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    assert both[0] > max(found)  # a softmax over more keys


@pytest.mark.parametrize("dims", [VIEWS, THREE])
def test_every_two_views_are_ranked_in_both_directions(dims: dict[str, int]) -> None:
    task, rows = made(dims=dims, contrast_weight=0.25), torch.arange(10)
    h = outputs_of(task, rows)
    method = task.method
    expected = 0.0
    for a, b in permutations(h, 2):
        similarity = [[dot(x, y) for y in h[b]] for x in h[a]]
        expected += naive_ranking(similarity, method.margin, method.shift, method.softness)
    found = task.losses(rows, warm=True)["ranking"].item()
    assert found == pytest.approx(0.75 * expected / (len(dims) - 1), rel=1e-4)


# -- rounds ----------------------------------------------------------------------------------


def test_a_round_passes_over_all_rows_and_only_the_first_are_warm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = made(n=20, batch=8, min_steps_per_epoch=4, warmup_epochs=2)
    seen: list[tuple[list[int], bool]] = []
    losses = task.losses

    def spy(rows: Tensor, warm: bool) -> dict[str, Tensor]:
        seen.append((rows.tolist(), warm))
        return losses(rows, warm)

    monkeypatch.setattr(task, "losses", spy)
    for number, warm in (1, True), (2, True), (3, False):
        seen.clear()
        run_epoch(task, number)
        assert [len(rows) for rows, _ in seen] == [8, 8, 4, 8, 8, 4]  # two passes: 4 steps at least
        assert {was for _, was in seen} == {warm}
        for a_pass in seen[:3], seen[3:]:
            assert sorted(row for rows, _ in a_pass for row in rows) == list(range(20))


def test_no_step_is_larger_than_the_clip() -> None:
    task = made(clip=1e-3)
    norms = []
    step = task.optimizers["encoder"].step

    def spy() -> None:
        grads = [p.grad for p in task.network.parameters() if p.grad is not None]
        norms.append(math.sqrt(sum(float(g.square().sum()) for g in grads)))
        step()

    task.optimizers["encoder"].step = spy  # type: ignore[method-assign, assignment]
    run_epoch(task, 1)
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)


# -- the hasher ------------------------------------------------------------------------------


def test_labels_change_nothing() -> None:
    parts = split(board())
    bare = parts.train.hide_labels(torch.zeros(len(parts.train), dtype=torch.bool).numpy())
    seeing = quick("ucch").fit(parts.train, validation=parts.validation)
    blind = quick("ucch").fit(bare, validation=parts.validation)
    assert same_weights(seeing, blind)
    assert seeing.trained["labelled"] == 0
    assert seeing.trained["rows"] == len(parts.train) + len(parts.validation)


def test_the_contrast_and_the_ranking_each_learn_alone() -> None:
    parts = split(board())
    for weight in 0.0, 1.0:
        hasher = quick("ucch", contrast_weight=weight, epochs=8).fit(parts.train)
        assert min(maps(hasher, parts).values()) > 0.8, weight  # at random: 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contrast_weight": 1.5}, "contrast_weight must be in 0..1"),
        ({"momentum": 1.0}, "momentum from 0 to below 1"),
        ({"temperature": 0.0}, "temperature, softness and clip must be above 0"),
        ({"clip": -1.0}, "clip must be above 0"),
        ({"negatives": 0}, "negatives must be at least 1"),
        ({"warmup_epochs": -1}, "warmup_epochs, margin and shift not below 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quick("ucch", **settings)
