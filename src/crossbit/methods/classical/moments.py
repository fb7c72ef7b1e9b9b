"""Moments: sums of products over all rows, of all views side by side, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dsyrk

__all__ = ["Moments", "joint_moments"]

CORNER = 1024  # columns mirrored at a time


@dataclass(frozen=True)
class Moments:
    """The sum over rows of z zᵀ, where z = [x_1, x_2, ...] holds a row's views side by side.

    Attributes
    ----------
    matrix : (D, D) float64
        D is the sum of the widths of the parts.
    parts : dict of name to slice
        Where each part stands, in the order of the blocks that were summed.
    rows : int
        How many rows were summed.
    """

    matrix: np.ndarray
    parts: dict[str, slice]
    rows: int

    def __getitem__(self, pair: tuple[str, str]) -> np.ndarray:
        """Return the products of two parts, ``moments["image", "text"]`` = XᵀY, (d_x, d_y)."""
        first, second = pair
        return self.matrix[self.parts[first], self.parts[second]]


def joint_moments(blocks: Iterable[Mapping[str, np.ndarray]]) -> Moments:
    """Sum the products of all parts (views, labels, ...) over blocks of rows, each (b, d).

    Every block holds the same parts in one order. O(n D^2) time; memory O(D^2 + b D), whatever n.
    Products and sums are float64: correlations near 1 and small ridges need the digits.
    """
    matrix, parts, rows = np.zeros((0, 0)), {}, 0
    for block in blocks:
        joined = np.hstack([part.astype(np.float64) for part in block.values()])
        if not rows:
            ends = np.cumsum([part.shape[1] for part in block.values()]).tolist()
            parts = dict(zip(block, map(slice, [0, *ends[:-1]], ends), strict=True))
            matrix = np.zeros((ends[-1], ends[-1]), order="F")
        # Adds to one triangle in place: half the work of a product, and no second matrix.
        matrix = dsyrk(1.0, joined.T, beta=1.0, c=matrix, overwrite_c=1)
        rows += len(joined)
    for start in range(0, len(matrix), CORNER):
        part = slice(start, start + CORNER)
        corner = np.triu(matrix[part, part])
        matrix[part, part] = corner + np.triu(corner, 1).T
        matrix[part, :start] = matrix[:start, part].T
    return Moments(matrix, parts, rows)
