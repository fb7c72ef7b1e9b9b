"""MAP as most published hashing code computes it: the distances of each query, sorted."""

from __future__ import annotations

import numpy as np

__all__ = ["naive_map"]


def naive_map(
    queries: np.ndarray, database: np.ndarray, query_labels: np.ndarray, database_labels: np.ndarray
) -> float:
    """Return MAP over full rankings of ±1 codes (n, bits) by labels (n, c), in the usual way.

    Ties fall as the sort leaves them, which is why published figures differ from run to run.
    """
    bits = queries.shape[1]
    total = 0.0
    for code, labels in zip(queries, query_labels, strict=True):
        related = (labels @ database_labels.T > 0).astype(np.float32)
        count = int(related.sum())
        if not count:
            continue
        distances = 0.5 * (bits - code @ database.T)
        order = np.argsort(distances)
        places = np.flatnonzero(related[order]) + 1.0
        total += float(np.mean(np.arange(1, count + 1) / places))
    return total / len(queries)
