"""Precision and recall as curves: over Hamming radii, and over places of the ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossbit.errors import DataError
from crossbit.metrics.ranking import found_at

__all__ = ["RadiusCurve", "RankingCurve", "radius_curve", "ranking_curve"]


@dataclass(frozen=True)
class RadiusCurve:
    """What a look-up within each Hamming radius returns.

    Attributes
    ----------
    radius : (m,) int64
        The radii 0..bits at which at least one query retrieves something.
    precision : (m,) float64
        Mean over the queries that retrieve something.
    recall : (m,) float64
        Mean over all queries; a query without relevant items counts 0.
    answered : (m,) float64
        Share of the queries that retrieve something.
    lookup : (m,) float64
        Mean precision over all queries, one that retrieves nothing counting 0: "P@radius".
    """

    radius: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    answered: np.ndarray
    lookup: np.ndarray


@dataclass(frozen=True)
class RankingCurve:
    """Expected precision and recall of the first n items, means over queries.

    Attributes
    ----------
    places : (m,) int64
    precision, recall : (m,) float64
    """

    places: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


def radius_curve(relevant: np.ndarray, total: np.ndarray) -> RadiusCurve:
    """Return precision and recall of the balls of radius 0..bits around the queries; O(q bits)."""
    relevant, total = np.asarray(relevant), np.asarray(total)
    if not len(relevant):
        raise DataError("a curve over no queries is not defined; give at least one query")
    hits = np.cumsum(relevant, axis=1)
    inside = np.cumsum(total, axis=1)
    answers = inside > 0
    precision = np.divide(hits, inside, out=np.zeros(hits.shape), where=answers)
    recall = (hits / np.maximum(hits[:, -1:], 1)).mean(axis=0)
    answered = answers.mean(axis=0)
    keep = answered > 0
    lookup = precision.mean(axis=0)
    return RadiusCurve(
        radius=np.flatnonzero(keep),
        precision=lookup[keep] / answered[keep],
        recall=recall[keep],
        answered=answered[keep],
        lookup=lookup[keep],
    )


def ranking_curve(
    relevant: np.ndarray, total: np.ndarray, places: np.ndarray | None = None
) -> RankingCurve:
    """Return expected precision and recall of the first n items for every n in `places`.

    `places` are about 60 numbers from 1 to the size of the database, evenly spaced on a
    logarithmic scale, if not given. O(q bits) for all of them.
    """
    if not len(relevant):
        raise DataError("a curve over no queries is not defined; give at least one query")
    if places is None:
        size = max(int(np.asarray(total).sum(axis=1).max()), 1)
        places = np.unique(np.rint(np.geomspace(1, size, 60)).astype(np.int64))
    places = np.asarray(places, dtype=np.int64)
    found = found_at(relevant, total, places.tolist())
    all_relevant = np.maximum(np.asarray(relevant).sum(axis=1), 1)[:, None]
    return RankingCurve(
        places=places,
        precision=(found / places).mean(axis=0),
        recall=(found / all_relevant).mean(axis=0),
    )
