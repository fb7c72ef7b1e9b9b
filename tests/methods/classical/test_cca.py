"""CCA: what it ranks by is the cosine of canonical features."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import board, board_for, split

from crossbit.errors import ConfigError
from crossbit.evaluation import evaluate
from crossbit.methods.classical.cca import CCA
from crossbit.methods.classical.correlations import canonical_directions
from crossbit.methods.classical.moments import joint_moments


def test_evaluation_ranks_by_the_cosine_of_weighted_canonical_features() -> None:
    parts = split(board(noise=2.0))
    hasher = CCA(bits=8, scaling="centred", ridge=0.5).fit(parts.train)
    centred = {v: parts.train[v] - parts.train[v].mean(axis=0) for v in parts.train.views}
    maps, rho = canonical_directions(joint_moments([centred]), 64, 0.5)
    sides = []
    for corpus, view in (parts.query, "image"), (parts.database, "text"):
        x = (corpus[view] - parts.train[view].mean(axis=0)) @ (maps[view] * rho)
        sides.append(x / np.linalg.norm(x, axis=1, keepdims=True))
    order = np.argsort(-sides[0] @ sides[1].T, axis=1)
    shared = parts.query.require_labels().astype(int) @ parts.database.require_labels().T.astype(
        int
    )
    hits = np.take_along_axis(shared.toarray() > 0, order, axis=1)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    naive = ((precision * hits).sum(axis=1) / hits.sum(axis=1)).mean()
    report = evaluate(hasher, parts)
    assert report.map["image->text"].expected == pytest.approx(naive, abs=1e-3)
    assert report.ranking == "cosine of real-valued features"


def test_it_finds_everything_with_fewer_directions_than_bits() -> None:
    parts = split(board())
    report = evaluate(CCA(bits=16).fit(parts.train), parts)
    assert min(found.expected for found in report.map.values()) > 0.99


def test_equal_items_are_tied() -> None:
    corpus = board_for("cca")
    hasher = CCA(bits=16).fit(corpus)
    twice = np.concatenate([corpus["text"], corpus["text"]])
    ranker = hasher.ranker(hasher)
    queries = ranker.queries(corpus["image"], "image")
    distances = ranker.distances(queries, hasher.features(twice, "text"))
    n = len(corpus)
    np.testing.assert_array_equal(distances[:, :n], distances[:, n:])
    assert np.allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)


def test_a_coding_it_does_not_offer_is_refused() -> None:
    parts = split(board())
    with pytest.raises(ConfigError, match="cca offers no 'fused' codes"):
        evaluate(CCA(bits=16).fit(parts.train), parts, coding="fused")
    with pytest.raises(ConfigError, match="directions must be at least 1"):
        CCA(directions=0)
