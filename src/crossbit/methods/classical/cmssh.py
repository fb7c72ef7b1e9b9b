"""CMSSH: cross-modality similarity-sensitive hashing, one boosted weak learner per bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds
from sklearn.decomposition import PCA

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import SCALING, ClassicalHasher
from crossbit.methods.settings import hyper

__all__ = ["CMSSH", "Stump", "boosted"]

PCA_ROWS = 10_000  # rows that the principal components are estimated from
DRAWS = 50  # times that pairs without a common label are sought


@dataclass
class CMSSH(ClassicalHasher):
    """AdaBoost: each bit cuts both views so that weighted pairs of one class fall on one side.

    Pairs (x_k, y_k) of an item of one view and one of the other have s_k = 1 if they share a label
    and -1 if not, and weights w_k, at first half of the mass on either kind. For each bit,

        C = sum_k w_k s_k (x_k - x̄)(y_k - ȳ)ᵀ,   p, q its leading singular vectors,
        ξ(x) = sgn(pᵀx + a),  η(y) = sgn(qᵀy + b),   a, b maximise r = sum_k w_k s_k ξ(x_k) η(y_k),
        α = ½ ln((1 + r) / (1 - r)),   w_k ∝ w_k exp(-α s_k ξ(x_k) η(y_k)), summing to 1,

    with x̄ and ȳ the means under w, and a, b from quantiles of the pairs, halfway between values. A
    negative r turns η round, so that r never is. α does not rank: codes are compared by Hamming
    distance. No code of the authors is public; the formulas are the paper's as this project knows
    them, and what they leave open (grid, pairs, first weights) is its own choice.

    The positive pairs are the aligned ones and random ones of one label, the negative ones random;
    `pairs` of them are drawn by the seed. Views are first reduced to `components` principal ones,
    estimated from 10,000 rows at most.

    Cost: O(bits (n d² + pairs (d + thresholds²))) time for n rows of d <= 512 components that occur
    in pairs, O((n + pairs) d) memory.
    """

    name: ClassVar[str] = "cmssh"
    summary: ClassVar[str] = "boosted cuts of both views, one per bit"
    citation: ClassVar[Citation | None] = Citation(
        "M. M. Bronstein, A. M. Bronstein, F. Michel, N. Paragios",
        "Data Fusion through Cross-modality Metric Learning using Similarity-Sensitive Hashing",
        "CVPR",
        2010,
    )
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "pairs"})
    learns_from: ClassVar[str] = "labelled rows"
    most_views: ClassVar[int | None] = 2

    scaling: Literal["centred", "standard"] = hyper("centred", SCALING)
    pairs: int = hyper(20_000, "pairs drawn, half of them with a common label")
    components: int = hyper(512, "principal components of a view at most")
    thresholds: int = hyper(17, "places tried for each cut")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs < 2 or self.components < 1 or self.thresholds < 1:
            raise ConfigError("pairs must be at least 2, components and thresholds at least 1")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        first, second, same = _pairs(rows.label_matrix, self.pairs, rng)
        bases, sides = [], []
        for view, places in zip(rows.views, (first, second), strict=True):
            some = rows.take(np.sort(rng.permutation(len(rows))[:PCA_ROWS]))
            width = min(self.components, rows.dims[view], len(some))
            model = PCA(width, svd_solver="auto", random_state=int(rng.integers(1 << 31)))
            bases.append(model.fit(self._features(some, view)).components_.T)
            used, where = np.unique(places, return_inverse=True)
            blocks = self._blocks(rows.take(used), view)
            sides.append((np.vstack([batch @ bases[-1] for _, batch in blocks]), where))
        found: dict[str, list[np.ndarray]] = {view: [] for view in rows.views}
        learner = boosted(*sides[0], *sides[1], same, self.thresholds, rng)
        for stump, _ in zip(learner, range(self.bits), strict=False):
            for view, base, vector, offset in zip(
                rows.views, bases, stump.vectors, stump.offsets, strict=True
            ):
                found[view].append(np.append(base @ vector, offset))
        learnt: dict[str, np.ndarray] = {}
        for view, columns in found.items():
            stacked = np.column_stack(columns).astype(np.float32)
            learnt |= {f"map/{view}": stacked[:-1], f"offset/{view}": stacked[-1]}
        return learnt

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        outputs: np.ndarray = super()._outputs(batch, view) + self._learnt[f"offset/{view}"]
        return outputs


@dataclass(frozen=True)
class Stump:
    """One bit of both views, and the weights of the pairs after it.

    Attributes
    ----------
    vectors, offsets : pair of (d,) arrays, pair of float
        Bits are the signs of x @ vector + offset.
    r : float
        Weighted agreement of the bits with the pairs' signs, from 0 to 1.
    weights : (k,) float64
        Of the pairs, after this bit; they sum to 1.
    error : float
        Share of wrong pairs under the initial weights by the bits so far, their votes weighted by
        alpha: boosting's training error.
    """

    vectors: tuple[np.ndarray, np.ndarray]
    offsets: tuple[float, float]
    r: float
    weights: np.ndarray
    error: float


def boosted(
    x: np.ndarray,
    first: np.ndarray,
    y: np.ndarray,
    second: np.ndarray,
    same: np.ndarray,
    thresholds: int,
    rng: np.random.Generator,
) -> Iterator[Stump]:
    """Yield weak learners without end, each for the pairs that those before it left wrong.

    Parameters
    ----------
    x, y : (n, d_x), (m, d_y) float
    first, second : (k,) int
        Pair j is of rows x[first[j]] and y[second[j]].
    same : (k,) bool
        Whether it shares a label.
    """
    signs = np.where(same, 1.0, -1.0)
    weights = np.where(same, 0.5 / max(same.sum(), 1), 0.5 / max((~same).sum(), 1))
    weights /= weights.sum()
    initial, votes = weights, np.zeros(len(same))
    grid = (np.arange(thresholds) + 0.5) / thresholds
    while True:
        p, q = _leading(_correlation(x, first, y, second, weights, signs), rng)
        ours, theirs = (x @ p)[first], (y @ q)[second]
        a, b = -_cuts(ours, grid), -_cuts(theirs, grid)
        left = np.where(ours[:, None] + a > 0, 1.0, -1.0)
        right = np.where(theirs[:, None] + b > 0, 1.0, -1.0)
        gains = left.T @ (right * (weights * signs)[:, None])
        i, j = np.unravel_index(np.abs(gains).argmax(), gains.shape)
        turn = 1.0 if gains[i, j] >= 0 else -1.0
        r = min(abs(float(gains[i, j])), 1 - 1e-10)
        alpha = 0.5 * np.log((1 + r) / (1 - r))
        agree = signs * left[:, i] * right[:, j] * turn
        weights = weights * np.exp(-alpha * agree)
        weights /= weights.sum()
        votes = votes + alpha * agree
        yield Stump(
            (p, turn * q),
            (float(a[i]), float(turn * b[j])),
            r,
            weights,
            float(initial[votes <= 0].sum()),
        )


def _cuts(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return cuts at quantiles, halfway between two values: rounding must not decide a bit."""
    distinct = np.unique(values.astype(np.float32)).astype(np.float64)
    if len(distinct) == 1:
        return distinct - 1
    above = np.searchsorted(distinct, np.quantile(values, grid), side="right")
    above = np.clip(above, 1, len(distinct) - 1)
    cuts: np.ndarray = (distinct[above - 1] + distinct[above]) / 2
    return cuts


def _correlation(
    x: np.ndarray,
    first: np.ndarray,
    y: np.ndarray,
    second: np.ndarray,
    weights: np.ndarray,
    signs: np.ndarray,
) -> np.ndarray:
    """Return sum_k w_k s_k (x_k - x̄)(y_k - ȳ)ᵀ, (d_x, d_y), as products of sparse pairs."""
    shape = len(x), len(y)
    x = x - np.bincount(first, weights, shape[0]).astype(x.dtype) @ x
    y = y - np.bincount(second, weights, shape[1]).astype(y.dtype) @ y
    signed = sparse.csr_matrix(((weights * signs).astype(x.dtype), (first, second)), shape=shape)
    products: np.ndarray = x.T @ (signed @ y)
    return products


def _leading(matrix: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the singular vectors of the largest singular value."""
    if min(matrix.shape) < 3:
        first, _, second = np.linalg.svd(matrix, full_matrices=False)
        return first[:, 0], second[0]
    start = rng.normal(size=min(matrix.shape))
    first, _, second = svds(matrix.astype(np.float64), k=1, v0=start)
    return first[:, 0], second[0]


def _pairs(
    labels: sparse.csr_matrix, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of the first and of the second view, (count,) each, and who shares a label.

    A quarter are aligned rows, a quarter share a random label of the first, half share none.
    """
    n, half = labels.shape[0], count // 2
    aligned = rng.choice(n, half // 2, replace=n < half // 2)
    some = rng.choice(np.flatnonzero(np.diff(labels.indptr)), half - half // 2)
    starts, sizes = labels.indptr[some], np.diff(labels.indptr)[some]
    chosen = labels.indices[starts + (rng.random(len(some)) * sizes).astype(np.int64)]
    members = labels.tocsc()
    places = rng.random(len(some)) * np.diff(members.indptr)[chosen]
    partners = members.indices[members.indptr[chosen] + places.astype(np.int64)]
    rows, columns = [aligned, some], [aligned, partners]
    missing = count - half
    for _ in range(DRAWS):
        one, other = rng.integers(n, size=(2, 2 * count))
        apart = labels[one].multiply(labels[other]).sum(axis=1) == 0
        apart = np.flatnonzero(np.asarray(apart).ravel())[:missing]
        rows.append(one[apart])
        columns.append(other[apart])
        missing -= len(apart)
        if not missing:
            break
    else:
        raise DataError(
            "cmssh learns from pairs of rows without a common label, but nearly all labelled rows "
            "share one; label rows of other classes"
        )
    same = np.arange(count) < half
    return np.concatenate(rows), np.concatenate(columns), same
