"""CVH: its maps are the canonical directions; bits beyond them are drawn, not invented."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import THREE, board, board_for
from scipy import sparse
from scipy.linalg import eigh

from crossbit.corpus import Corpus
from crossbit.methods.classical import base
from crossbit.methods.classical.cvh import CVH


def test_codes_are_those_of_the_equation_in_the_docstring() -> None:
    corpus = board_for("cvh")
    hasher = CVH(bits=16, ridge=1e-3).fit(corpus)
    X, Y = (corpus[view].astype(np.float64) for view in corpus.views)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    xx, yy = (Z.T @ Z for Z in (X, Y))
    for C in xx, yy:
        C += 1e-3 * C.trace() / len(C) * np.eye(len(C))
    inner = X.T @ Y @ np.linalg.solve(yy, Y.T @ X)
    values, a = eigh((inner + inner.T) / 2, xx)
    a = a[:, ::-1][:, :16]
    b = np.linalg.solve(yy, Y.T @ X @ a) / np.sqrt(values[::-1][:16])
    signs = np.sign((hasher.project(corpus["image"], "image") * (X @ a)).sum(axis=0))
    for view, outputs in ("image", X @ a * signs), ("text", Y @ b * signs):
        clear = abs(outputs) > 1e-4 * abs(outputs).max()
        bits = hasher.encode(corpus[view], view).unpack()
        assert (bits == (outputs > 0))[clear].all()
        assert clear.mean() > 0.99


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = board_for("cvh")
    whole = CVH(bits=16).fit(corpus)
    monkeypatch.setattr(base, "BATCH", 100)
    pieces = CVH(bits=16).fit(corpus)
    for view in corpus.views:
        a, b = (h.project(corpus[view], view) for h in (whole, pieces))
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_bits_beyond_the_directions_are_drawn_by_the_seed() -> None:
    corpus = board(noise=0.0)  # four points in each view: three directions
    first, again, other = (CVH(bits=16, seed=s).fit(corpus) for s in (0, 0, 1))
    for view in corpus.views:
        a, b, c = (h._arrays()[f"map/{view}"] for h in (first, again, other))
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[:, :3], c[:, :3])
        assert (a[:, 3:] != c[:, 3:]).all()


def test_sparse_and_dense_features_give_one_model() -> None:
    corpus = board_for("cvh")
    views = {view: sparse.csr_matrix(corpus[view]) for view in corpus.views}
    stored = Corpus(views, labels=corpus.labels)
    a, b = (CVH(bits=16).fit(c)._arrays() for c in (corpus, stored))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-6)


def test_three_views_share_their_directions() -> None:
    corpus = board_for("cvh", THREE)
    hasher = CVH(bits=16).fit(corpus)
    outputs = [hasher.project(corpus[view], view) for view in corpus.views]
    for a in outputs[1:]:
        same = [np.corrcoef(a[:, k], outputs[0][:, k])[0, 1] for k in range(16)]
        assert min(same) > 0.9
