"""Re-ranking of hits by the query's real-valued outputs, on any engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from crossbit.errors import DataError
from crossbit.hamming.asymmetric import rerank
from crossbit.index.base import Hits, Index

__all__ = ["rerank_hits"]


def rerank_hits(
    index: Index, hits: Sequence[Hits], outputs: np.ndarray
) -> tuple[list[Hits], list[np.ndarray]]:
    """Order the hits of every query by their asymmetric distance to it, nearest first.

    Search for more than you want to show, re-rank, and keep the first.

    Parameters
    ----------
    index : Index
        Where the hits come from; their codes are read from it.
    hits : sequence of Hits
        One per query.
    outputs : (q, bits) float
        The queries' outputs, by `Hasher.project` of the model that made the index.

    Returns
    -------
    hits : list of Hits
        The same hits in their new order; `distances` are still Hamming distances.
    distances : list of (h,) float64
        Their asymmetric distances; see `crossbit.hamming.rerank`.

    Raises
    ------
    DataError
        If the outputs do not fit the hits or the index, or an item was removed since the search.

    Notes
    -----
    Reads every code once per call, however many queries found it.
    """
    if len(hits) != len(outputs):
        raise DataError(f"there are hits of {len(hits)} queries but outputs of {len(outputs)}")
    if not any(map(len, hits)):
        return list(hits), [np.empty(0) for _ in hits]
    ids, rows = np.unique(np.concatenate([h.ids for h in hits if len(h)]), return_inverse=True)
    codes, _ = index.get(ids)
    reranked, distances, start = [], [], 0
    for one, output in zip(hits, outputs, strict=True):
        own = rows[start : start + len(one)]
        start += len(one)
        cost, nearest = rerank(output[None], codes[own], np.arange(len(one))[None])
        order = nearest[0]
        payload = [one.payload[at] for at in order.tolist()] if one.payload else []
        reranked.append(
            dataclasses.replace(
                one, ids=one.ids[order], distances=one.distances[order], payload=payload
            )
        )
        distances.append(cost[0])
    return reranked, distances
