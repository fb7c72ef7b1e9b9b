"""CCA: exact search on canonical correlations, the reference that no code compresses."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun, Hasher
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.correlations import canonical_directions
from crossbit.methods.classical.moments import joint_moments
from crossbit.methods.ranking import Ranker, ScoreRanker
from crossbit.methods.settings import hyper, method

__all__ = ["CCA"]


class CosineRanker(ScoreRanker):
    """Cosine of real-valued canonical features."""

    name = "cosine of real-valued features"
    hasher: CCA

    def __init__(self, hasher: Hasher) -> None:
        assert isinstance(hasher, CCA)
        super().__init__(hasher)

    def queries(self, items: Any, view: str) -> np.ndarray:
        return self.hasher.features(items, view)

    def database(self, corpus: Corpus, view: str, coding: str) -> np.ndarray:
        self.hasher.check_coding(coding)
        return self.hasher.features(corpus[view], view)

    def distances(self, queries: np.ndarray, database: np.ndarray) -> np.ndarray:
        # A product may differ in its last digits with an item's place in it. In double precision
        # these are far below what is rounded away, so that equal items are tied.
        products = queries.astype(np.float64) @ database.T.astype(np.float64)
        rounded: np.ndarray = np.round(1 - products, 5).astype(np.float32)
        return rounded


@method
class CCA(ClassicalHasher):
    """Canonical correlation analysis, searched by cosine without any code.

    Each view is mapped by its canonical directions (see `CVH`), weighted by their correlations,
    and items are ranked by the exact cosine of these features. Nothing is binary, so this is what
    linear codes of these views compare with. `encode`, and so the index, takes the signs of the
    first `bits` features, as `CVH` does; beyond the directions that there are, bits are drawn at
    random.

    Cost: O(n D^2 + D^3) time and O(D^2) memory for views of D features together; search takes
    O(directions) for each item and 4 bytes of memory for each direction, 32 times a code's.
    """

    name: ClassVar[str] = "cca"
    title: ClassVar[str] = "CCA, uncompressed"
    family: ClassVar[str] = "What users pick today"
    summary: ClassVar[str] = "real-valued canonical correlations by cosine: the reference"
    citation: ClassVar[Citation | None] = Citation(
        "H. Hotelling", "Relations Between Two Sets of Variates", "Biometrika", 1936
    )
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    ranker: ClassVar[type[Ranker]] = CosineRanker

    scaling: Literal["centred", "standard"] = hyper("standard", SCALING, DEVELOPMENT)
    directions: int = hyper(64, "canonical directions compared, at most")
    ridge: float = hyper(
        1.0,
        "added to the diagonal of each view's covariance, as a share of its mean",
        DEVELOPMENT,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.directions < 1:
            raise ConfigError("directions must be at least 1")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        moments = joint_moments(self._joint_blocks(rows))
        wanted = max(self.bits, self.directions)
        maps, rho = canonical_directions(moments, wanted, self.ridge)
        learnt = {}
        for view, found in maps.items():
            missing = rng.normal(size=(len(found), max(self.bits - len(rho), 0)))
            signs = np.hstack([found, missing])[:, : self.bits]
            learnt[f"map/{view}"] = signs.astype(np.float32)
            learnt[f"real/{view}"] = (found * rho)[:, : self.directions].astype(np.float32)
        return learnt

    def features(self, items: Any, view: str) -> np.ndarray:
        """Return what is compared: canonical features of unit length, (n, directions) float32."""
        return self._in_batches(items, view, self._real)

    def _real(self, batch: np.ndarray, view: str) -> np.ndarray:
        # In double precision, so that equal items have equal features; see `distances`.
        real = self._scaled(batch, view).astype(np.float64) @ self._learnt[f"real/{view}"]
        length = np.linalg.norm(real, axis=1, keepdims=True)
        unit: np.ndarray = (real / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)
        return unit
