"""SCM: semantic correlation maximisation, bits whose products add up to the labels' similarity."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular, svd

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import ClassicalHasher
from crossbit.methods.classical.correlations import canonical_directions
from crossbit.methods.classical.moments import Moments, joint_moments
from crossbit.methods.settings import hyper, method

__all__ = ["SCMOrth", "SCMSeq"]

PAPER = Citation(
    "D. Zhang, W.-J. Li",
    "Large-Scale Supervised Multimodal Hashing with Semantic Correlation Maximization",
    "AAAI",
    2014,
    "https://ojs.aaai.org/index.php/AAAI/article/view/8995",
)

LABELS = "(labels)"  # no view can be called that
ZERO = 1e-9  # of the largest singular value: rounding
KEPT = 1 << 28  # numbers of a view that are kept in memory between passes: 1 GB


@method
class SCM(ClassicalHasher):
    """What both forms share: the moments that the labels' similarity leaves of the views."""

    citation: ClassVar[Citation | None] = PAPER
    requires: ClassVar[frozenset[str]] = frozenset({"labels", "pairs"})
    learns_from: ClassVar[str] = "labelled rows"
    max_views: ClassVar[int | None] = 2

    ridge: float = hyper(
        1e-6,
        "added to the diagonal of each view's XᵀX; more where rounding (d eps trace) is more",
        "the authors' code, which lets rounding decide where d is beyond the rank",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ridge <= 0:
            raise ConfigError(f"ridge must be above 0, got {self.ridge:g}; the paper's is 1e-6")

    @abstractmethod
    def _pairs(
        self, rows: Corpus, roots: dict[str, np.ndarray], sides: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return directions of the whitened views, each (d, k), k <= bits.

        `roots` are Cholesky factors R of XᵀX, and `sides` R^-1 XᵀL̃, (d, c).
        """

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        roots, sides, learnt = {}, {}, {}
        for view in rows.views:
            moments = joint_moments(self._labelled_blocks(rows, view))
            roots[view] = _root(moments[view, view], self.ridge)
            sides[view] = _whiten(roots[view], moments[view, LABELS])
        for view, found in self._pairs(rows, roots, sides).items():
            # Beyond the rank every direction is as good; the seed draws them.
            rest = rng.normal(size=(len(found), self.bits - found.shape[1]))
            whitened = np.hstack([found, rest])
            maps = solve_triangular(roots[view], whitened, lower=True, trans="T")
            # A scale that leaves outputs of variance 1; their signs are what counts.
            learnt[f"map/{view}"] = (maps * np.sqrt(len(rows))).astype(np.float32)
        return learnt

    def _labelled_blocks(self, rows: Corpus, view: str) -> Iterator[dict[str, np.ndarray]]:
        labels = rows.require_labels().astype(np.float64)
        lengths = np.sqrt(np.maximum(np.diff(labels.indptr), 1))
        labels = sparse.csr_matrix(sparse.diags_array(1 / lengths) @ labels)
        for part, batch in self._blocks(rows, view):
            yield {view: batch, LABELS: labels[part].toarray()}


@method
class SCMOrth(SCM):
    """All bits at once: canonical directions of the views under the labels' similarity.

    With L̃ the labels, each row scaled to length 1, S̃ = 2 L̃L̃ᵀ - 11ᵀ holds similarities in
    [-1, 1], and codes of q bits are to have S̃ as products:

        min ||sgn(X W_x) sgn(Y W_y)ᵀ - q S̃||²    s.t. W_xᵀ XᵀX W_x = W_yᵀ YᵀY W_y = n I.

    Without the signs it is maximal tr(W_xᵀ C_xy W_y), C_xy = Xᵀ S̃ Y, solved by the generalised
    eigenproblem

        C_xy C_yy^-1 C_xyᵀ w_x = λ² C_xx w_x,    w_y = C_yy^-1 C_xyᵀ w_x / λ.

    S̃ is never formed: features are centred, so C_xy = 2 (XᵀL̃)(YᵀL̃)ᵀ, of the rank of the labels
    at most. With R Rᵀ the (ridged, symmetric) C_xx and C_yy, directions are singular pairs of
    (R_x^-1 XᵀL̃)(R_y^-1 YᵀL̃)ᵀ, which two thin QR factorisations and a small SVD give.

    There are no more bits with a meaning than labels (9 on Wikipedia, 24 on MIRFlickr). The
    authors' code fills the rest with what its eigensolver returns, this one with directions drawn
    by the seed; MAP falls with them in both. Where every row has one label and classes are told
    apart easily, the directions are single classes against the rest, by falling size, and classes
    of one size share directions that are near 0 for all others: cuts that noise decides.

    Public code centres the training rows and not the database, which ruins sparse views; here
    everything is centred by the mean of the training rows.

    Cost: O(n d² + d³) time in one pass, O(d²) memory, for views of d features.
    """

    name: ClassVar[str] = "scm_orth"
    title: ClassVar[str] = "SCM_orth"
    family: ClassVar[str] = "Supervised"
    summary: ClassVar[str] = "correlations under the labels' similarity (closed form)"

    def _pairs(
        self, rows: Corpus, roots: dict[str, np.ndarray], sides: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        first, values, second = _singular(*sides.values())
        real = np.flatnonzero(values > ZERO * values[0])[: self.bits]
        return dict(zip(sides, (first[:, real], second[:, real]), strict=True))


@method
class SCMSeq(SCM):
    """Bit by bit: each the best direction for what the bits before it leave of the similarity.

    The objective is that of `scm_orth`, without its constraint that bits are uncorrelated: bit t
    solves, by the same eigenproblem and for its leading pair alone,

        max w_xᵀ C_t w_y,    C_1 = q Xᵀ S̃ Y,
        C_{t+1} = C_t - (Xᵀ sgn(X w_x)) (Yᵀ sgn(Y w_y))ᵀ,

    where the signs, not their relaxation, are taken off the residual. Should λ rise from one bit to
    the next, the residual cannot be made smaller, and the remaining bits are canonical directions
    of the views without labels, in the place and order in which the authors' code has them.

    S̃ and C_t are never formed: C_t has rank c + t at most and is kept as two factors.

    Cost: O(n d² + d³ + q n d + q² d c) time in q + 1 passes over the rows, O(d²) memory beside
    views of up to 1 GB, which are kept for the passes.
    """

    name: ClassVar[str] = "scm_seq"
    title: ClassVar[str] = "SCM_seq"
    family: ClassVar[str] = "Supervised"
    summary: ClassVar[str] = "bits chosen one by one to add up to the labels' similarity"

    def _pairs(
        self, rows: Corpus, roots: dict[str, np.ndarray], sides: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        passes = {view: self._passes(rows, view) for view in sides}
        # C_t = left rightᵀ in whitened coordinates; the sign of what is taken off stands left.
        factors = [np.sqrt(2 * self.bits) * side for side in sides.values()]
        found: dict[str, list[np.ndarray]] = {view: [] for view in sides}
        last = np.inf
        for _ in range(self.bits):
            first, values, second = _singular(*factors)
            if values[0] > last:
                return self._with_correlations(rows, roots, found)
            last = values[0]
            for place, (view, pair) in enumerate(zip(sides, (first, second), strict=True)):
                found[view].append(pair[:, 0])
                weights = solve_triangular(roots[view], pair[:, 0], lower=True, trans="T")
                signs = _whiten(roots[view], _products_with_signs(next(passes[view]), weights))
                taken = -signs if place == 0 else signs
                factors[place] = np.column_stack([factors[place], taken])
        return {view: np.column_stack(columns) for view, columns in found.items()}

    def _passes(self, rows: Corpus, view: str) -> Iterator[Iterable[np.ndarray]]:
        """Yield the scaled rows of a view again and again, from memory if they fit."""
        if len(rows) * rows.dims[view] <= KEPT:
            yield from repeat([batch for _, batch in self._blocks(rows, view)])
        while True:
            yield (batch for _, batch in self._blocks(rows, view))

    def _with_correlations(
        self, rows: Corpus, roots: dict[str, np.ndarray], found: dict[str, list[np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Fill up with canonical directions: of `bits` of them, weakest first, the last ones."""
        moments: Moments = joint_moments(self._joint_blocks(rows))
        maps, _ = canonical_directions(moments, self.bits, self.ridge)
        filled = {}
        for view, columns in found.items():
            rest = maps[view][:, : self.bits - len(columns)][:, ::-1]
            filled[view] = np.column_stack([*columns, roots[view].T @ rest])
        return filled


def _products_with_signs(blocks: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return Xᵀ sgn(X w), (d,), in one pass."""
    weights = weights.astype(np.float32)
    total = np.zeros(len(weights))
    for batch in blocks:
        total += batch.T @ np.where(batch @ weights > 0, np.float32(1), np.float32(-1))
    return total


def _singular(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U (d_x, r), the singular values and V (d_y, r) of left rightᵀ, without forming it."""
    (q_left, r_left), (q_right, r_right) = np.linalg.qr(left), np.linalg.qr(right)
    first, values, second = svd(r_left @ r_right.T, full_matrices=False)
    return q_left @ first, values, q_right @ second.T


def _root(gram: np.ndarray, ridge: float) -> np.ndarray:
    """Return the lower Cholesky factor of XᵀX + λ I, λ at least what rounding makes of 0."""
    level = max(ridge, len(gram) * np.finfo(np.float64).eps * gram.trace())
    factor: np.ndarray = cholesky(gram + level * np.eye(len(gram)), lower=True)
    return factor


def _whiten(lower: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    solved: np.ndarray = solve_triangular(lower, matrix, lower=True)
    return solved
