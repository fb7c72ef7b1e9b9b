"""CMSSH: cross-modal similarity-sensitive hashing, one boosted pair of cuts for each bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import ClassicalHasher
from crossbit.methods.settings import hyper, method

__all__ = ["CMSSH", "Pairs", "boost", "draw_pairs", "leading_pair"]

CUTS = 17  # thresholds tried on each side: all pairs of them
TRIES = 40  # draws of negative pairs before it is said that there are none


@dataclass(frozen=True)
class Pairs:
    """Sampled pairs of rows: `first` seen in one view, `second` in the other; alike is +1 or -1."""

    first: np.ndarray
    second: np.ndarray
    alike: np.ndarray


@method
class CMSSH(ClassicalHasher):
    """Boosting: every bit is a cut in each view that agrees on similar pairs and on no others.

    Pairs (x_k, y_k) with s_k = 1 if they share a label, else -1, and weights w_k; for each bit

    - C = sum_k w_k s_k (x_k - mean)(y_k - mean)ᵀ with weighted means; p, q are its leading
      singular vectors;
    - xi(x) = sign(pᵀx + a), eta(y) = sign(qᵀy + b), a and b making
      r = sum_k w_k s_k xi(x_k) eta(y_k) largest;
    - alpha = 1/2 ln((1 + r) / (1 - r)), and w_k grows by exp(-alpha s_k xi eta): the pairs that
      this bit gets wrong count more for the next.

    alpha is for learning alone: items are compared by plain Hamming distance. No public code is
    known, so sampling, weights at the start (half for each kind of pair) and the grid of 17 x 17
    thresholds at quantiles are project choices. C is never formed: its singular vectors come from
    products with the rows. A bit that finds nothing (r <= 0) begins again with new pairs.

    Cost of a bit: O(m (d_x + d_y)) for each of a few dozen products, m the rows that are in a
    pair, O(pairs) for the thresholds; memory O(m (d_x + d_y)), m at most `pairs`, whatever n is.
    """

    name: ClassVar[str] = "cmssh"
    title: ClassVar[str] = "CMSSH"
    family: ClassVar[str] = "Supervised"
    summary: ClassVar[str] = "boosted cuts that agree on pairs with a common label"
    citation: ClassVar[Citation | None] = Citation(
        "M. M. Bronstein, A. M. Bronstein, F. Michel, N. Paragios",
        "Data Fusion through Cross-modality Metric Learning using Similarity-Sensitive Hashing",
        "CVPR",
        2010,
        "https://doi.org/10.1109/CVPR.2010.5539928",
    )
    requires: ClassVar[frozenset[str]] = frozenset({"labels", "pairs"})
    learns_from: ClassVar[str] = "labelled rows"
    max_views: ClassVar[int | None] = 2

    pairs: int = hyper(20_000, "sampled pairs, half of them similar")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs < 4:
            raise ConfigError(f"cmssh: pairs must be at least 4, got {self.pairs}")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        first, second = rows.views
        labels = rows.require_labels()
        x, y, pairs = self._drawn(rows, labels, rng)
        weights = start_weights(pairs.alike)
        bits: list[tuple[np.ndarray, float, np.ndarray, float]] = []
        while len(bits) < self.bits:
            p, q = (side.astype(x.dtype) for side in leading_pair(x, y, pairs, weights, rng))
            a, b, agree, r = best_cuts((x @ p)[pairs.first], (y @ q)[pairs.second], pairs, weights)
            if r <= 0:
                x, y, pairs = self._drawn(rows, labels, rng)
                weights = start_weights(pairs.alike)
                p, q = (rng.standard_normal((side.shape[1],)).astype(x.dtype) for side in (x, y))
                a, b, agree, r = best_cuts(
                    (x @ p)[pairs.first], (y @ q)[pairs.second], pairs, weights
                )
            weights = boost(weights, pairs.alike * agree, r)
            bits.append((p, a, q, b))
        names = (f"map/{first}", f"cut/{first}", f"map/{second}", f"cut/{second}")
        return {
            name: np.ascontiguousarray(np.array([bit[k] for bit in bits], dtype=np.float32).T)
            for k, name in enumerate(names)
        }

    def _drawn(
        self, rows: Corpus, labels: sparse.csr_matrix, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, Pairs]:
        """Draw pairs; return the features of the rows in them and the pairs among these rows."""
        pairs = draw_pairs(labels, self.pairs, rng)
        held, places = [], []
        for view, at in zip(rows.views, (pairs.first, pairs.second), strict=True):
            used, place = np.unique(at, return_inverse=True)
            held.append(self._features(rows.take(used), view))
            places.append(place)
        return held[0], held[1], Pairs(places[0], places[1], pairs.alike)

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        outputs: np.ndarray = batch @ self._learnt[f"map/{view}"] + self._learnt[f"cut/{view}"]
        return outputs


def draw_pairs(labels: sparse.csr_matrix, count: int, rng: np.random.Generator) -> Pairs:
    """Draw `count` pairs of rows, half sharing a label (a quarter of all the rows' own pairs).

    Raises
    ------
    DataError
        If every two rows share a label, so that no pair is dissimilar.
    """
    n, half = labels.shape[0], count // 2
    own = rng.choice(n, half // 2, replace=half // 2 > n)
    rows = rng.integers(n, size=half - len(own))
    partners = _partners(labels, rows, rng)
    apart = _strangers(labels, count - half, rng)
    return Pairs(
        np.concatenate([own, rows, apart[0]]),
        np.concatenate([own, partners, apart[1]]),
        np.repeat([1.0, -1.0], [half, count - half]),
    )


def start_weights(alike: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1, half of it for similar pairs and half for the others."""
    kinds = np.where(alike > 0, (alike > 0).sum(), (alike < 0).sum())
    weights: np.ndarray = 1 / kinds / 2
    return weights


def leading_pair(
    x: np.ndarray, y: np.ndarray, pairs: Pairs, weights: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the leading singular vectors of the weighted covariance of pairs, (d_x,) and (d_y,).

    C = Xᵀ S Y with S sparse, both sides centred by the pairs' weighted means.
    """
    signed = sparse.csr_matrix(
        (weights * pairs.alike, (pairs.first, pairs.second)), shape=(len(x), len(y))
    )
    mean_x = np.bincount(pairs.first, weights, len(x)).astype(x.dtype) @ x
    mean_y = np.bincount(pairs.second, weights, len(y)).astype(y.dtype) @ y

    # In the features' own precision: else every product would first copy them all to another.
    def times(q: np.ndarray) -> np.ndarray:
        q = q.ravel().astype(y.dtype)
        z = (signed @ (y @ q - mean_y @ q)).astype(x.dtype)
        return x.T @ z - mean_x * z.sum()

    def transposed(p: np.ndarray) -> np.ndarray:
        p = p.ravel().astype(x.dtype)
        z = (signed.T @ (x @ p - mean_x @ p)).astype(y.dtype)
        return y.T @ z - mean_y * z.sum()

    shape = (x.shape[1], y.shape[1])
    operator = LinearOperator(shape, matvec=times, rmatvec=transposed, dtype=np.float64)
    if min(shape) < 3:  # too small for an iteration
        left, _, right = np.linalg.svd(operator @ np.eye(shape[1]))
        return left[:, 0], right[0]
    start = rng.normal(size=min(shape))
    left, _, right = svds(operator, k=1, v0=start, tol=1e-4, maxiter=300)
    return left[:, 0], right[0]


def best_cuts(
    u: np.ndarray, v: np.ndarray, pairs: Pairs, weights: np.ndarray
) -> tuple[float, float, np.ndarray, float]:
    """Return offsets a and b, the agreement xi eta of every pair (+1, -1), and r."""
    at, bt = _cuts(u), _cuts(v)
    xi = np.where(u[:, None] > at, 1.0, -1.0)
    eta = np.where(v[:, None] > bt, 1.0, -1.0)
    r = (xi * (weights * pairs.alike)[:, None]).T @ eta
    i, j = np.unravel_index(int(np.argmax(r)), r.shape)
    return -float(at[i]), -float(bt[j]), xi[:, i] * eta[:, j], float(r[i, j])


def _cuts(values: np.ndarray) -> np.ndarray:
    """Return up to 17 cuts at even quantiles, each halfway between two neighbouring values."""
    distinct = np.unique(values)
    if len(distinct) < 2:
        return distinct
    gaps = np.unique(np.linspace(0, len(distinct) - 2, CUTS + 2).astype(np.int64)[1:-1])
    cuts: np.ndarray = (distinct[gaps] + distinct[gaps + 1]) / 2
    return cuts


def boost(weights: np.ndarray, right: np.ndarray, r: float) -> np.ndarray:
    """Return the weights of the next bit: `right` is s_k xi eta, +1 where the bit is right."""
    r = min(r, 1 - 1e-6)
    grown = weights * np.exp(-0.5 * np.log((1 + r) / (1 - r)) * right)
    total: np.ndarray = grown / grown.sum()
    return total


def _partners(labels: sparse.csr_matrix, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for every row another (or itself) that shares one of its labels, drawn at random."""
    starts, counts = labels.indptr[:-1][rows], np.diff(labels.indptr)[rows]
    shared = labels.indices[starts + (rng.random(len(rows)) * counts).astype(np.int64)]
    holders = labels.tocsc()
    first, many = holders.indptr[:-1][shared], np.diff(holders.indptr)[shared]
    found: np.ndarray = holders.indices[first + (rng.random(len(rows)) * many).astype(np.int64)]
    return found


def _strangers(
    labels: sparse.csr_matrix, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` pairs of rows without a common label."""
    n = labels.shape[0]
    numbers = labels.astype(np.int32)
    found: list[np.ndarray] = []
    for _ in range(TRIES):
        drawn = rng.integers(n, size=(2, 2 * count))
        common = np.asarray(numbers[drawn[0]].multiply(numbers[drawn[1]]).sum(axis=1)).ravel()
        found.append(drawn[:, common == 0])
        if sum(part.shape[1] for part in found) >= count:
            first, second = np.hstack(found)[:, :count]
            return first, second
    raise DataError(
        "cmssh learns from pairs that share no label, and nearly all rows share one; give rows "
        "with different labels"
    )
