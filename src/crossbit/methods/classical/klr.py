"""Kernel logistic regression on anchors, for all bits at once."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics.pairwise import rbf_kernel

__all__ = ["kernel_logistic", "losses"]

JITTER = 1e-10  # of the kernel's diagonal, which is 1: anchors may coincide


def kernel_logistic(
    items: np.ndarray,
    anchors: np.ndarray,
    gamma: float,
    signs: np.ndarray,
    penalty: float,
    rounds: int = 500,
) -> np.ndarray:
    """Return the weights W (m, q) of f(x) = k(x, anchors) W that minimise, for every bit,

        sum_i log(1 + exp(-h_i f(x_i))) + penalty wᵀ K_zz w,    k = exp(-gamma ||x - z||²).

    Parameters
    ----------
    items, anchors : (n, d), (m, d) float
    gamma : float
        In units of one over squared distance.
    signs : (n, q) of -1 and +1
        What to predict: h.
    penalty : float
        Weight of the norm in the kernel's space.
    rounds : int
        Steps of L-BFGS at most; the gradient is within 1e-4 of 0 long before.

    Notes
    -----
    With K_zz = L Lᵀ and Φ = K L^-T the penalty is that of a plain ridge, and with Φ rotated and
    scaled by (ΦᵀΦ / 4 + 2 penalty I)^-1/2 the curvature is 1 at the start and nowhere more. So one
    L-BFGS over all bits side by side needs some fifty steps, of 4 n m q operations each, where
    Newton's method solves q systems of m unknowns in each of its own. O(n m² + m³) to prepare.
    """
    within = rbf_kernel(anchors, gamma=gamma).astype(np.float64)
    within.flat[:: len(within) + 1] += JITTER
    lower = cholesky(within, lower=True)
    between = rbf_kernel(items, anchors, gamma=gamma).astype(np.float64)
    features = solve_triangular(lower, between.T, lower=True).T
    spectrum, turn = eigh(features.T @ features)
    scale = 1 / np.sqrt(np.maximum(spectrum, 0) / 4 + 2 * penalty)
    features = features @ (turn * scale)
    ridge = (penalty * scale**2)[:, None]
    shape = features.shape[1], signs.shape[1]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        value, slope = losses(features @ weights, signs)
        gradient = features.T @ slope + 2 * ridge * weights
        return value + float((ridge * weights**2).sum()), gradient.ravel()

    found = minimize(
        objective,
        np.zeros(shape[0] * shape[1]),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": rounds, "maxfun": 2 * rounds, "gtol": 1e-4, "ftol": 0, "maxcor": 20},
    )
    weights = (turn * scale) @ found.x.reshape(shape)
    solved: np.ndarray = solve_triangular(lower, weights, lower=True, trans="T")
    return solved


def losses(outputs: np.ndarray, signs: np.ndarray) -> tuple[float, np.ndarray]:
    """Return sum log(1 + exp(-h f)) and its derivative by every f, (n, q)."""
    agreement = signs * outputs
    return float(np.logaddexp(0, -agreement).sum()), -signs * expit(-agreement)
