"""Triplets: a query's relevant items before its irrelevant ones, by a few drawn for each query."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.networks.losses import mean

__all__ = ["drawn_triplets", "without_self"]


def drawn_triplets(
    distance: Tensor, relevant: Tensor, margin: float, count: int, rng: torch.Generator
) -> Tensor:
    """Return the mean of max(0, margin + d(i, j) - d(i, k)) over triplets with S_ij > S_ik.

    For each query i, `count` items j are drawn evenly among the relevant ones and as many k among
    the others; a query without either kind does not count. Tables (q, n), O(q (n + count)):
    all triplets would be O(q n^2).
    """
    usable = relevant.any(1) & (~relevant).any(1)
    distance, relevant = distance[usable], relevant[usable]
    if not len(distance):
        return distance.sum()
    near, far = (
        distance.gather(1, torch.multinomial(kind.float(), count, True, generator=rng))
        for kind in (relevant, ~relevant)
    )
    return mean(F.relu(margin + near - far))


def without_self(table: Tensor) -> Tensor:
    """Return a table of items by the same items, (n, n), without its diagonal, (n, n - 1)."""
    n = len(table)
    return table[~torch.eye(n, dtype=torch.bool)].view(n, max(n - 1, 0))
