"""CMSSH: its boosting against sums over pairs, and its pairs against the labels."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from checkerboard import board
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.classical import cmssh
from crossbit.methods.classical.cmssh import CMSSH, Stump, boosted


@pytest.fixture(scope="module")
def pairs() -> dict[str, np.ndarray]:
    """Return 600 pairs of noisy views of 5 classes, a fifth of them of one class."""
    rng = np.random.default_rng(0)
    classes = rng.integers(5, size=80)
    x, y = (rng.normal(size=(5, d))[classes] + rng.normal(size=(80, d)) for d in (7, 4))
    first, second = rng.integers(80, size=(2, 600))
    same = classes[first] == classes[second]
    return {"x": x, "first": first, "y": y, "second": second, "same": same}


@pytest.fixture(scope="module")
def stumps(pairs: dict[str, np.ndarray]) -> list[Stump]:
    return list(islice(boosted(**pairs, thresholds=9, rng=np.random.default_rng(0)), 30))


def test_weights_stay_normalised_and_follow_the_formula(
    pairs: dict[str, np.ndarray], stumps: list[Stump]
) -> None:
    same = pairs["same"]
    signs = np.where(same, 1, -1)
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    votes = np.zeros(len(same))
    initial = weights
    for stump in stumps:
        x_bits, y_bits = (
            np.where(pairs[side] @ vector + offset > 0, 1, -1)[pairs[rows]]
            for side, rows, vector, offset in zip(
                "xy", ("first", "second"), stump.vectors, stump.offsets, strict=True
            )
        )
        r = (weights * signs * x_bits * y_bits).sum()
        assert stump.r == pytest.approx(r)
        assert r > 0
        alpha = 0.5 * np.log((1 + r) / (1 - r))
        weights = weights * np.exp(-alpha * signs * x_bits * y_bits)
        weights /= weights.sum()
        np.testing.assert_allclose(stump.weights, weights, rtol=1e-8)
        assert stump.weights.sum() == pytest.approx(1)
        votes += alpha * signs * x_bits * y_bits
        assert stump.error == pytest.approx(initial[votes <= 0].sum())


def test_the_error_falls_below_the_bound_of_boosting(stumps: list[Stump]) -> None:
    bounds = np.cumprod([np.sqrt(1 - stump.r**2) for stump in stumps])
    errors = np.array([stump.error for stump in stumps])
    assert (errors <= bounds + 1e-12).all()
    assert errors[-1] < 0.8 * errors[0]


def test_the_first_vectors_are_singular_for_the_weighted_correlation(
    pairs: dict[str, np.ndarray], stumps: list[Stump]
) -> None:
    same = pairs["same"]
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    x, y = pairs["x"][pairs["first"]], pairs["y"][pairs["second"]]
    x, y = x - weights @ x, y - weights @ y
    c = sum(
        w * s * np.outer(a, b) for w, s, a, b in zip(weights, 2.0 * same - 1, x, y, strict=True)
    )
    first, _, second = np.linalg.svd(c)
    p, q = stumps[0].vectors
    assert abs(p @ first[:, 0]) == pytest.approx(1)
    assert abs(q @ second[0]) == pytest.approx(1)


def test_no_other_cuts_on_the_grid_agree_better(
    pairs: dict[str, np.ndarray], stumps: list[Stump]
) -> None:
    same = pairs["same"]
    weights = np.where(same, 0.5 / same.sum(), -0.5 / (~same).sum())
    (p, q), grid = stumps[0].vectors, (np.arange(9) + 0.5) / 9
    x, y = (pairs["x"] @ p)[pairs["first"]], (pairs["y"] @ q)[pairs["second"]]
    found = [
        abs((weights * np.where(x > a, 1, -1) * np.where(y > b, 1, -1)).sum())
        for a in cmssh._cuts(x, grid)
        for b in cmssh._cuts(y, grid)
    ]
    assert stumps[0].r == pytest.approx(max(found))


def test_cuts_stand_between_values() -> None:
    values = np.array([0.0, 0, 0, 1, 3, 3])
    np.testing.assert_array_equal(cmssh._cuts(values, np.array([0.1, 0.6, 0.9])), [0.5, 2, 2])
    assert cmssh._cuts(np.ones(4), np.array([0.5])) < 1


def test_pairs_are_half_of_one_label_and_half_of_none() -> None:
    rng = np.random.default_rng(4)
    labels = sparse.csr_matrix(rng.random((200, 6)) < 0.2)
    first, second, same = cmssh._pairs(labels, 4001, rng)
    assert (len(first), len(second), same.sum()) == (4001, 4001, 2000)
    shared = labels[first].multiply(labels[second]).sum(axis=1)
    aligned = first == second
    assert 0.2 < aligned.mean() < 0.35
    assert (np.asarray(shared).ravel()[~aligned] > 0)[same[~aligned]].all()
    assert (np.asarray(shared).ravel() == 0)[~same].all()
    assert np.bincount(first[~same], minlength=200).min() > 0


def test_views_of_any_width_are_reduced_and_one_dimension_is_enough() -> None:
    rows = board(dims={"image": 40, "text": 1}, noise=0.05)
    hasher = CMSSH(bits=16, components=5, pairs=2000).fit(rows)
    assert hasher._arrays()["map/image"].shape == (40, 16)
    assert np.linalg.matrix_rank(hasher._arrays()["map/image"], tol=1e-4) <= 5
    assert hasher.encode(rows["text"], "text").health().distinct > 1


def test_what_cannot_be_learnt_is_refused() -> None:
    rows = board(dims={"image": 5, "text": 6})
    one = Corpus(rows.views, labels=np.ones((len(rows), 1), dtype=bool))
    with pytest.raises(DataError, match="label rows of other classes"):
        CMSSH().fit(one)
    with pytest.raises(ConfigError, match="pairs must be at least 2"):
        CMSSH(pairs=1)
