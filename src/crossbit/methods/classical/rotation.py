"""ITQ's rotation: turns real-valued features so that their signs lose least."""

from __future__ import annotations

import numpy as np

__all__ = ["learn_rotation", "random_rotation"]


def random_rotation(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random (rows, columns) float64 matrix whose shorter side is orthonormal."""
    long, short = max(rows, columns), min(rows, columns)
    basis, triangle = np.linalg.qr(rng.normal(size=(long, short)))
    basis *= np.sign(np.diag(triangle))  # else QR's choice of signs is not uniform
    return basis if rows >= columns else basis.T


def learn_rotation(
    features: np.ndarray, bits: int, iterations: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[float]]:
    """Minimise ||B - V R||^2 over signs B (n, bits) and R (k, bits) with R Rᵀ = I, k <= bits.

    In turns, as Gong and Lazebnik do: B = sgn(V R); then R = S Tᵀ with VᵀB = S D Tᵀ, the
    orthogonal Procrustes problem. With k < bits, R spreads k features over more bits: it is the
    paper's problem with V filled up by zeros.

    Parameters
    ----------
    features : (n, k) float32
        V, centred.

    Returns
    -------
    rotation : (k, bits) float32
    errors : list of float
        The objective after each B-step; it never rises.

    Notes
    -----
    O(n k bits) time for each iteration, O(n bits) memory.
    """
    k = features.shape[1]
    size = float(np.square(features, dtype=np.float64).sum()) + len(features) * bits
    rotation = random_rotation(k, bits, rng).astype(np.float32)
    errors = []
    for _ in range(iterations):
        turned = features @ rotation
        errors.append(size - 2 * float(np.abs(turned).sum(dtype=np.float64)))
        signs = np.where(turned > 0, np.float32(1), np.float32(-1))
        left, _, right = np.linalg.svd((features.T @ signs).astype(np.float64), full_matrices=False)
        rotation = (left @ right).astype(np.float32)
    return rotation, errors
