"""NeighbourGraph: asks a correlation graph about batches of items while a network is trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["NeighbourGraph"]


class NeighbourGraph:
    """The graph's positives as tensors: which items are related, and draws of related ones.

    Parameters
    ----------
    indptr, indices : (n + 1,) and (m,) integers
        `CorrelationGraph.positives`. Every item has at least one.
    """

    def __init__(self, indptr: np.ndarray, indices: np.ndarray) -> None:
        self._start = torch.from_numpy(indptr.astype(np.int64))
        self._items = torch.from_numpy(indices)
        self._count = self._start.diff()

    def table(self, rows: Tensor, others: Tensor) -> Tensor:
        """Return whether others[j] is a positive of rows[i], (q, p) bool.

        The graph has a direction: b may be among a's nearest neighbours and not a among b's.
        `rows` (q,) and `others` (p,) int64 are positions, which may occur more than once. Time
        O(q (K + p) + p log p + n) for K positives of an item, memory O(q (K + p) + n).
        """
        asked, column = others.unique(return_inverse=True)
        place = torch.full((len(self._count),), -1)
        place[asked] = torch.arange(len(asked))
        count = self._count[rows]
        line = torch.arange(len(rows)).repeat_interleave(count)
        # Positives of all rows, one row's after the other's.
        skipped = self._start[rows] - (count.cumsum(0) - count)
        found = place[self._items[skipped[line] + torch.arange(len(line))].long()]
        seen = torch.zeros(len(rows), len(asked), dtype=torch.bool)
        hit = found >= 0
        seen[line[hit], found[hit]] = True
        return seen[:, column]

    def draw(self, rows: Tensor, count: int, rng: torch.Generator) -> Tensor:
        """Return `count` positives of each row, (q, count) int64: evenly, with replacement."""
        share = torch.rand(len(rows), count, generator=rng, dtype=torch.float64)
        # A share just below one may round up to the number itself.
        size = self._count[rows, None]
        pick = torch.minimum((share * size).long(), size - 1)
        return self._items[self._start[rows, None] + pick].long()
