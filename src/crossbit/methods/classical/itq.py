"""ITQ: iterative quantisation of principal components, one function for all views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from scipy.linalg import eigh

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import ClassicalHasher
from crossbit.methods.classical.moments import joint_moments
from crossbit.methods.classical.rotation import learn_rotation
from crossbit.methods.settings import hyper, method

__all__ = ["ITQ", "PAPER"]

PAPER = Citation(
    "Y. Gong, S. Lazebnik",
    "Iterative Quantization: A Procrustean Approach to Learning Binary Codes",
    "CVPR",
    2011,
)


@method
class ITQ(ClassicalHasher):
    """Principal components, rotated so that signs lose least.

    For views that are vectors of one space. The leading components W of the rows of all views
    together give V = X W; the rotation R minimises eq. (2) of the paper, ||B - V R||^2 with
    B = sgn(V R), by turns (see `learn_rotation`), and the bits of x are sgn(xᵀ W R). With fewer
    components than bits, R spreads them over all bits.

    One function serves all views, behind each view's own mean: images and texts of one space, such
    as CLIP's, lie in two cones apart, and the first component would tell nothing but the view.

    Cost: O(n d^2 + d^3 + iterations n bits^2) time, O(d^2 + n bits) memory.
    """

    name: ClassVar[str] = "itq"
    title: ClassVar[str] = "ITQ"
    family: ClassVar[str] = "What users pick today"
    summary: ClassVar[str] = "principal components, rotated so that signs lose least"
    citation: ClassVar[Citation | None] = PAPER
    requires: ClassVar[frozenset[str]] = frozenset({"one space"})

    iterations: int = hyper(50, "rounds of the rotation", "the paper")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iterations < 1:
            raise ConfigError("iterations must be at least 1")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        def blocks() -> Iterator[np.ndarray]:
            return (block for view in rows.views for _, block in self._blocks(rows, view))

        scatter = joint_moments({"all": block} for block in blocks()).matrix
        d = len(scatter)
        _, components = eigh(scatter, subset_by_index=[max(d - self.bits, 0), d - 1])
        components = components.astype(np.float32)
        features = np.concatenate([block @ components for block in blocks()])
        rotation, _ = learn_rotation(features, self.bits, self.iterations, rng)
        return {f"map/{view}": components @ rotation for view in rows.views}
