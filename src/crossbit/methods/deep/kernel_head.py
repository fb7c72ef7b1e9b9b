"""Kernel head: one ridge regression per view onto the codes that training settled on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

__all__ = ["KernelHead"]

WIDTHS = (1.0, 3.0, 9.0)  # of the wide kernel, times 1 / (2 total variance)
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
NARROW = 30.0  # exponent of the narrow kernel at the median distance to the nearest neighbour


@dataclass(frozen=True, eq=False)
class KernelHead:
    """A network of radial units centred on the training rows, fitted in closed form.

    f(x) = sum_j a_j (k_wide(x, x_j) + ridge k_narrow(x, x_j)), (K_wide + ridge K_narrow) a = codes.
    Far from all training rows the narrow units are silent and f is kernel ridge regression,
    which generalises; on a training row they are not, and f gives that row's code exactly: what
    a database that was trained on needs. Codes are centred, so that uncertain bits fall either
    way (without it they all fall to the majority's side, and MAP with them).

    Width and ridge have the least squared leave-one-out error on the codes, in closed form.
    Time O(n^3) once, O(n (d + bits)) per item; memory O(n^2). Two-step hashing with kernels is
    SePH's (Lin et al., CVPR 2015); the pair of kernels is a project choice.

    Attributes
    ----------
    centres : (n, d) float32, scaled training rows
    weights : (n, bits) float32
    wide, narrow, ridge : float
        Exponents of the two kernels per squared distance, and the narrow one's weight.
    """

    centres: np.ndarray
    weights: np.ndarray
    wide: float
    narrow: float
    ridge: float

    @classmethod
    def fit(cls, rows: np.ndarray, codes: np.ndarray) -> Self:
        """Fit scaled rows (n, d) to codes (n, bits) of -1 and 1."""
        rows = rows.astype(np.float64)
        target = codes - codes.mean(axis=0)
        distance = _squared_distance(rows, rows)
        scale = 1 / (2 * max(rows.var(axis=0).sum(), 1e-12))
        errors = {}
        for width in WIDTHS:
            values, vectors = np.linalg.eigh(np.exp(-width * scale * distance))
            turned, squares = vectors.T @ target, vectors**2
            for ridge in RIDGES:
                inverse = 1 / (np.maximum(values, 0) + ridge)
                # Leave-one-out residual of kernel ridge regression: alpha_i / (K + r I)^-1_ii.
                left_out = (vectors @ (inverse[:, None] * turned)) / (squares @ inverse)[:, None]
                errors[width, ridge] = float(np.square(left_out).mean())
        width, ridge = min(errors, key=lambda pair: errors[pair])
        others = distance + np.diag(np.full(len(rows), np.inf))
        nearest = others.min(axis=1) if len(rows) > 1 else np.ones(1)
        narrow = NARROW / max(float(np.median(nearest)), 1e-9)
        kernel = np.exp(-width * scale * distance) + ridge * np.exp(-narrow * distance)
        kernel[np.diag_indices_from(kernel)] += 1e-6  # rows that are equal in this view
        weights = np.linalg.solve(kernel, target)
        return cls(
            rows.astype(np.float32), weights.astype(np.float32), width * scale, narrow, ridge
        )

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return outputs, (b, bits) float32, of scaled rows (b, d)."""
        distance = _squared_distance(batch.astype(np.float64), self.centres.astype(np.float64))
        kernel = np.exp(-self.wide * distance) + self.ridge * np.exp(-self.narrow * distance)
        return (kernel @ self.weights).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is to be kept with a model."""
        scalars = np.array([self.wide, self.narrow, self.ridge])
        return {"centres": self.centres, "weights": self.weights, "scalars": scalars}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the memory that `arrays` came from."""
        wide, narrow, ridge = arrays["scalars"].tolist()
        return cls(arrays["centres"], arrays["weights"], wide, narrow, ridge)


def _squared_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    square = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.maximum(square, 0)
