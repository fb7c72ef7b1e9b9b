"""Scaling: how each view's features are brought to one scale, measured on training rows only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from crossbit.features.scale import Scaler
from crossbit.features.terms import TermWeights

__all__ = ["Scaling", "fit_picture_scaling", "fit_scaling", "scaling_from"]


class Scaling(Protocol):
    """Turns raw feature rows into scaled ones."""

    def __call__(self, batch: Any) -> np.ndarray:
        """Return dense float32 rows, (b, d)."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is to be kept with a model."""
        ...


def fit_scaling(features: np.ndarray | sparse.csr_matrix) -> Scaling:
    """Return term weights for a CSR bag of words, z-scores for all else.

    CSR features with negative values count no words, so they get z-scores, too.
    """
    if isinstance(features, np.ndarray) or (features.data < 0).any():
        return Scaler.fit(features)
    return TermWeights.fit(features)


def fit_picture_scaling(features: np.ndarray | sparse.csr_matrix, colours: int) -> Scaling:
    """Return z-scores of pixels, (n, pixels * colours), by one mean and deviation for a colour.

    Each pixel for itself would tell places apart, which a network of convolutions must not.
    """
    each = Scaler.fit(features)
    means, scales = (a.reshape(-1, colours).astype(np.float64) for a in (each.mean, each.scale))
    variances = np.divide(1.0, scales**2, out=np.zeros_like(scales), where=scales > 0)
    spread = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    pixels = len(means)
    return Scaler(
        np.tile(means.mean(axis=0), pixels).astype(np.float32),
        np.tile(scale, pixels).astype(np.float32),
    )


def scaling_from(arrays: Mapping[str, np.ndarray]) -> Scaling:
    """Return the scaling whose `arrays` were kept."""
    kind: Any = TermWeights if "idf" in arrays else Scaler
    found: Scaling = kind.from_arrays(arrays)
    return found
