"""Margins: many linear support vector machines over the same rows, solved together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

__all__ = ["LinearMachines"]

BlockReader = Callable[[], Iterable[tuple[slice, np.ndarray]]]


class LinearMachines:
    """L2-regularised linear SVMs with the squared hinge, one for each column of targets.

        min_w  1/2 ||w||^2 + C sum_i max(0, 1 - y_i wᵀx_i)^2,    x with a constant 1 at its end

    the problem of scikit-learn's ``LinearSVC(intercept_scaling=1)``. Where that fits one machine
    after another, here all share their rows: the loss bends nowhere more than 2 C x xᵀ, so with
    H = I + 2 C XᵀX the step w - H^-1 gradient never overshoots. H is factored once, whatever the
    targets, and each accelerated step is two matrix products for all machines together.

    Parameters
    ----------
    blocks : function that yields (rows, features (b, d) float32)
        Called once for every step, so that rows need not fit into memory.
    gram : (d + 1, d + 1) float64
        XᵀX with the constant column.
    cost : float
        C.

    Notes
    -----
    O(d^3) once, O(n d machines) for a step; memory O(d^2 + b d).
    """

    def __init__(self, blocks: BlockReader, gram: np.ndarray, cost: float) -> None:
        self.blocks, self.cost = blocks, cost
        self.width = len(gram)
        bound = 2 * cost * gram
        bound.flat[:: len(bound) + 1] += 1
        self.factor = cho_factor(bound, overwrite_a=True)

    def fit(self, weights: np.ndarray, targets: np.ndarray, steps: int) -> np.ndarray:
        """Return better weights, (d + 1, machines) float64, for targets (n, machines) bool.

        Nesterov's momentum, dropped where it leads uphill.
        """
        ahead, momentum = weights, 1.0
        for _ in range(steps):
            slope = ahead - 2 * self.cost * self._pull(ahead, targets)
            better = ahead - cho_solve(self.factor, slope)
            if ((better - weights) * slope).sum() > 0:  # it went against the gradient: start anew
                momentum = 1.0
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = better + (momentum - 1) / following * (better - weights)
            weights, momentum = better, following
        return weights

    def outputs(self, weights: np.ndarray) -> np.ndarray:
        """Return wᵀx of every row and machine, (n, machines) float32."""
        w = weights.astype(np.float32)
        return np.concatenate([block @ w[:-1] + w[-1] for _, block in self.blocks()])

    def objective(self, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the value that each machine minimises, (machines,)."""
        loss = np.zeros(weights.shape[1])
        for part, block in self.blocks():
            short = self._shortfall(block, weights, targets[part])
            loss += np.square(short, dtype=np.float64).sum(axis=0)
        total: np.ndarray = np.square(weights).sum(axis=0) / 2 + self.cost * loss
        return total

    def _pull(self, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return sum_i max(0, 1 - y_i wᵀx_i) y_i x_i, (d + 1, machines)."""
        total = np.zeros(weights.shape)
        for part, block in self.blocks():
            short = self._shortfall(block, weights, targets[part])
            short[~targets[part]] *= -1
            total[:-1] += block.T @ short
            total[-1] += short.sum(axis=0, dtype=np.float64)
        return total

    @staticmethod
    def _shortfall(block: np.ndarray, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
        w = weights.astype(np.float32)
        margins = block @ w[:-1] + w[-1]
        return np.maximum(1 - np.where(targets, margins, -margins), 0)
