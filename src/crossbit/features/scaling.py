"""Scaling: how each view's features are brought to one scale, measured on training rows only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from crossbit.features.scale import Scaler
from crossbit.features.terms import TermWeights

__all__ = ["Scaling", "fit_scaling", "scaling_from"]


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


def scaling_from(arrays: Mapping[str, np.ndarray]) -> Scaling:
    """Return the scaling whose `arrays` were kept."""
    kind: Any = TermWeights if "idf" in arrays else Scaler
    found: Scaling = kind.from_arrays(arrays)
    return found
