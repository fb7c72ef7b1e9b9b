"""TermWeights: scales the rows of a bag-of-words view by what its training rows show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from crossbit.errors import DataError

__all__ = ["TermWeights"]


@dataclass(frozen=True, eq=False)
class TermWeights:
    """Turns counts x into sqrt(x) idf, scaled to length sqrt(d), the length of z-scored rows.

    Attributes
    ----------
    idf : (d,) float32
        log(n / df) + 1 over the rows seen by `fit` (Sparck Jones, 1972), and 0 for a word that
        none of them holds: what was not seen in training never counts.
    """

    idf: np.ndarray

    @classmethod
    def fit(cls, features: sparse.csr_matrix) -> Self:
        """Count the words of training rows, (n, d) CSR; O(stored values)."""
        n, d = features.shape
        if n == 0:
            raise DataError("scaling is measured on training rows, but there are none")
        matrix = features.tocsr()
        if not matrix.has_canonical_format:  # a word stored twice in a row is in one text
            matrix = matrix.copy()
            matrix.sum_duplicates()
        frequency = np.bincount(matrix.indices[matrix.data != 0], minlength=d)
        idf = np.where(frequency > 0, np.log(n / np.maximum(frequency, 1)) + 1, 0.0)
        return cls(idf.astype(np.float32))

    def __call__(self, batch: np.ndarray | sparse.csr_matrix) -> np.ndarray:
        """Return scaled rows, (b, d) dense float32; a row without known words stays zero."""
        rows: Any = batch.toarray() if sparse.issparse(batch) else batch
        if rows.shape[-1] != len(self.idf):
            raise DataError(
                f"rows have {rows.shape[-1]} columns, the scaling was measured on {len(self.idf)}"
            )
        weighted = np.sqrt(np.maximum(np.asarray(rows, dtype=np.float32), 0)) * self.idf
        length = np.linalg.norm(weighted, axis=1, keepdims=True)
        return weighted * np.float32(len(self.idf) ** 0.5) / np.maximum(length, np.float32(1e-12))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is to be kept with a model."""
        return {"idf": self.idf}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the scaling that `arrays` came from."""
        return cls(arrays["idf"])
