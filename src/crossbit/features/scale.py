"""Scaler: shifts and scales the columns of one view by what its training rows show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError

__all__ = ["Scaler"]

ROWS = 4096  # rows converted to float64 at a time


@dataclass(frozen=True, eq=False)
class Scaler:
    """Turns a row x into (x - mean) * scale, then cuts it at +-clip.

    Attributes
    ----------
    mean, scale : (d,) float32
        A column that is constant in the rows seen by `fit` has scale 0: a word that no training
        text holds never counts, whatever a query says.
    clip : float
        0 cuts nothing.
    """

    mean: np.ndarray
    scale: np.ndarray
    clip: float = 0.0

    @classmethod
    def fit(
        cls,
        features: np.ndarray | sparse.csr_matrix,
        *,
        kind: Literal["zscore", "none"] = "zscore",
        floor: float = 0.0,
        clip: float = 0.0,
    ) -> Self:
        """Measure the columns of training rows, (n, d); CSR input is never made dense.

        Parameters
        ----------
        kind : "zscore" or "none"
            "none" keeps the values and only drops constant columns.
        floor : float
            Least standard deviation to divide by. A word in a share p of the texts has
            sqrt(p (1 - p)), so one that occurs once in 10,000 texts counts a hundred times as
            much as a common one; 0.1 treats words in less than 1 % of the texts alike.
        clip : float
            Largest absolute value of the result (5: five standard deviations); 0 for no limit.

        Raises
        ------
        ConfigError
            For an unknown kind, or a negative floor or clip.
        DataError
            If there are no rows.
        """
        if kind not in ("zscore", "none"):
            raise ConfigError(f"there is no scaling {kind!r}; choose from none, zscore")
        if floor < 0 or clip < 0:
            raise ConfigError(f"floor and clip must not be negative, got {floor} and {clip}")
        if features.shape[0] == 0:
            raise DataError("scaling is measured on training rows, but there are none")
        measure = _sparse_columns if sparse.issparse(features) else _dense_columns
        mean, std, varies = measure(features)
        if kind == "none":
            mean, std = np.zeros_like(mean), np.ones_like(std)
        scale = np.zeros_like(std)
        # A floor keeps the divisor above zero; without one, only columns that vary are divided.
        usable = varies & (std > 0)
        scale[usable] = 1.0 / np.maximum(std[usable], floor)
        return cls(mean.astype(np.float32), scale.astype(np.float32), float(clip))

    def __call__(self, batch: np.ndarray | sparse.csr_matrix) -> np.ndarray:
        """Return scaled rows, (b, d) dense float32."""
        rows: Any = batch.toarray() if sparse.issparse(batch) else batch
        if rows.shape[-1] != len(self.mean):
            raise DataError(
                f"rows have {rows.shape[-1]} columns, the scaling was measured on {len(self.mean)}"
            )
        scaled = (np.asarray(rows, dtype=np.float32) - self.mean) * self.scale
        return np.clip(scaled, -self.clip, self.clip, out=scaled) if self.clip else scaled

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is to be kept with a model."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "clip": np.array([self.clip], dtype=np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the scaler that `arrays` came from."""
        return cls(arrays["mean"], arrays["scale"], float(arrays["clip"][0]))


def _dense_columns(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation (float64) and whether the column varies, in blocks."""
    n, d = matrix.shape
    blocks = [slice(start, start + ROWS) for start in range(0, n, ROWS)]
    mean = np.zeros(d)
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    for block in blocks:
        rows = np.asarray(matrix[block], dtype=np.float64)
        mean += rows.sum(axis=0) / n
        low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
    variance = np.zeros(d)
    for block in blocks:
        variance += np.square(np.asarray(matrix[block], dtype=np.float64) - mean).sum(axis=0) / n
    return mean, np.sqrt(variance), high > low


def _sparse_columns(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for CSR: the zeros that are not stored enter in closed form."""
    matrix = matrix.tocsr().astype(np.float64)
    matrix.sum_duplicates()
    n, d = matrix.shape
    stored = np.bincount(matrix.indices, minlength=d)
    mean = np.bincount(matrix.indices, weights=matrix.data, minlength=d) / n
    off = np.square(matrix.data - mean[matrix.indices])
    squares = np.bincount(matrix.indices, weights=off, minlength=d)
    variance = (squares + (n - stored) * np.square(mean)) / n
    varies = matrix.max(axis=0).toarray().ravel() > matrix.min(axis=0).toarray().ravel()
    return mean, np.sqrt(variance), varies
