"""CMSSH: the sampled pairs, the covariance that is never formed, and boosting, by naive twins."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import board, maps, split
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.classical import cmssh
from crossbit.methods.classical.cmssh import (
    CMSSH,
    best_cuts,
    boost,
    draw_pairs,
    leading_pair,
    start_weights,
)


@pytest.fixture
def labels() -> sparse.csr_matrix:
    shown = np.random.default_rng(1).random((60, 5)) < 0.25
    shown[~shown.any(axis=1), 0] = True
    return sparse.csr_matrix(shown)


def test_pairs_are_half_alike_and_labels_say_which(labels) -> None:
    pairs = draw_pairs(labels, 401, np.random.default_rng(0))
    shared = (labels[pairs.first].toarray() & labels[pairs.second].toarray()).any(axis=1)
    assert pairs.alike.tolist() == np.where(shared, 1.0, -1.0).tolist()
    assert (pairs.alike > 0).sum() == 200
    own = pairs.first == pairs.second
    assert own[:100].all()
    assert len(set(pairs.first[:100].tolist())) > 30  # all kinds of rows


def test_weights_begin_with_half_for_each_kind_and_stay_normalised(labels) -> None:
    pairs = draw_pairs(labels, 401, np.random.default_rng(0))
    weights = start_weights(pairs.alike)
    assert weights[pairs.alike > 0].sum() == pytest.approx(0.5)
    assert weights.sum() == pytest.approx(1)
    right = np.where(np.random.default_rng(1).random(401) < 0.7, 1.0, -1.0)
    r = float((weights * right).sum())
    boosted = boost(weights, right, r)
    assert boosted.sum() == pytest.approx(1)
    # AdaBoost's own property: under the new weights the last bit is worth nothing.
    assert (boosted * right).sum() == pytest.approx(0, abs=1e-12)


def test_the_leading_pair_is_that_of_the_covariance_written_out(labels) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 9)), rng.normal(size=(60, 7))
    pairs = draw_pairs(labels, 300, rng)
    weights = rng.random(300)
    weights /= weights.sum()
    a, b = x[pairs.first], y[pairs.second]
    a, b = a - weights @ a, b - weights @ b
    covariance = (a * (weights * pairs.alike)[:, None]).T @ b
    left, values, right = np.linalg.svd(covariance)
    p, q = leading_pair(x, y, pairs, weights, rng)
    assert abs(p @ left[:, 0]) == pytest.approx(1, abs=1e-3)
    assert abs(q @ right[0]) == pytest.approx(1, abs=1e-3)
    assert p @ covariance @ q == pytest.approx(values[0], rel=1e-3)


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return (values[places] + values[places + 1]) / 2


def test_the_cuts_are_the_best_of_the_grid(labels) -> None:
    rng = np.random.default_rng(3)
    pairs = draw_pairs(labels, 200, rng)
    weights = start_weights(pairs.alike)
    u, v = rng.normal(size=200), rng.normal(size=200)
    a, b, agree, r = best_cuts(u, v, pairs, weights)
    np.testing.assert_array_equal(agree, np.sign(u + a) * np.sign(v + b))
    assert r == pytest.approx(float((weights * pairs.alike * agree).sum()))
    values = np.sort(u), np.sort(v)
    places = np.linspace(0, 198, cmssh.CUTS + 2).astype(int)[1:-1]
    for at in _between(values[0], places):
        for bt in _between(values[1], places):
            signs = np.sign(u - at) * np.sign(v - bt)
            assert (weights * pairs.alike * signs).sum() <= r + 1e-9


def test_the_vote_of_all_bits_errs_ever_less_on_its_pairs() -> None:
    parts = split(board(noise=0.8), 1.0)
    rows = parts.train
    pairs = draw_pairs(rows.require_labels(), 2000, np.random.default_rng(9))
    errors = []
    for bits in (8, 32):
        hasher = CMSSH(bits=bits, pairs=4000).fit(rows)
        signs = [2.0 * hasher.encode(rows[v], v).unpack() - 1 for v in ("image", "text")]
        votes = (signs[0][pairs.first] * signs[1][pairs.second]).mean(axis=1)
        errors.append(float(((votes > votes.mean()) != (pairs.alike > 0)).mean()))
    assert errors[1] < errors[0] < 0.4


def test_a_bit_that_finds_nothing_begins_with_new_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, found = [], []

    def draw(*given):
        drawn.append(1)
        return draw_pairs(*given)

    def nothing_at_first(*given):
        a, b, agree, r = best_cuts(*given)
        found.append(r)
        return a, b, agree, 0.0 if len(found) == 3 else r

    monkeypatch.setattr(cmssh, "draw_pairs", draw)
    monkeypatch.setattr(cmssh, "best_cuts", nothing_at_first)
    parts = split(board(), 1.0)
    hasher = CMSSH(bits=8, pairs=400).fit(parts.train)
    assert (len(drawn), len(found)) == (2, 9)
    assert min(maps(hasher, parts).values()) > 0.7


def test_rows_that_all_share_a_label_teach_nothing() -> None:
    corpus = board()
    with pytest.raises(DataError, match="cmssh learns from pairs that share no label"):
        CMSSH(bits=8).fit(Corpus(corpus.views, labels=np.ones((160, 1), dtype=bool)))
    with pytest.raises(ConfigError, match="pairs must be at least 4, got 3"):
        CMSSH(pairs=3)
