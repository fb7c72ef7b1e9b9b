"""ITQ-CCA: iterative quantisation of canonical correlations."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import FitRun
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.correlations import canonical_directions
from crossbit.methods.classical.itq import PAPER
from crossbit.methods.classical.moments import joint_moments
from crossbit.methods.classical.rotation import learn_rotation
from crossbit.methods.settings import hyper, method

__all__ = ["ITQCCA"]


@method
class ITQCCA(ClassicalHasher):
    """The space in which the views correlate, rotated so that signs lose least.

    Canonical correlation analysis (see `CVH`) maps each view by A_v into one space, each
    direction weighted by its correlation as in the authors' code, V = X_v A_v diag(rho). One
    rotation R then serves all views: with B = sgn(V R) it minimises eq. (2) of the paper,
    ||B - V R||^2, over the rows of all views together. The bits of x are sgn(xᵀ A_v diag(rho) R).

    The paper, which pairs images with labels or tags, takes as many directions as bits. Later
    directions are mostly noise, and the views here often have fewer than that: R has `directions`
    rows and `bits` columns, R Rᵀ = I, so that few directions make many bits. Each view has a map of
    its own, which the paper's labels need not.

    Cost: O(n D^2 + D^3) time for views of D features together, then O(n k bits) for each of the
    iterations with k directions; O(D^2 + n bits) memory.
    """

    name: ClassVar[str] = "itq_cca"
    title: ClassVar[str] = "ITQ-CCA"
    family: ClassVar[str] = "What users pick today"
    summary: ClassVar[str] = "canonical correlations, rotated so that signs lose least"
    citation = PAPER
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})

    scaling: Literal["centred", "standard"] = hyper("standard", SCALING, DEVELOPMENT)
    directions: int = hyper(
        0, "canonical directions, at most bits; 0 for the larger of 8 and bits / 4", DEVELOPMENT
    )
    ridge: float = hyper(
        1.0,
        "added to the diagonal of each view's covariance, as a share of its mean",
        DEVELOPMENT,
    )
    iterations: int = hyper(50, "rounds of the rotation", "the paper")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.directions <= self.bits:
            raise ConfigError(f"directions must be from 0 to the {self.bits} bits")
        if self.iterations < 1:
            raise ConfigError("iterations must be at least 1")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        moments = joint_moments(self._joint_blocks(rows))
        wanted = self.directions or max(8, self.bits // 4)
        maps, rho = canonical_directions(moments, wanted, self.ridge)
        maps = {view: (found * rho).astype(np.float32) for view, found in maps.items()}
        shared = [block @ maps[view] for view in maps for _, block in self._blocks(rows, view)]
        rotation, _ = learn_rotation(np.concatenate(shared), self.bits, self.iterations, rng)
        return {f"map/{view}": found @ rotation for view, found in maps.items()}
