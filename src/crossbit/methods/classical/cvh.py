"""CVH: cross-view hashing, canonical correlation analysis cut at zero."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from crossbit.corpus import Corpus
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.correlations import canonical_directions
from crossbit.methods.classical.moments import joint_moments
from crossbit.methods.settings import hyper, method

__all__ = ["CVH"]


@method
class CVH(ClassicalHasher):
    """Bits are signs of the directions in which the views correlate most.

    The paper minimises the Hamming distance of similar items, summed over all pairs of views,
    relaxed to real outputs that are uncorrelated and of one variance. With the pairs of the corpus
    as the similar items that is, for two views, canonical correlation analysis:

        C_xy C_yy^-1 C_yx a = rho^2 C_xx a,    b = C_yy^-1 C_yx a / rho,

    and for more the generalised eigenproblem of all views together (see `canonical_directions`).
    C is of centred features, with a ridge on the diagonal of C_xx and C_yy. Bit k of an image x is
    1 if (x - mean)ᵀ a_k > 0, and so for every view.

    There are no more directions than C_xy has ranks (9 on Wikipedia, whose texts are 10 topics
    that sum to 1). Beyond, rho is 0 and every direction solves the problem equally well: where the
    authors' code keeps what its eigensolver happens to return, here they are drawn at random, by
    the seed. Such bits are noise, and MAP falls with them in both.

    A public MATLAB version leaves out the inverse of C_yy and does not centre; the figures that
    this class is compared with are those of its repaired form.

    Cost: O(n D^2 + D^3) time and O(D^2) memory for views of D features together, in one pass.
    """

    name: ClassVar[str] = "cvh"
    title: ClassVar[str] = "CVH"
    family: ClassVar[str] = "Unsupervised"
    summary: ClassVar[str] = "canonical correlations cut at zero (closed form)"
    citation: ClassVar[Citation | None] = Citation(
        "S. Kumar, R. Udupa",
        "Learning Hash Functions for Cross-view Similarity Search",
        "IJCAI",
        2011,
    )
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})

    scaling: Literal["centred", "standard"] = hyper(
        "centred", SCALING, f"the authors' code, and {DEVELOPMENT}"
    )
    ridge: float = hyper(
        0.1,
        "added to the diagonal of each view's covariance, as a share of its mean",
        f"{DEVELOPMENT}; the authors' code: 1e-4, no share",
    )

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        moments = joint_moments(self._joint_blocks(rows))
        maps, _ = canonical_directions(moments, self.bits, self.ridge)
        learnt = {}
        for view, found in maps.items():
            missing = rng.normal(size=(len(found), self.bits - found.shape[1]))
            learnt[f"map/{view}"] = np.hstack([found, missing]).astype(np.float32)
        return learnt
