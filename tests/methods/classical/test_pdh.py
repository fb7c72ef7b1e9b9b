"""PDH: its machines against scikit-learn's, its guard, and bits that views predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checkerboard import board, split
from sklearn.svm import LinearSVC

from crossbit.errors import ConfigError
from crossbit.methods.classical.margins import LinearMachines
from crossbit.methods.classical.pdh import PDH


def machines(X: np.ndarray, cost: float, size: int = 64) -> LinearMachines:
    full = np.hstack([X, np.ones((len(X), 1))]).astype(np.float64)
    blocks = [slice(at, at + size) for at in range(0, len(X), size)]
    return LinearMachines(lambda: ((b, X[b]) for b in blocks), full.T @ full, cost)


def problem(n: int = 300, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(np.float32)
    return X, X @ rng.normal(size=(d, 4)) + rng.normal(size=(n, 4)) > [-1, 0, 0.5, 2]


@pytest.mark.parametrize("cost", [0.01, 1.0, 100.0])
def test_machines_find_the_optimum_of_scikit_learn(cost: float) -> None:
    X, targets = problem()
    found = machines(X, cost)
    weights = found.fit(np.zeros((13, 4)), targets, 100)
    for k in range(4):
        svm = LinearSVC(C=cost, dual=False, tol=1e-10, max_iter=10_000).fit(X, targets[:, k])
        best = np.r_[svm.coef_[0], svm.intercept_]
        np.testing.assert_allclose(weights[:, k], best, atol=2e-4 * abs(best).max())
    outputs = found.outputs(weights)
    np.testing.assert_allclose(outputs, X @ weights[:-1] + weights[-1], atol=1e-5)


def test_a_plain_step_never_raises_the_objective() -> None:
    X, targets = problem()
    found = machines(X, 10.0)
    weights = np.random.default_rng(1).normal(size=(13, 4))
    values = [found.objective(weights, targets)]
    for _ in range(20):
        weights = found.fit(weights, targets, 1)
        values.append(found.objective(weights, targets))
    assert (np.diff(values, axis=0) <= 1e-6 * values[0]).all()


def test_a_bit_that_all_rows_share_is_drawn_anew() -> None:
    X, _ = problem()
    hasher = PDH(bits=8, balance=0.05)
    bits = np.random.default_rng(0).random((300, 8)) < 0.5
    bits[:, 1], bits[:, 4] = True, np.arange(300) < 10  # all; 3 %
    lively = hasher._lively(bits, machines(X, 1.0), np.random.default_rng(2))
    kept = [0, 2, 3, 5, 6, 7]
    np.testing.assert_array_equal(lively[:, kept], bits[:, kept])
    np.testing.assert_allclose(lively[:, [1, 4]].mean(axis=0), 0.5)
    assert (lively[:, 1] != lively[:, 4]).mean() > 0.2
    assert bits[:, 1].all(), "the bits given are left alone"


def test_a_view_that_says_nothing_is_survived() -> None:
    """Constant texts make constant bits; the guard keeps the machines' targets balanced."""
    corpus = board()
    corpus.views["text"][:] = 1.0
    hasher = PDH(bits=16).fit(corpus)
    assert all(np.isfinite(array).all() for array in hasher._arrays().values())


def test_the_views_agree_on_their_bits() -> None:
    parts = split(board())
    hasher = PDH(bits=32, iterations=10).fit(parts.train)
    image, text = (hasher.encode(parts.query[v], v).unpack() for v in parts.query.views)
    assert (image == text).mean() > 0.95
    share = hasher.encode(parts.database["image"], "image").unpack().mean(axis=0)
    assert ((share > 0) & (share < 1)).all()


def test_blocks_change_nothing() -> None:
    X, targets = problem()
    start = np.zeros((13, 4))
    whole, pieces = (machines(X, 1.0, size).fit(start, targets, 10) for size in (300, 7))
    np.testing.assert_allclose(whole, pieces, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cost": 0.0}, "cost must be above 0"),
        ({"iterations": 0}, "iterations and steps at least 1"),
        ({"balance": 0.5}, "balance must be between 0 and 0.5, got 0.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PDH(**settings)
