"""LSH: signs of random projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from crossbit.corpus import Corpus
from crossbit.methods.base import Citation, FitRun, Hasher
from crossbit.methods.settings import method

__all__ = ["LSH"]


@method
class LSH(Hasher):
    """Random hyperplanes: bit k is 1 if r_kᵀx > 0, r_k normal.

    Two vectors at angle t differ in each bit with probability t / pi, so Hamming distances rank
    like cosines, the closer the more bits. For views that are vectors of one space; it learns
    nothing, not even a mean.

    Cost: O(d bits) for an item.
    """

    name: ClassVar[str] = "lsh"
    title: ClassVar[str] = "LSH"
    family: ClassVar[str] = "What users pick today"
    summary: ClassVar[str] = "signs of random projections of vectors of one space"
    citation: ClassVar[Citation | None] = Citation(
        "M. Charikar", "Similarity Estimation Techniques from Rounding Algorithms", "STOC", 2002
    )
    requires: ClassVar[frozenset[str]] = frozenset({"one space"})
    learns_from: ClassVar[str] = "nothing"

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        width = next(iter(self.dims.values()))
        self.planes = self._draw(width, np.random.default_rng(self.seed)).astype(np.float32)

    def _draw(self, width: int, rng: np.random.Generator) -> np.ndarray:
        """Return the hyperplanes as columns, (width, bits)."""
        return rng.normal(size=(width, self.bits))

    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        outputs: np.ndarray = batch @ self.planes
        return outputs

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"planes": self.planes}

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.planes = arrays["planes"]
