"""PDH: predictable dual-view hashing, bits that one view can predict from the other."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.correlations import canonical_directions
from crossbit.methods.classical.margins import LinearMachines
from crossbit.methods.classical.moments import joint_moments
from crossbit.methods.settings import hyper, method

__all__ = ["PDH"]

STEADY = 0.001  # share of bits whose change is none


@method
class PDH(ClassicalHasher):
    """Each bit of one view is what a max-margin classifier can predict from the other view.

    The paper's problem, for bits k, rows j and views V and T:

        min  sum_k ||w_V^k||^2 + ||w_T^k||^2 + C sum_jk (xi_V^jk + xi_T^jk)
             + ||B_V B_Vᵀ - I||^2 + ||B_T B_Tᵀ - I||^2
        s.t. B_T^jk (w_V^k)ᵀ x_V^j >= 1 - xi_V^jk,    B_V^jk (w_T^k)ᵀ x_T^j >= 1 - xi_T^jk,
             B = sgn(Wᵀ X),

    by blocks: from canonical correlations, B_V = sgn(W_V X_V); one linear SVM for each bit of B_V
    learns W_T from the other view; B_T = sgn(W_T X_T); SVMs learn W_V from B_T; and again, for some
    rounds or until hardly a bit changes. The bits of x are sgn(w_kᵀx + c_k).

    No code of the authors was found; this follows the paper's problem as other papers quote it.
    One round is the default, since more of them only cost on development rows (wikipedia, 32 bits:
    .237/.224 after one, .176/.179 after two): each view learns the noise in the other's bits, too.
    Three choices are ours. The hinge is squared, so that all SVMs of a round are solved together
    (see `LinearMachines`). The terms that decorrelate bits are left out: bits differ by their
    starts, and an explicit step lost a quarter of the MAP in a small check. A bit that nearly
    all rows share would be predicted perfectly and say nothing, so where fewer than `balance` of
    the rows have it, or lack it, the SVM gets a random direction's bit instead, cut at its median.

    Cost: O(n D^2 + D^3) once, then O(n D bits) for each step of each round; O(D^2 + n bits) memory.
    """

    name: ClassVar[str] = "pdh"
    title: ClassVar[str] = "PDH"
    family: ClassVar[str] = "Unsupervised"
    summary: ClassVar[str] = "bits that linear SVMs predict from the other view"
    citation: ClassVar[Citation | None] = Citation(
        "M. Rastegari, J. Choi, S. Fakhraei, H. Daumé III, L. S. Davis",
        "Predictable Dual-View Hashing",
        "ICML",
        2013,
    )
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    max_views: ClassVar[int | None] = 2

    scaling: Literal["centred", "standard"] = hyper("standard", SCALING, DEVELOPMENT)
    cost: float = hyper(0.1, "C of the SVMs, for rows of mean square length 1", DEVELOPMENT)
    iterations: int = hyper(1, "rounds, at most", DEVELOPMENT)
    steps: int = hyper(10, "steps of the SVMs of a round, which start where the last ones ended")
    balance: float = hyper(0.01, "least share of rows with a bit, and without it")
    ridge: float = hyper(0.1, "of the canonical correlations to start from, see cvh", "as for cvh")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cost <= 0 or self.iterations < 1 or self.steps < 1:
            raise ConfigError("cost must be above 0, iterations and steps at least 1")
        if not 0 < self.balance < 0.5:
            raise ConfigError(f"balance must be between 0 and 0.5, got {self.balance}")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        moments = joint_moments(self._joint_blocks(rows))
        found, _ = canonical_directions(moments, self.bits, self.ridge)
        machines, weights, bits = {}, {}, {}
        for view, start in found.items():
            length = np.sqrt(moments[view, view].trace() / len(rows)) or 1.0
            self._learnt[f"length/{view}"] = np.array([length], dtype=np.float32)
            machines[view] = self._machines(rows, view, moments[view, view] / length**2)
            more = rng.normal(size=(len(start), self.bits - start.shape[1]))
            weights[view] = np.vstack([np.hstack([start * length, more]), np.zeros(self.bits)])
            bits[view] = machines[view].outputs(weights[view]) > 0
        first, second = rows.views
        for _ in range(self.iterations):
            before = bits[first]
            for teacher, pupil in (first, second), (second, first):
                target = self._lively(bits[teacher], machines[teacher], rng)
                weights[pupil] = machines[pupil].fit(weights[pupil], target, self.steps)
                bits[pupil] = machines[pupil].outputs(weights[pupil]) > 0
            if (bits[first] != before).mean() < STEADY:
                break
        learnt = {f"map/{view}": found.astype(np.float32) for view, found in weights.items()}
        return learnt | {f"length/{view}": self._learnt[f"length/{view}"] for view in rows.views}

    def _machines(self, rows: Corpus, view: str, scatter: np.ndarray) -> LinearMachines:
        gram = np.zeros((len(scatter) + 1, len(scatter) + 1))
        gram[:-1, :-1] = scatter
        gram[-1, -1] = len(rows)  # the rows are centred, so the constant meets nothing but itself
        length = self._learnt[f"length/{view}"]
        return LinearMachines(
            lambda: ((part, block / length) for part, block in self._blocks(rows, view)),
            gram,
            self.cost,
        )

    def _lively(
        self, bits: np.ndarray, machines: LinearMachines, rng: np.random.Generator
    ) -> np.ndarray:
        """Return bits (n, bits) with those that hardly any row has, or lacks, drawn anew."""
        share = bits.mean(axis=0)
        dull = np.minimum(share, 1 - share) < self.balance
        if dull.any():
            drawn = machines.outputs(rng.normal(size=(machines.width, int(dull.sum()))))
            bits = bits.copy()
            bits[:, dull] = drawn > np.median(drawn, axis=0)
        return bits

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        weights = self._learnt[f"map/{view}"]
        return batch / self._learnt[f"length/{view}"] @ weights[:-1] + weights[-1]
