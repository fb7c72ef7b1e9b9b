"""Closed-form metrics against naive loops over every order, scikit-learn, and properties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from crossbit import hamming
from crossbit.errors import ConfigError, DataError
from crossbit.metrics import (
    average_precision,
    mean_average_precision,
    ndcg,
    precision_at,
    recall_at,
)


def naive_ap(order: np.ndarray, k: int | None = None) -> float:
    """Average precision of one ranking, given as relevance in order, by its definition."""
    found = int(order.sum())
    cut = order if k is None else order[:k]
    score = sum(cut[: i + 1].sum() / (i + 1) for i in range(len(cut)) if cut[i])
    return score / max(found if k is None else min(k, found), 1)


def orders(distance: np.ndarray, relevance: np.ndarray) -> list[np.ndarray]:
    """Every ranking that agrees with the distances."""
    return [
        relevance[list(p)]
        for p in permutations(range(len(distance)))
        if (np.diff(distance[list(p)]) >= 0).all()
    ]


def counts(distance: np.ndarray, relevance: np.ndarray, buckets: int) -> tuple:
    total = np.bincount(distance, minlength=buckets)[None]
    relevant = np.bincount(distance[relevance], minlength=buckets)[None]
    return relevant, total


small = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


@settings(deadline=None, max_examples=60)
@given(small, st.one_of(st.none(), st.integers(1, 8)))
def test_average_precision_is_the_mean_and_range_over_every_order(case, k):
    distance, relevance = np.array(case[0]), np.array(case[1])
    scores = [naive_ap(order, k) for order in orders(distance, relevance)]
    ap = average_precision(*counts(distance, relevance, 3), k)
    assert ap.expected[0] == pytest.approx(np.mean(scores), abs=1e-12)
    assert ap.best[0] == pytest.approx(max(scores), abs=1e-12)
    assert ap.worst[0] == pytest.approx(min(scores), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(small, st.integers(1, 8))
def test_precision_recall_and_ndcg_are_means_over_every_order(case, k):
    distance, relevance = np.array(case[0]), np.array(case[1])
    every = orders(distance, relevance)
    histogram = counts(distance, relevance, 3)
    found = np.mean([order[:k].sum() for order in every])
    assert precision_at(*histogram, k)[0] == pytest.approx(found / k)
    assert recall_at(*histogram, k)[0] == pytest.approx(found / max(relevance.sum(), 1))
    discount = 1 / np.log2(np.arange(2, 2 + len(distance)))
    gained = np.mean([(order * discount)[:k].sum() for order in every])
    ideal = (np.sort(relevance)[::-1] * discount)[:k].sum()
    assert ndcg(*histogram, k)[0] == pytest.approx(gained / ideal if ideal else 0.0)


def test_harmonic_numbers_beyond_the_table_are_computed(monkeypatch):
    total = np.random.default_rng(0).integers(0, 40, (6, 9))
    relevant = np.random.default_rng(1).integers(0, total + 1)
    looked_up = average_precision(relevant, total)
    monkeypatch.setattr("crossbit.metrics.ranking.TABLE", 5)
    computed = average_precision(relevant, total)
    for name in ("expected", "best", "worst"):
        np.testing.assert_allclose(getattr(computed, name), getattr(looked_up, name), rtol=1e-12)


def test_expected_ap_is_the_average_over_shuffles_of_a_larger_ranking():
    rng = np.random.default_rng(0)
    distance = np.sort(rng.integers(0, 5, 60))
    relevance = rng.random(60) < 0.3
    scores = []
    for _ in range(4000):
        order = np.lexsort((rng.random(60), distance))
        scores.append(naive_ap(relevance[order], 25))
    expected = average_precision(*counts(distance, relevance, 5), 25).expected[0]
    error = np.std(scores) / np.sqrt(len(scores))
    assert abs(expected - np.mean(scores)) < 4 * error


def test_tie_free_rankings_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(20):
        distance = rng.permutation(40)
        relevance = rng.random(40) < 0.4
        histogram = counts(distance, relevance, 40)
        ap = average_precision(*histogram)
        assert ap.expected[0] == pytest.approx(average_precision_score(relevance, -distance))
        assert ap.best[0] == pytest.approx(ap.expected[0])
        assert ap.worst[0] == pytest.approx(ap.expected[0])
        gain = ndcg_score(relevance[None].astype(int), -distance[None], k=10)
        assert ndcg(*histogram, 10)[0] == pytest.approx(gain)


def test_tied_expected_ndcg_agrees_with_scikit_learn():
    rng = np.random.default_rng(2)
    distance, relevance = rng.integers(0, 6, 50), rng.random(50) < 0.3
    gain = ndcg_score(relevance[None].astype(int), -distance[None].astype(float), k=20)
    assert ndcg(*counts(distance, relevance, 6), 20)[0] == pytest.approx(gain)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_map_survives_masks_and_permutations_and_is_ordered(seed):
    rng = np.random.default_rng(seed)
    queries = rng.integers(0, 256, (4, 1), dtype=np.uint8)
    database = rng.integers(0, 256, (30, 1), dtype=np.uint8)
    q_labels, d_labels = rng.integers(0, 3, 4), rng.integers(0, 3, 30)
    value = mean_average_precision(*hamming.histogram(queries, database, q_labels, d_labels))
    assert value.worst <= value.expected + 1e-12
    assert value.expected <= value.best + 1e-12
    mask = np.uint8(rng.integers(0, 256))
    masked = hamming.histogram(queries ^ mask, database ^ mask, q_labels, d_labels)
    assert mean_average_precision(*masked) == value
    order = rng.permutation(30)
    permuted = hamming.histogram(queries, database[order], q_labels, d_labels[order])
    assert mean_average_precision(*permuted) == value


def test_all_items_tied_gives_the_expected_value_of_a_random_ranking():
    # One relevant item at a random place among n: the mean of 1 / i.
    value = average_precision(np.array([[1]]), np.array([[10]]))
    assert value.expected[0] == pytest.approx(np.mean(1 / np.arange(1, 11)))
    assert (value.best[0], value.worst[0]) == pytest.approx((1.0, 0.1))


def test_precision_holds_for_a_billion_items():
    n = 1_000_000_000
    value = average_precision(np.array([[0, 1]]), np.array([[n, 1]]))
    assert value.expected[0] == pytest.approx(1 / (n + 1), abs=1e-12)
    perfect = average_precision(np.array([[n // 2, 0]]), np.array([[n // 2, n // 2]]))
    assert perfect.expected[0] == pytest.approx(1.0, abs=1e-9)


def test_queries_without_relevant_items_count_zero_and_are_told():
    relevant, total = np.array([[2, 0], [0, 0]]), np.array([[2, 3], [4, 1]])
    value = mean_average_precision(relevant, total)
    assert value.expected == pytest.approx(0.5)
    assert (value.queries, value.without_relevant) == (2, 1)


def test_map_at_k_divides_by_the_smaller_of_k_and_relevant():
    relevant, total = np.array([[3, 0]]), np.array([[3, 5]])
    assert average_precision(relevant, total, 2).expected[0] == pytest.approx(1.0)
    assert average_precision(relevant, total, 7).expected[0] == pytest.approx(1.0)


def test_bad_histograms_are_refused():
    with pytest.raises(DataError, match="one shape"):
        average_precision(np.zeros((2, 3), int), np.zeros((2, 4), int))
    with pytest.raises(DataError, match="more relevant items than items"):
        average_precision(np.array([[2]]), np.array([[1]]))
    with pytest.raises(ConfigError, match="from 1"):
        precision_at(np.array([[1]]), np.array([[1]]), 0)
    with pytest.raises(DataError, match="no queries"):
        mean_average_precision(np.zeros((0, 9), int), np.zeros((0, 9), int))
