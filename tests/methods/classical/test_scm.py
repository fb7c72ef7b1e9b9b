"""SCM: both forms against the eigen-equation and a similarity matrix that is formed in full."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.classical import scm
from crossbit.methods.classical.scm import SCMOrth, SCMSeq

BITS = 8


def corpus(n: int = 120, classes: int = 12, seed: int = 0) -> Corpus:
    """Return overlapping labels behind two noisy views, every third row without labels."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n, classes)) < 0.25
    labels[:, 0] |= ~labels.any(axis=1)
    views = {
        view: 3 + labels @ rng.normal(size=(classes, d)) + rng.normal(size=(n, d))
        for view, d in {"image": 20, "text": 14}.items()
    }
    return Corpus(views, labels=labels, labelled=np.arange(n) % 3 > 0)


@pytest.fixture(scope="module")
def rows() -> Corpus:
    return corpus()


@pytest.fixture(scope="module")
def naive(rows: Corpus) -> dict[str, np.ndarray]:
    """Return X, Y (labelled, centred), their ridged C, and S̃ itself."""
    known = rows.take(rows.labelled)
    x, y = (known[view] - known[view].mean(0, dtype=float) for view in ("image", "text"))
    labels = known.require_labels().toarray().astype(float)
    labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    return {
        "x": x,
        "y": y,
        "xx": x.T @ x + 1e-6 * np.eye(20),
        "yy": y.T @ y + 1e-6 * np.eye(14),
        "s": 2 * labels @ labels.T - 1,
    }


def leading(c: np.ndarray, naive: dict[str, np.ndarray], count: int) -> tuple[np.ndarray, ...]:
    """Solve C C_yy^-1 Cᵀ w = λ² C_xx w as it is written; λ falls."""
    values, w_x = eigh(c @ np.linalg.solve(naive["yy"], c.T), naive["xx"])
    values, w_x = np.sqrt(values[::-1][:count]), w_x[:, ::-1][:, :count]
    return w_x, np.linalg.solve(naive["yy"], c.T @ w_x) / values, values


def same_direction(found: np.ndarray, wanted: np.ndarray) -> None:
    cosines = (found * wanted).sum(0)
    cosines /= np.linalg.norm(found, axis=0) * np.linalg.norm(wanted, axis=0)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-5)


def test_orth_solves_the_eigen_equation(rows: Corpus, naive: dict[str, np.ndarray]) -> None:
    arrays = SCMOrth(bits=BITS).fit(rows)._arrays()
    w_x, w_y = (arrays[f"map/{view}"].astype(float) for view in ("image", "text"))
    c = naive["x"].T @ naive["s"] @ naive["y"]
    squares = np.diag(w_x.T @ c @ np.linalg.solve(naive["yy"], c.T @ w_x)) / len(naive["x"])
    residual = c @ np.linalg.solve(naive["yy"], c.T @ w_x) - naive["xx"] @ w_x * squares
    assert np.abs(residual).max() < 1e-4 * np.abs(naive["xx"] @ w_x * squares).max()
    n = len(naive["x"])
    for w, side in (w_x, "xx"), (w_y, "yy"):
        np.testing.assert_allclose(w.T @ naive[side] @ w / n, np.eye(BITS), atol=1e-4)
    wanted_x, wanted_y, values = leading(c, naive, BITS)
    np.testing.assert_allclose(np.sqrt(squares), values, rtol=1e-5)
    same_direction(w_x, wanted_x)
    same_direction(w_y, wanted_y)


@pytest.mark.parametrize("kept", [scm.KEPT, 0])
def test_seq_takes_the_best_pair_of_each_residual(
    rows: Corpus, naive: dict[str, np.ndarray], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scm, "KEPT", kept)
    arrays = SCMSeq(bits=BITS).fit(rows)._arrays()
    x, y = naive["x"], naive["y"]
    c = BITS * x.T @ naive["s"] @ y
    for bit in range(BITS):
        w_x, w_y, _ = leading(c, naive, 1)
        same_direction(arrays["map/image"][:, [bit]], w_x)
        same_direction(arrays["map/text"][:, [bit]], w_y)
        c -= np.outer(x.T @ np.sign(x @ w_x[:, 0]), y.T @ np.sign(y @ w_y[:, 0]))


def test_seq_comes_nearer_to_the_similarity_than_orth(
    rows: Corpus, naive: dict[str, np.ndarray]
) -> None:
    left = {}
    known = rows.take(rows.labelled)
    for kind in SCMOrth, SCMSeq:
        hasher = kind(bits=BITS).fit(rows)
        x, y = (np.where(hasher.project(known[v], v) > 0, 1.0, -1.0) for v in ("image", "text"))
        left[kind.name] = np.linalg.norm(x @ y.T - BITS * naive["s"])
    assert left["scm_seq"] < left["scm_orth"] < BITS * np.linalg.norm(naive["s"])


def test_where_the_residual_grows_the_other_bits_are_correlations(
    rows: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SCMSeq(bits=BITS).fit(rows)._arrays()
    calls = []

    def grow(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, ...]:
        calls.append(left.shape[1])
        first, _, second = singular(left, right)
        return first, np.full(1, 2.0 if len(calls) == 4 else 1.0), second

    singular = scm._singular
    monkeypatch.setattr(scm, "_singular", grow)
    arrays = SCMSeq(bits=BITS).fit(rows)._arrays()
    assert calls == [12, 13, 14, 15]
    np.testing.assert_array_equal(arrays["map/image"][:, :3], plain["map/image"][:, :3])
    known = rows.take(rows.labelled)
    outputs = [
        (known[view] - arrays[f"mean/{view}"]) @ arrays[f"map/{view}"] for view in ("image", "text")
    ]
    found = [np.corrcoef(outputs[0][:, bit], outputs[1][:, bit])[0, 1] for bit in range(3, BITS)]
    assert (np.diff(found) > 0).all()  # the strongest correlation comes last


def test_bits_beyond_the_labels_are_drawn_by_the_seed() -> None:
    rows = corpus(classes=5)
    first, other = (SCMOrth(bits=BITS, seed=seed).fit(rows)._arrays() for seed in (0, 1))
    differs = [(first[f"map/{v}"] != other[f"map/{v}"]).any(axis=0) for v in ("image", "text")]
    np.testing.assert_array_equal(differs, 2 * [[False] * 5 + [True] * 3])


@pytest.mark.parametrize("kind", [SCMOrth, SCMSeq])
def test_more_features_than_rows_are_learnt(kind: type[SCMOrth | SCMSeq]) -> None:
    rng = np.random.default_rng(0)
    labels = np.eye(10, dtype=bool)[np.arange(60) % 10]
    wide = Corpus({v: rng.normal(size=(60, 300)) for v in ("image", "text")}, labels=labels)
    hasher = kind(bits=BITS).fit(wide)
    for view in wide.views:
        outputs = hasher.project(wide[view], view)
        assert np.abs(outputs).max() < 10
        assert (np.std(outputs, axis=0) > 0.5).all()


def test_what_cannot_be_learnt_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ridge must be above 0, got 0; the paper's is 1e-6"):
        SCMOrth(ridge=0)
    three = {"image": 4, "text": 5, "audio": 6}
    views = {view: np.random.default_rng(0).normal(size=(9, d)) for view, d in three.items()}
    with pytest.raises(DataError, match=r"scm_seq learns from at most 2 views, corpus has 3"):
        SCMSeq().fit(Corpus(views, labels=np.ones((9, 1), dtype=bool)))
