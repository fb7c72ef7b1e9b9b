"""Canonical correlations: the directions in which views agree, by a whitened eigenproblem."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular

from crossbit.errors import ConfigError
from crossbit.methods.classical.moments import Moments

__all__ = ["canonical_directions", "ridged"]

ZERO = 1e-4  # a correlation below is rounding: chance alone gives sqrt(d / n)


def canonical_directions(
    moments: Moments, count: int, ridge: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return up to `count` directions per view, strongest first, and their correlations.

    With C the moments and C_ii ridged, they solve

        sum_{j != i} C_ij a_j = rho C_ii a_i   for every view i,

    the stationary points of sum_{i < j} a_iᵀ C_ij a_j under sum_i a_iᵀ C_ii a_i = const: for two
    views canonical correlation analysis, for more the sum over all pairs of views.

    Parameters
    ----------
    moments : Moments
        Of centred views, and of nothing else.
    count : int
        Directions wanted; there are only as many as C_ij has ranks, and fewer may come back.
    ridge : float
        See `ridged`.

    Returns
    -------
    maps : dict of view to (d, k) float64, k <= count
        Outputs ``x @ maps[view]`` have variance about 1 over the rows that were summed.
    correlations : (k,) float64
        Falling. With V > 2 views they go up to V - 1.

    Notes
    -----
    Both sides are made symmetric before they are solved: C_ii = L_i L_iᵀ and a_i = L_i^-T u_i give
    an ordinary eigenproblem of T_ij = L_i^-1 C_ij L_j^-T. O(D^3) time, for two views O(d_x d_y
    (d_x + d_y)) with the eigenproblem in the narrower one; memory O(D^2).
    """
    views = list(moments.parts)
    roots = {view: _root(moments, view, ridge) for view in views}
    between = {
        (a, b): _whiten(roots[a], _whiten(roots[b], moments[b, a]).T)
        for a, b in combinations(views, 2)
    }
    if len(views) == 2:
        (pair,) = between.values()
        narrow = pair if pair.shape[0] <= pair.shape[1] else pair.T
        values, first = _top(narrow @ narrow.T, count)
        rho = np.sqrt(np.maximum(values, 0))
        rho, first = rho[rho > ZERO], first[:, rho > ZERO]
        second = narrow.T @ first / rho
        solved = [first, second] if narrow is pair else [second, first]
    else:
        whole = np.zeros(moments.matrix.shape)
        for (a, b), block in between.items():
            whole[moments.parts[a], moments.parts[b]] = block
            whole[moments.parts[b], moments.parts[a]] = block.T
        values, joint = _top(whole, count)
        rho, joint = values[values > ZERO], joint[:, values > ZERO] * np.sqrt(len(views))
        solved = [joint[part] for part in moments.parts.values()]
    size = np.sqrt(moments.rows)
    maps = {
        view: solve_triangular(roots[view], u, lower=True, trans="T") * size
        for view, u in zip(views, solved, strict=True)
    }
    return maps, rho


def ridged(moments: Moments, view: str, ridge: float) -> np.ndarray:
    """Return C_ii + lambda I, (d, d), with lambda = `ridge` times the mean of its diagonal.

    A share, so that features of another scale give the same directions.
    """
    matrix = np.array(moments[view, view])
    level = ridge * (matrix.trace() / len(matrix) or 1.0)  # a constant view has no diagonal
    matrix.flat[:: len(matrix) + 1] += level
    return matrix


def _root(moments: Moments, view: str, ridge: float) -> np.ndarray:
    """Return the lower Cholesky factor of one view's ridged moments."""
    try:
        return cholesky(ridged(moments, view, ridge), lower=True)
    except LinAlgError:
        raise ConfigError(
            f"the {view} features depend on each other, so that ridge={ridge:g} leaves their "
            "covariance without an inverse; give a larger one, such as 1e-4"
        ) from None


def _whiten(root: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return solve_triangular(root, matrix, lower=True)


def _top(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues, falling, and their eigenvectors as columns."""
    size = len(matrix)
    values, vectors = eigh(
        (matrix + matrix.T) / 2, subset_by_index=[max(size - count, 0), size - 1]
    )
    return values[::-1], vectors[:, ::-1]
