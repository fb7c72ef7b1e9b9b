"""Methods and missing views: UGACH's neighbours, what is refused, and three real views."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from checkerboard import DIMS, board, lacking_views, maps, quick, split

from crossbit import datasets
from crossbit.corpus import Corpus
from crossbit.errors import DataError
from crossbit.features.scaling import fit_scaling
from crossbit.methods.adversarial.ugach import neighbours
from crossbit.splits import make_split
from crossbit.training.data import TrainingData

DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")
N = 160


def data_of(corpus: Corpus) -> TrainingData:
    return TrainingData.of(corpus, {v: fit_scaling(corpus.with_views(v)[v]) for v in corpus.views})


@pytest.mark.parametrize("k", [1, 4, 500])
def test_neighbours_are_found_among_the_rows_that_have_the_view(k: int, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSBIT_CACHE", str(tmp_path))
    there = np.arange(N) % 3 != 1
    data = data_of(lacking_views(board(noise=1.0), {"text": there}))  # zeros: near to each other
    for _ in range(2):  # built, then read from the cache
        graph = neighbours(data, k)
        for view in DIMS:
            x = data.views[view]
            assert isinstance(x, torch.Tensor)
            has = there if view == "text" else np.ones(N, dtype=bool)
            count = min(k, int(has.sum()) - 1)
            assert graph.neighbours[view].shape == (N, count)
            assert graph.neighbours[view].dtype == np.int32
            for i in range(N):
                if not has[i]:
                    assert (graph.neighbours[view][i] == i).all()
                    continue
                distance = np.linalg.norm(x.double() - x[i].double(), axis=1)
                order = [j for j in np.argsort(distance, kind="stable") if has[j] and j != i]
                assert graph.neighbours[view][i].tolist() == order[:count]
                far = distance[order[:count]]
                np.testing.assert_allclose(graph.distances[view][i], far, rtol=1e-4)
    indptr, indices = graph.positives
    for i in range(N):
        related = {i, *(j for view in DIMS for j in graph.neighbours[view][i].tolist())}
        assert set(indices[indptr[i] : indptr[i + 1]].tolist()) == related
    assert len(list((tmp_path / "graphs").iterdir())) == 2


def test_a_view_of_one_row_has_no_neighbours() -> None:
    data = data_of(lacking_views(board(), {"text": np.arange(N) == 5}))
    graph = neighbours(data, 3)
    assert graph.neighbours["text"].shape == (N, 0)
    assert graph.neighbours["image"].shape == (N, 3)
    assert len(graph.positives[1]) == 4 * N


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["displus", "cvh"])
def test_a_view_that_no_training_row_has_is_refused(name: str) -> None:
    whole = board()
    parts = split(whole)
    there = np.isin(np.arange(N), parts.query_rows)
    holes = split(lacking_views(whole, {"text": there}))
    with pytest.raises(DataError, match="no training row of checkerboard has the view 'text'"):
        quick(name).fit(holes.train)


@pytest.mark.parametrize(
    ("name", "words"), [("cvh", "every training row"), ("scm_seq", "every labelled training row")]
)
def test_methods_for_whole_rows_say_so_if_there_are_none(name: str, words: str) -> None:
    parts = split(board())
    image = np.arange(N) % 2 == 0
    if name == "scm_seq":  # whole rows there are, without labels
        image |= ~np.isin(np.arange(N), parts.labelled_rows)
    text = ~image | (~np.isin(np.arange(N), parts.labelled_rows) & (name == "scm_seq"))
    holes = split(lacking_views(board(), {"image": image, "text": text}))
    with pytest.raises(DataError, match=f"{words} lacks one.*such as schgan"):
        quick(name).fit(holes.train)


def test_validation_rows_without_a_view_are_left_out_too() -> None:
    parts = split(board(), 0.5)
    assert parts.validation is not None
    there = ~np.isin(np.arange(N), parts.validation_rows)
    holes = split(lacking_views(board(), {"text": there}, 9.0), 0.5)
    found = quick("scm_seq").fit(holes.train, validation=holes.validation)
    alone = quick("scm_seq").fit(holes.train)
    assert found.fingerprint == alone.fingerprint


def test_fused_codes_need_all_views() -> None:
    holes = split(lacking_views(board(), {"text": np.arange(N) % 8 > 0}))
    hasher = quick("seph").fit(holes.train)
    lacking = int((~holes.database.has("text")).sum())
    with pytest.raises(DataError, match=f"{lacking} of 120 database items lack one; use the cod"):
        hasher.encode_database(holes.database, "image", "fused")
    whole = holes.database.with_views("text")
    assert len(hasher.encode_database(whole, "image", "fused")) == 120 - lacking


# -- three views, one of them often missing ----------------------------------------------------


@pytest.mark.skipif(not (DATA / "mfeat").is_dir(), reason="CROSSBIT_DATA with mfeat/ is not set")
@pytest.mark.parametrize("name", ["displus", "schgan", "ugach"])
def test_digits_find_each_other_though_three_in_ten_lack_a_view(name: str) -> None:
    """Chance is a MAP of .1; the quick model of whole digits is hardly better."""
    digits = datasets.load("mfeat")
    there = np.random.default_rng(0).random(len(digits)) > 0.3
    holes = Corpus(digits.views, labels=digits.labels, name="mfeat", present={"karhunen": there})
    parts = make_split(holes, queries=200, labelled=0.3)
    sizes = {"bits": 32, "epochs": 5, "min_steps_per_epoch": 20, "kernel_head": "never"}
    hasher = quick(name, **sizes).fit(parts.train, validation=parts.validation)
    assert "left_out" not in hasher.trained
    found = maps(hasher, parts)
    assert len(found) == 6
    assert min(found.values()) > 0.3, found
