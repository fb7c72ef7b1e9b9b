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
    """Return z-scores for dense features and term weights for a CSR bag of words."""
    return TermWeights.fit(features) if sparse.issparse(features) else Scaler.fit(features)


def scaling_from(arrays: Mapping[str, np.ndarray]) -> Scaling:
    """Return the scaling whose `arrays` were kept."""
    kind: Any = TermWeights if "idf" in arrays else Scaler
    found: Scaling = kind.from_arrays(arrays)
    return found
