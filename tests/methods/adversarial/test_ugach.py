"""UGACH: the game on a graph, which no label reaches and which is found once for all lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkerboard import board, lacking_views, maps, quick, same_weights, split
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.features.scaling import fit_scaling
from crossbit.methods.adversarial import ugach
from crossbit.methods.adversarial.ugach import UGACH, neighbours
from crossbit.training.data import TrainingData
from crossbit.training.game import Game
from crossbit.training.run import FitRun

PARTS = split(board())


def data_of(corpus: Corpus) -> TrainingData:
    blind = corpus.hide_labels(np.zeros(len(corpus), dtype=bool))
    scaling = {view: fit_scaling(blind.with_views(view)[view]) for view in blind.views}
    return TrainingData.of(blind, scaling)


def game_of(**settings: Any) -> tuple[Game, TrainingData]:
    data = data_of(board())
    hasher = quick("ugach", **settings)
    return hasher._task(data, torch.Generator().manual_seed(0)), data


def fit(**settings: Any) -> UGACH:
    return quick("ugach", epochs=3, min_steps_per_epoch=4, **settings).fit(
        PARTS.train, validation=PARTS.validation
    )


def test_labels_change_nothing() -> None:
    other = Corpus(board().views, labels=np.roll(board().labels.toarray(), 1, axis=0))
    fitted = [
        quick("ugach", epochs=2, min_steps_per_epoch=3).fit(
            corpus.take(PARTS.train_rows), validation=corpus.take(PARTS.validation_rows)
        )
        for corpus in (board(), other)
    ]
    assert same_weights(*fitted)


def test_neighbours_are_the_nearest_rows_of_every_view() -> None:
    data = data_of(board())
    graph = neighbours(data, 3)
    for view, x in data.views.items():
        distance = torch.cdist(x.double(), x.double()).fill_diagonal_(torch.inf)
        expected = distance.argsort(dim=1, stable=True)[:, :3]
        np.testing.assert_array_equal(graph.neighbours[view], expected)


def test_a_row_without_a_view_is_no_ones_neighbour_in_it() -> None:
    there = np.arange(160) % 3 > 0
    graph = neighbours(data_of(lacking_views(board(), {"text": there}, 5.0)), 4)
    near = graph.neighbours["text"]
    assert there[near[there]].all()
    np.testing.assert_array_equal(near[~there], np.flatnonzero(~there)[:, None].repeat(4, axis=1))


def test_a_text_without_words_is_no_ones_neighbour_among_texts() -> None:
    rng = np.random.default_rng(0)
    words = sparse.random(90, 60, 0.05, format="lil", rng=rng, data_rvs=np.ones)
    words[::9] = 0
    there = np.asarray(words.tocsr().sum(axis=1)).ravel() > 0
    assert 60 < there.sum() <= 80
    images = rng.normal(size=(90, 7)).astype(np.float32)
    graph = neighbours(data_of(Corpus({"image": images, "text": words.tocsr()})), 4)
    near = graph.neighbours["text"]
    assert there[near[there]].all()
    np.testing.assert_array_equal(near[~there], np.flatnonzero(~there)[:, None].repeat(4, axis=1))
    assert (graph.neighbours["image"] != np.arange(90)[:, None]).all()


def test_graph_relevance_is_one_for_positives_alone_and_fused_never_less() -> None:
    rows, others = torch.arange(0, 40), torch.arange(20, 160)
    game, data = game_of(relevance="graph")
    near = game.relevance(rows, others)
    graph = neighbours(data, 5)
    indptr, indices = graph.positives
    for i, row in enumerate(rows.tolist()):
        held = set(indices[indptr[row] : indptr[row + 1]].tolist())
        expected = [float(other in held) for other in others.tolist()]
        assert near[i].tolist() == expected
    fused = game_of()[0].relevance(rows, others)
    assert (fused >= near).all()
    assert ((fused > 0.05) & (fused < 0.95)).any()


def test_positives_are_drawn_from_the_graph_of_the_queries() -> None:
    game, data = game_of(drawn=3)
    rows = torch.tensor([4, 9])
    drawn = game.draw_positives(rows)
    indptr, indices = neighbours(data, 5).positives
    assert drawn.shape == (6,)
    for row, found in zip(rows.tolist(), drawn.view(2, 3).tolist(), strict=True):
        assert set(found) <= set(indices[indptr[row] : indptr[row + 1]].tolist())


@pytest.mark.parametrize(
    "settings",
    [
        {"relevance": "graph"},
        {"relevance": "graph", "loss": "hinge", "reward": "sigmoid", "triplets": True},
        {"loss": "softplus", "reward": "log1pexp"},
        {"generator_start": "random", "generator_loss": "regression", "samples": 2},
        {"neighbours": 500},
    ],
    ids=str,
)
def test_every_variant_plays_and_learns(settings: dict[str, Any]) -> None:
    assert min(maps(fit(**settings), PARTS).values()) > 0.8


def test_triplets_are_the_hinge_of_a_rows_own_pair_against_what_is_not_related() -> None:
    game, _ = game_of(relevance="graph", triplets=True, margin=2.0)
    pool = torch.arange(0, 160, 5)
    codes = game._codes(pool)
    wrong = 1 - game.relevance(pool, pool)
    margin, total = 2.0 * game.discriminator.bits / 8, 0.0
    for a, b in (("image", "text"), ("text", "image")):
        terms = [
            max(0.0, margin + d[i, i].item() - d[i, j].item())
            for d in [torch.cdist(codes[a], codes[b]).square()]
            for i in range(len(pool))
            for j in range(len(pool))
            if wrong[i, j]
        ]
        total += sum(terms) / len(terms)
    assert game.base_loss(pool, codes)["triplet"].item() == pytest.approx(total, rel=1e-4)


def test_the_graph_is_found_once_for_all_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBIT_CACHE", str(tmp_path))
    fit(bits=16)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "graphs").iterdir()}
    assert len(kept) == 2  # one a view
    monkeypatch.setattr("crossbit.graph.graph.nearest", lambda *_, **__: pytest.fail("again"))
    fit(bits=32)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "graphs").iterdir()} == kept
    monkeypatch.setattr(ugach, "cache_folder", lambda: None)
    with pytest.raises(pytest.fail.Exception, match="again"):
        fit(bits=16)


def test_the_search_for_neighbours_is_reported_unless_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBIT_CACHE", str(tmp_path))
    for expected in (["neighbours by image", "neighbours by text"], []):
        seen: list[dict[str, Any]] = []
        run = FitRun(report=seen.append)
        quick("ugach", epochs=1, min_steps_per_epoch=1).fit(PARTS.train, run=run)
        steps = [event for event in seen if event["stage"] != "train"]
        assert list(dict.fromkeys(event["stage"] for event in steps)) == expected
        for stage in expected:
            shares = [event["epoch"] for event in steps if event["stage"] == stage]
            assert shares == sorted(shares)
            assert shares[-1] == 100
        assert [event["stage"] for event in seen][-1] == "train"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbours": 0}, "neighbours and drawn must be at least 1"),
        ({"drawn": 0}, "neighbours and drawn must be at least 1"),
        ({"positive_rate": 0.0}, "positive_rate must be between 0 and 1"),
        ({"positive_rate": 1.0}, "positive_rate must be between 0 and 1"),
        ({"slope": 0.0}, "slope above 0"),
        ({"relevance": "labels"}, "relevance is 'labels'; choose from fused, graph"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quick("ugach", **settings)
