"""Nearest neighbours: those of a float64 loop, whatever ties, lengths and storage."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from crossbit.errors import ConfigError, DataError
from crossbit.features.terms import TermWeights
from crossbit.graph import blocks, neighbours
from crossbit.graph.blocks import BlockReader
from crossbit.graph.neighbours import METRICS, Geometry, RunningTopK, nearest


def naive(x: Any, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and distances by a loop in float64; ties by position."""
    x = np.asarray(x, dtype=np.float64)
    at, far = [], []
    for i, row in enumerate(x):
        if metric == "euclidean":
            values = np.square(x - row).sum(axis=1)
        else:
            lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(row)
            dots = np.sum(x * row, axis=1)
            values = 1 - np.divide(dots, lengths, out=np.zeros(len(x)), where=lengths > 0)
            values = np.round(values, 12)
        values = values.astype(np.float32)
        values[i] = np.inf
        order = np.argsort(values, kind="stable")[:k]
        at.append(order)
        far.append(np.sqrt(values[order]) if metric == "euclidean" else values[order])
    return np.array(at), np.array(far)


def agree(x: Any, k: int, metric: str, given: Any = None) -> None:
    found, distances = nearest(x if given is None else given, k, metric=metric)
    expected, far = naive(x, k, metric)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(distances, far, rtol=1e-3, atol=1e-9)
    assert (found.dtype, distances.dtype) == (np.int32, np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 8 rows in strips of 3, so that few rows take every path."""
    monkeypatch.setattr(blocks, "BLOCK", 8)
    monkeypatch.setattr(neighbours, "STRIP", 3)
    monkeypatch.setattr(neighbours, "SCANNED", 5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("n", "d", "k"), [(2, 1, 1), (8, 3, 7), (9, 3, 2), (61, 5, 4), (61, 5, 60)]
)
def test_they_are_those_of_a_loop(small_blocks, metric, n, d, k) -> None:
    agree(np.random.default_rng(n).normal(size=(n, d)).astype(np.float32), k, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_large_blocks_of_wide_rows(metric) -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(700, 20)) @ rng.normal(size=(20, 600)) + rng.normal(size=(700, 600))
    agree(wide.astype(np.float32), 10, metric)


def test_they_do_not_depend_on_blocks(monkeypatch) -> None:
    x = np.random.default_rng(1).normal(size=(300, 40)).astype(np.float32)
    whole = nearest(x, 5)
    monkeypatch.setattr(blocks, "BLOCK", 37)
    parts = nearest(x, 5)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1], rtol=1e-4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_equal_distances_go_by_position(data) -> None:
    """Few different numbers: most rows occur several times, most distances too."""
    n, d = data.draw(st.integers(2, 60)), data.draw(st.integers(1, 4))
    k = data.draw(st.integers(1, n - 1))
    top = data.draw(st.integers(0, 3))
    numbers = st.lists(st.integers(0, top), min_size=n * d, max_size=n * d)
    x = np.array(data.draw(numbers), dtype=np.float32).reshape(n, d)
    shift = data.draw(st.sampled_from([0.0, 1000.0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", 8)
        patch.setattr(neighbours, "STRIP", 3)
        patch.setattr(neighbours, "SPARE", data.draw(st.integers(0, 4)))
        agree(x + np.float32(shift), k, "euclidean")
        agree(x, k, "cosine")


@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_occur_more_often_than_there_are_candidates(small_blocks, metric) -> None:
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=(3, 50)), 40, axis=0).astype(np.float32)
    x = x[rng.permutation(120)]
    found, distances = nearest(x, 5, metric=metric)
    for i, row in enumerate(x):
        same = np.flatnonzero((x == row).all(axis=1))
        np.testing.assert_array_equal(found[i], same[same != i][:5])
    assert not distances.any()  # exactly: products would leave some 1e-6 of the lengths


@pytest.mark.parametrize("metric", METRICS)
def test_near_copies_far_from_zero_keep_their_order(small_blocks, metric) -> None:
    """Products in float32 see nothing of such distances: 1e-4 beside lengths of 1e3."""
    rng = np.random.default_rng(3)
    x = (100 + rng.normal(size=(2, 100))).repeat(30, axis=0)
    x[np.arange(60), np.arange(60)] += rng.permutation(60) * 2.0**-10
    x = x.astype(np.float32)
    products = x @ x.T
    sizes = np.diag(products)
    blind = np.argsort(sizes[:, None] + sizes - 2 * products + np.diag(np.full(60, np.inf)), axis=1)
    assert (blind[:, :5] != naive(x, 5, "euclidean")[0]).any()
    agree(x, 5, metric)


def test_texts_without_a_common_word(small_blocks) -> None:
    """Bags of one word are equally far from all others, empty ones from everything."""
    words = np.random.default_rng(4).integers(0, 30, 80)
    x = np.zeros((100, 30), dtype=np.float32)
    x[np.arange(80), words] = 3
    for metric in METRICS:
        agree(x, 25, metric)


def test_numbers_of_very_different_sizes(small_blocks) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(80, 6)) * 10.0 ** rng.integers(-12, 12, 80)[:, None]
    agree(x.astype(np.float32), 6, "cosine")
    agree(x.astype(np.float32), 6, "euclidean")


def test_rows_may_lie_in_a_file_be_sparse_or_be_scaled_when_read(small_blocks, tmp_path) -> None:
    x = np.random.default_rng(6).poisson(0.7, size=(70, 12)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    matrix = sparse.csr_matrix(x)
    for metric in METRICS:
        agree(x, 4, metric, mapped)
        agree(x, 4, metric, matrix)
        agree(np.sqrt(x), 4, metric, BlockReader.of(x, np.sqrt))
        agree(np.sqrt(x), 4, metric, BlockReader.of(matrix, lambda part: np.sqrt(part.toarray())))


@pytest.mark.parametrize("metric", METRICS)
def test_each_pair_of_blocks_is_multiplied_once(monkeypatch, metric) -> None:
    counted = itertools.count()
    real = np.matmul
    monkeypatch.setattr(blocks, "BLOCK", 10)
    monkeypatch.setattr(np, "matmul", lambda *a, **b: (next(counted), real(*a, **b))[1])
    nearest(np.random.default_rng(7).normal(size=(40, 5)).astype(np.float32), 3, metric=metric)
    assert next(counted) == 4 * 5 / 2


def test_progress_goes_up_to_one(small_blocks) -> None:
    seen: list[float] = []
    nearest(np.ones((40, 2), dtype=np.float32), 3, progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) > 15
    assert seen[-1] == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 9))
def test_kept_values_are_the_smallest_offered(seed, stable, width) -> None:
    rng = np.random.default_rng(seed)
    every = rng.integers(0, 40, (12, 50)).astype(np.float32)
    kept = RunningTopK(12, width, stable=stable)
    cuts = [0, *np.sort(rng.integers(0, 50, 4)).tolist(), 50]
    for start, stop in itertools.pairwise(cuts):
        for part in (slice(0, 7), slice(7, 12)):
            kept.offer(every[part, start:stop], part, start)
    np.testing.assert_array_equal(np.sort(kept.values, axis=1), np.sort(every, axis=1)[:, :width])
    np.testing.assert_array_equal(np.take_along_axis(every, kept.positions, axis=1), kept.values)
    np.testing.assert_array_equal(kept.worst, kept.values.max(axis=1))
    assert all(len(set(line)) == width for line in kept.positions.tolist())
    if stable:
        order = np.argsort(every, axis=1, kind="stable")[:, :width]
        np.testing.assert_array_equal(kept.positions, order)


def test_mistakes_say_what_is_wrong() -> None:
    x = np.eye(4, dtype=np.float32)
    with pytest.raises(DataError, match="4 nearest neighbours need more than 4 rows, there are 4"):
        nearest(x, 4)
    with pytest.raises(ConfigError, match="k must be at least 1"):
        nearest(x, 0)
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        nearest(x, 1, metric="cosin")
    with pytest.raises(DataError, match=r"row 0 is .* scale the features down"):
        nearest(x * np.float32(1e20), 1)
    x[2, 1] = np.nan
    for metric in METRICS:
        with pytest.raises(DataError, match="row 2 holds NaN"):
            nearest(x, 1, metric=metric)


@pytest.mark.parametrize("metric", METRICS)
def test_texts_with_term_weights(metric) -> None:
    """Rows of one length, most of them without a common word: rounding alone would order them."""
    rng = np.random.default_rng(8)
    words = sparse.random(600, 300, 0.008, format="csr", rng=rng, data_rvs=np.ones)
    matrix = sparse.csr_matrix(words, dtype=np.float32)
    weights = TermWeights.fit(matrix)
    scaled = weights(matrix)
    assert (scaled.any(axis=1) @ (scaled @ scaled.T > 0)).min() < 20
    agree(scaled, 40, metric, BlockReader.of(matrix, weights))


@pytest.mark.parametrize("metric", METRICS)
def test_products_go_by_stored_numbers_where_they_lose_no_digits(small_blocks, metric) -> None:
    rng = np.random.default_rng(9)
    few = sparse.random(120, 200, 0.01, format="csr", rng=rng, data_rvs=np.ones).toarray()
    common = few.copy()
    common[:, 0] = 5  # of all rows: products with the mean would cancel it
    at = np.arange(120)
    for x, stored in (
        (few, True),
        (common, metric == "cosine"),
        (rng.normal(size=(120, 9)), False),
    ):
        rows = BlockReader.of(x.astype(np.float32))
        asked = Geometry.of(rows, metric).asking(at)
        assert sparse.issparse(asked) == stored
        agree(x.astype(np.float32), 20, metric)
