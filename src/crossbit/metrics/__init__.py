"""Ranking metrics: pure functions of the histogram that `crossbit.hamming.histogram` counts."""

from __future__ import annotations

from crossbit.metrics.curves import radius_curve, ranking_curve
from crossbit.metrics.ranking import (
    MAP_DEFINITION,
    AveragePrecision,
    MapValue,
    average_precision,
    found_at,
    mean_average_precision,
    mean_of,
    ndcg,
    precision_at,
    recall_at,
)
from crossbit.metrics.significance import Paired, paired_difference

__all__ = [
    "MAP_DEFINITION",
    "AveragePrecision",
    "MapValue",
    "Paired",
    "average_precision",
    "found_at",
    "mean_average_precision",
    "mean_of",
    "ndcg",
    "paired_difference",
    "precision_at",
    "radius_curve",
    "ranking_curve",
    "recall_at",
]
