"""CMFH: collective matrix factorisation hashing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.moments import Moments, joint_moments
from crossbit.methods.settings import hyper, method

__all__ = ["CMFH", "Factors"]


@method
class CMFH(ClassicalHasher):
    """All views of an item share one latent factor; its signs are the item's bits.

    With rows as items, X_t (n, d_t) centred, and a = 1 / views, it minimises

        F = sum_t a ||X_t - Y U_t||^2 + a mu ||Y - X_t W_t||^2
            + gamma (sum_t ||U_t||^2 + ||W_t||^2 + ||Y||^2)

    over the latent factor Y (n, bits), its loadings U_t and the hash functions W_t, in turns, each
    the exact minimiser given the others:

        Y   = sum_t a X_t (U_tᵀ + mu W_t) (sum_t a U_t U_tᵀ + (mu + gamma) I)^-1
        U_t = (a YᵀY + gamma I)^-1 a YᵀX_t
        W_t = (a mu X_tᵀX_t + gamma I)^-1 a mu X_tᵀY

    A view alone is coded by sgn(x W_t); an item with all of its views (coding "fused") by the
    Y-step, sgn(sum_t x_t P_t), which on training rows gives the train codes sgn(Y).

    Y stays a linear map of the features, Y = sum_t X_t P_t. So after one pass over the rows that
    sums their products, no round looks at the data again: the result is that of the updates
    above, and the cost of a round does not depend on n. Y starts from a random P, where the
    authors' code draws Y itself. That code's W-step is 1 / mu^2 of the minimiser, which leaves the
    signs of a single view as they are and feeds a wrong W into the next Y. Features are not scaled
    there, so that one view can drown the other.

    Cost: O(n D^2) for the pass, O(D^3) once, O(D^2 bits) for each round, D features in all views;
    O(D^2 + n bits / 8) memory.
    """

    name: ClassVar[str] = "cmfh"
    title: ClassVar[str] = "CMFH"
    family: ClassVar[str] = "Unsupervised"
    summary: ClassVar[str] = "one latent factor behind all views (alternating closed form)"
    citation: ClassVar[Citation | None] = Citation(
        "G. Ding, Y. Guo, J. Zhou",
        "Collective Matrix Factorization Hashing for Multimodal Data",
        "CVPR",
        2014,
    )
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    database_codings: ClassVar[tuple[str, ...]] = ("single", "fused", "train")

    scaling: Literal["centred", "standard"] = hyper(
        "centred", SCALING, f"the authors' code, and {DEVELOPMENT}"
    )
    mu: float = hyper(100.0, "weight of the hash functions against the factors", "the paper")
    gamma: float = hyper(
        0.01, "weight of the regularisation, in squares of features summed over rows", "the paper"
    )
    iterations: int = hyper(25, "rounds of the three updates", "the authors' code")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mu <= 0 or self.gamma <= 0 or self.iterations < 1:
            raise ConfigError("mu and gamma must be above 0, iterations at least 1")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        moments = joint_moments(self._joint_blocks(rows))
        factors = Factors(moments, self.bits, self.mu, self.gamma, rng)
        for _ in range(self.iterations):
            factors.step()
        learnt = {}
        for view, part in moments.parts.items():
            learnt[f"map/{view}"] = factors.W[view].astype(np.float32)
            learnt[f"together/{view}"] = factors.P[part].astype(np.float32)
        self._learnt |= learnt
        codes = [self._unify(batches) > 0 for batches in self._joint_blocks(rows)]
        return learnt | self._kept(rows, np.concatenate(codes))

    def _unify(self, batches: Mapping[str, np.ndarray]) -> np.ndarray:
        return sum(
            (batch @ self._learnt[f"together/{view}"] for view, batch in batches.items()),
            start=np.zeros(1, dtype=np.float32),
        )


class Factors:
    """Y = X P, U and W of the docstring above, from the moments C = XᵀX of all views alone.

    Attributes
    ----------
    P : (D, bits) float64
    U : dict of view to (bits, d)
    W : dict of view to (d, bits)
    """

    def __init__(
        self, moments: Moments, bits: int, mu: float, gamma: float, rng: np.random.Generator
    ) -> None:
        self.moments, self.mu, self.gamma = moments, mu, gamma
        self.share = 1 / len(moments.parts)
        self.inverses = {}
        for view in moments.parts:
            left = self.share * mu * moments[view, view]
            left.flat[:: len(left) + 1] += gamma
            self.inverses[view] = cho_factor(left, overwrite_a=True)
        self.P = rng.normal(size=(len(moments.matrix), bits))
        self._fit_functions()

    def step(self) -> None:
        """Update Y, then U and W; the objective does not rise."""
        a, mu = self.share, self.mu
        pull = np.vstack([a * (self.U[view].T + mu * self.W[view]) for view in self.moments.parts])
        weight = sum(a * U @ U.T for U in self.U.values()) + (mu + self.gamma) * np.eye(
            self.P.shape[1]
        )
        self.P = solve(weight, pull.T, assume_a="pos").T
        self._fit_functions()

    def _fit_functions(self) -> None:
        a = self.share
        xy = self.moments.matrix @ self.P  # XᵀY, (D, bits)
        yy = self.P.T @ xy
        left = a * yy + self.gamma * np.eye(len(yy))
        parts = self.moments.parts.items()
        self.U = {view: solve(left, a * xy[part].T, assume_a="pos") for view, part in parts}
        self.W = {
            view: cho_solve(self.inverses[view], a * self.mu * xy[part]) for view, part in parts
        }

    def objective(self) -> float:
        """Return F. O(D^2 bits)."""
        a, mu, gamma = self.share, self.mu, self.gamma
        xy = self.moments.matrix @ self.P
        yy = self.P.T @ xy
        total = gamma * yy.trace()
        for view, part in self.moments.parts.items():
            U, W, C = self.U[view], self.W[view], self.moments[view, view]
            total += a * (C.trace() - 2 * (U * xy[part].T).sum() + (U * (yy @ U)).sum())
            total += a * mu * (yy.trace() - 2 * (W * xy[part]).sum() + (W * (C @ W)).sum())
            total += gamma * (np.square(U).sum() + np.square(W).sum())
        return float(total)
