"""Training with missing views: every loss is that of the rows that have the views, no other."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from checkerboard import THREE, board, lacking_views, quick
from torch import Tensor

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.features.scaling import fit_scaling
from crossbit.methods.deep.contrast import BALANCE, QUANTISATION
from crossbit.methods.deep.dis import triplet_losses
from crossbit.methods.deep.displus import LIKELIHOOD
from crossbit.metrics import average_precision
from crossbit.networks.losses import all_triplets, contrast, pair_likelihood, ranking, signed
from crossbit.networks.pathway import squared_distance
from crossbit.training import game_losses as hands
from crossbit.training.data import TrainingData
from crossbit.training.game_losses import GameBatch
from crossbit.training.loop import run_epoch
from crossbit.training.monitor import validation_ap

N = 160


def masks() -> dict[str, np.ndarray]:
    """A third lacks the image, a quarter the text, some both; audio is there for all."""
    return {"image": np.arange(N) % 3 != 0, "text": np.arange(N) % 4 != 1}


def holes(dims: dict[str, int] = THREE, junk: float = 7.0) -> Corpus:
    return lacking_views(board(dims=dims), masks(), junk)


def data_of(corpus: Corpus) -> TrainingData:
    return TrainingData.of(corpus, {v: fit_scaling(corpus.with_views(v)[v]) for v in corpus.views})


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sub(rows: Tensor, *views: str) -> list[int]:
    """Return which positions of `rows` have all of some views, one row after the other."""
    there = masks()
    return [k for k, r in enumerate(rows.tolist()) if all(there[v][r] for v in views if v in there)]


# -- the data ----------------------------------------------------------------------------------


def test_rows_that_have_views_are_found_by_position() -> None:
    data = data_of(holes())
    assert set(data.present) == {"image", "text"}
    rows = torch.tensor([3, 1, 1, 0, 9, 5, 2])
    for views in ("image",), ("text",), ("image", "text"), ("image", "audio", "text"):
        at = data.having(rows, *views)
        expected = sub(rows, *views)
        assert isinstance(at, Tensor)
        assert at.tolist() == expected
    assert data.having(rows, "audio") == slice(None)
    assert data_of(board()).having(rows, "image", "text") == slice(None)


def test_the_power_of_a_view_is_that_of_the_rows_that_have_it() -> None:
    corpus, whole = holes(junk=1e3), data_of(board(dims=THREE))
    scaling = {view: fit_scaling(corpus.with_views(view)[view]) for view in corpus.views}
    total_variance = TrainingData.of(corpus, scaling).total_variance
    for view, mask in masks().items():
        rows = np.asarray(scaling[view](corpus[view]))[mask]
        assert total_variance[view] == pytest.approx(rows.var(axis=0).sum(), rel=1e-2)
    assert total_variance["audio"] == whole.total_variance["audio"]


# -- validation --------------------------------------------------------------------------------


def test_validation_counts_the_directions_that_a_query_asks_in() -> None:
    def project(part: Corpus, view: str) -> np.ndarray:
        d = part.dims[view]
        return part[view] @ np.random.default_rng(d).normal(size=(d, 16))

    corpus = lacking_views(board(dims=THREE, noise=1.0), masks(), 7.0)
    train, validation = corpus.take(np.arange(120)), corpus.take(np.arange(120, N))
    train = train.hide_labels(np.arange(120) % 2 == 0)
    judged = train.take(np.flatnonzero(train.labelled))
    found = validation_ap(project, validation, train)
    for q in range(len(validation)):
        one, values = validation.take([q]), []
        for a, b in permutations(THREE, 2):
            if one.has(a)[0]:
                database = judged.take(np.flatnonzero(judged.has(b)))
                codes = [Codes.pack(project(p, v) > 0) for p, v in ((one, a), (database, b))]
                counts = hamming.histogram(*codes, one.require_labels(), database.require_labels())
                values.append(float(average_precision(*counts).expected[0]))
        assert found[q] == pytest.approx(np.mean(values))
    assert 0.2 < found.mean() < 0.95


# -- losses ------------------------------------------------------------------------------------


def network_and(name: str, data: TrainingData, **settings: Any) -> tuple[Any, Any]:
    hasher = quick(name, **settings)
    return hasher, hasher._new_network(data, rng())


def test_the_contrast_losses_are_those_of_the_rows_that_have_the_views() -> None:
    data = data_of(holes())
    hasher, network = network_and("displus", data)
    rows = torch.randperm(N, generator=rng(1))[:40]
    codes = {view: network(view, x[rows]) for view, x in data.views.items()}

    def relevance(a: Tensor, b: Tensor) -> Tensor:
        return 0.5 * (data.labels[a] @ data.labels[b].T)

    found = hasher._contrast_losses(network, data, relevance)(rows, codes)
    pulled, off, lean = 0.0, 0.0, 0.0
    for a, b in permutations(THREE, 2):
        at = sub(rows, a, b)
        assert 0 < len(at) < 40
        similarity = signed(codes[a][at]) @ signed(codes[b][at]).T
        table = relevance(rows[at], rows[at])
        pulled += contrast(similarity, table, hasher.temperature * hasher.bits).item()
    for view in THREE:
        held = codes[view][sub(rows, view)]
        off += float(np.mean([1 - abs(2 * h - 1) for h in held.flatten().tolist()]))
        lean += float(np.mean([(2 * bit.mean().item() - 1) ** 2 for bit in held.T]))
    assert found["contrast"].item() == pytest.approx(hasher.contrast_weight * pulled, rel=1e-5)
    assert found["quantisation"].item() == pytest.approx(QUANTISATION * off, rel=1e-5)
    assert found["balance"].item() == pytest.approx(BALANCE * lean, rel=1e-4)


def test_the_labelled_losses_are_those_of_the_rows_that_have_the_views() -> None:
    data = data_of(holes())
    hasher, network = network_and("displus", data, labelled_batch=50)
    pairs = torch.arange(20)
    codes = {view: network(view, x[pairs]) for view, x in data.views.items()}
    losses = hasher._pair_losses(network, data, rng(2), lambda a, b: torch.zeros(len(a), len(b)))
    found = losses(pairs, codes)
    rows, scale = data.draw_labelled(50, rng(2)), hasher.temperature * hasher.bits
    ranked = likely = 0.0
    for a, b in permutations(THREE, 2):
        asking, searched = rows[sub(rows, a)], rows[sub(rows, b)]
        similarity = signed(network(a, data.views[a][asking])) @ (
            signed(network(b, data.views[b][searched])).T
        )
        shared = data.labels[asking] @ data.labels[searched].T > 0
        ranked += ranking(similarity, shared.float(), scale).item()
        likely += pair_likelihood(similarity / scale, shared).item()
    assert found["labelled"].item() == pytest.approx(hasher.labelled_weight * ranked, rel=1e-5)
    assert found["likelihood"].item() == pytest.approx(LIKELIHOOD * likely, rel=1e-5)


def test_triplets_are_those_of_the_rows_that_have_the_views() -> None:
    data = data_of(holes())
    _, network = network_and("dis", data)
    found = triplet_losses(network, data, rng(3), 30, 1.5)()["triplet"]
    rows, expected = data.draw_labelled(30, rng(3)), 0.0
    for a, b in permutations(THREE, 2):
        asking, searched = rows[sub(rows, a)], rows[sub(rows, b)]
        distance = squared_distance(
            network(a, data.views[a][asking]), network(b, data.views[b][searched])
        )
        shared = data.labels[asking] @ data.labels[searched].T > 0
        expected += all_triplets(distance, shared, 1.5).item()
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_triplets_of_the_game_are_those_of_the_rows_that_have_the_views() -> None:
    data = data_of(holes())
    hasher, network = network_and("ugach", data, triplets=True)
    rows = torch.randperm(N, generator=rng(4))[:25]
    codes = {view: network(view, x[rows]).detach() for view, x in data.views.items()}

    def relevance(a: Tensor, b: Tensor) -> Tensor:
        return (a[:, None] + b) % 3 / 2

    found = hasher._base_loss(network, data, relevance)(rows, codes)["triplet"]
    margin, expected = hasher.margin * hasher.bits / 8, 0.0
    for a, b in permutations(THREE, 2):
        at, total, weights = sub(rows, a, b), 0.0, 0.0
        for i in at:
            own = float((codes[a][i] - codes[b][i]).square().sum())
            for j in at:
                far = float((codes[a][i] - codes[b][j]).square().sum())
                wrong = 1 - float(relevance(rows[[i]], rows[[j]]))
                total, weights = total + wrong * max(0.0, margin + own - far), weights + wrong
        expected += total / weights
    assert found.item() == pytest.approx(expected, rel=1e-4)


# -- the game ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["schgan", "ugach"])
@pytest.mark.parametrize("step", ["generator", "discriminator"])
def test_a_hand_holds_rows_that_have_the_views(name, step, monkeypatch) -> None:
    """Queries have the view that asks, pool and positives the view that is searched."""
    data = data_of(holes())
    game: Any = quick(name)._task(data, rng())
    dealt: list[GameBatch] = []
    kept: list[tuple[Tensor, Tensor, Tensor]] = []

    def note(batch: GameBatch, *_: Any) -> Tensor:
        dealt.append(batch)
        return original(batch, *_)

    table = hands.REWARDS if step == "generator" else hands.LOSSES
    rule = game.config.reward if step == "generator" else game.config.loss
    original = table[rule]
    monkeypatch.setitem(table, rule, note)
    deal = game._sample_rows
    monkeypatch.setattr(
        game, "_sample_rows", lambda *cached: (kept.append(deal(*cached)), kept[-1])[1]
    )
    before = {v: game.discriminator(v, data.views[v]).detach() for v in THREE}
    if step == "generator":
        game.generator_step()
    else:
        figures = game.discriminator_step(game._all_codes())
        terms = [original(batch, game.config).item() for batch in dealt]
        assert figures["game"] == pytest.approx(
            game.config.adversarial_weight * sum(terms), rel=1e-5
        )
    rows, pool, known = kept[0]
    relevance = game.relevance(rows, known)
    for batch, (a, b) in zip(dealt, permutations(THREE, 2), strict=True):
        asking, offered, more = sub(rows, a), sub(pool, b), sub(known, b)
        torch.testing.assert_close(batch.queries.detach(), before[a][rows[asking]])
        torch.testing.assert_close(batch.candidates.detach(), before[b][known[more]])
        torch.testing.assert_close(batch.relevance, relevance[asking][:, more])
        assert batch.samples.max() < len(offered)
        assert batch.positives.max() < len(more)
        assert len(batch.samples) == len(asking)


@pytest.mark.parametrize("name", ["dis", "displus", "schgan", "ugach"])
def test_a_batch_that_holds_no_row_with_a_view_is_no_accident(name) -> None:
    """Its losses are 0 for that view: not NaN, which would be reported as a divergence."""
    corpus = lacking_views(board(dims=THREE), {"audio": np.arange(N) == 11})
    data = data_of(corpus)
    task: Any = quick(name)._task(data, rng())
    if hasattr(task, "config"):
        task.config = replace(task.config, warmup_epochs=0)
    figures = run_epoch(task, 1)
    assert all(np.isfinite(value) for value in figures.values()), figures
    for network in task.networks.values():
        assert all(torch.isfinite(weights).all() for weights in network.state_dict().values())
