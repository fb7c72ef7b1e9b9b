"""Average precision and its relatives in closed form, ties treated as what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from crossbit.errors import ConfigError, DataError

__all__ = [
    "MAP_DEFINITION",
    "AveragePrecision",
    "MapValue",
    "average_precision",
    "found_at",
    "mean_average_precision",
    "mean_of",
    "ndcg",
    "precision_at",
    "recall_at",
]

TABLE = 1 << 20  # items up to which harmonic numbers are looked up: 8 MB

MAP_DEFINITION = (
    "expected value over all orders of items at equal distance, of the full ranking; "
    "MAP@k divides by min(k, relevant); a query without relevant items counts 0"
)


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision per query, each (q,) float64 in 0..1; 0 for a query without relevant items.

    Attributes
    ----------
    expected : ndarray
        The mean over all orders of the items within each distance.
    best, worst : ndarray
        With the relevant items first, or last, within each distance.
    """

    expected: np.ndarray
    best: np.ndarray
    worst: np.ndarray


@dataclass(frozen=True)
class MapValue:
    """Mean average precision over queries.

    Attributes
    ----------
    expected, best, worst : float
        Means of the three values per query; a query without relevant items counts 0.
    queries, without_relevant : int
        How many queries there are, and how many of them have nothing relevant to find.
    """

    expected: float
    best: float
    worst: float
    queries: int = 0
    without_relevant: int = 0


def average_precision(
    relevant: np.ndarray, total: np.ndarray, k: int | None = None
) -> AveragePrecision:
    """Return the average precision of every query over all orders of tied items.

    Parameters
    ----------
    relevant, total : (q, bits + 1) int64
        What `crossbit.hamming.histogram` returns.
    k : int, optional
        Cut the ranking after k items and divide by min(k, relevant items). The cut may fall
        among tied items. The full ranking if not given.

    Raises
    ------
    DataError
        If the two are not histograms of the same queries.
    ConfigError
        If k is below 1.

    Notes
    -----
    O(q bits) time and memory: no sorting, and nothing grows with the database. A distance with t
    items, r of them relevant, that follows n items with m relevant ones, holds a relevant item
    at its j-th place with probability r / t, which then has on average (j - 1) (r - 1) / (t - 1)
    relevant ones before it within the distance. It adds

        r / t * sum over j = 1..t of (m + 1 + (j - 1) a) / (n + j),   a = (r - 1) / (t - 1),

    and the sum is (m + 1 - a - a n) (H(n + t) - H(n)) + a t with harmonic numbers H.
    """
    r, t, before_r, before, _ = _buckets(relevant, total)
    found = relevant.sum(axis=1)
    seen = t if k is None else np.clip(_cut(k) - before, 0, t)
    divisor = np.maximum(found if k is None else np.minimum(k, found), 1)

    slope = np.divide(r - 1, t - 1, out=np.zeros_like(t), where=t > 1)
    share = np.divide(r, t, out=np.zeros_like(t), where=t > 0)
    spread = _harmonic(before, seen)
    expected = share * ((before_r + 1 - slope - slope * before) * spread + slope * seen)

    # A run of relevant items from place n + 1 on, m relevant before: sum of (m + i) / (n + i).
    first = np.minimum(r, seen)
    best = first + (before_r - before) * _harmonic(before, first)
    start = before + t - r
    last = np.maximum(seen - (t - r), 0)
    worst = last + (before_r - start) * _harmonic(start, last)
    values = (np.clip(part.sum(axis=1) / divisor, 0, 1) for part in (expected, best, worst))
    return AveragePrecision(*values)


def mean_average_precision(
    relevant: np.ndarray, total: np.ndarray, k: int | None = None
) -> MapValue:
    """Return the mean of `average_precision` over queries (see there); O(q bits)."""
    ap = average_precision(relevant, total, k)
    if not len(relevant):
        raise DataError("the mean over no queries is not defined; give at least one query")
    return MapValue(
        expected=float(ap.expected.mean()),
        best=float(ap.best.mean()),
        worst=float(ap.worst.mean()),
        queries=len(relevant),
        without_relevant=int((relevant.sum(axis=1) == 0).sum()),
    )


def mean_of(parts: Sequence[MapValue]) -> MapValue:
    """Return the MAP over all queries of several groups of them."""
    weights = [part.queries for part in parts]

    def mean(name: str) -> float:
        return float(np.average([getattr(part, name) for part in parts], weights=weights))

    without = sum(part.without_relevant for part in parts)
    return MapValue(mean("expected"), mean("best"), mean("worst"), sum(weights), without)


def precision_at(relevant: np.ndarray, total: np.ndarray, n: int) -> np.ndarray:
    """Return the expected share of relevant items among the first n, (q,) float64.

    Places beyond the end of the database count as misses. O(q bits).
    """
    return found_at(relevant, total, [n])[:, 0] / n


def recall_at(relevant: np.ndarray, total: np.ndarray, n: int) -> np.ndarray:
    """Return the expected share of all relevant items that the first n hold, (q,) float64.

    0 for a query without relevant items. O(q bits).
    """
    return found_at(relevant, total, [n])[:, 0] / np.maximum(relevant.sum(axis=1), 1)


def ndcg(relevant: np.ndarray, total: np.ndarray, k: int) -> np.ndarray:
    """Return the expected normalised discounted cumulative gain of the first k, (q,) float64.

    Gains are 0 or 1, the discount of place i is 1 / log2(i + 1), and the ideal ranking has its
    relevant items first. 0 for a query without relevant items. O(q bits + k).
    """
    r, t, _, before, size = _buckets(relevant, total)
    k = min(_cut(k), max(size, 1))
    gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    start = np.minimum(before, k).astype(np.int64)
    stop = np.minimum(before + t, k).astype(np.int64)
    share = np.divide(r, t, out=np.zeros_like(t), where=t > 0)
    gained = (share * (gains[stop] - gains[start])).sum(axis=1)
    ideal = gains[np.minimum(relevant.sum(axis=1), k)]
    return np.divide(gained, ideal, out=np.zeros_like(gained), where=ideal > 0)


def found_at(relevant: np.ndarray, total: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Return the expected number of relevant items among the first n, for every n in `places`.

    (q, m) float64; O(q (bits + m log(q bits))) for all m places together.
    """
    wanted = np.array([_cut(n) for n in places], dtype=np.int64)
    r, t, before_r, before, size = _buckets(relevant, total)
    q, width = r.shape
    # One search finds the bucket in which every place of every query lies: rows end to end.
    rows = (size + 1) * np.arange(q)[:, None]
    ends = (before + t).astype(np.int64) + rows
    aim = np.minimum(wanted, size) + rows
    at = (
        np.searchsorted(ends.ravel(), aim.ravel()).reshape(aim.shape)
        - width * np.arange(q)[:, None]
    )
    at = np.minimum(at, width - 1)
    r, t, before_r, before = (np.take_along_axis(part, at, 1) for part in (r, t, before_r, before))
    seen = np.clip(wanted - before, 0, t)
    return before_r + np.divide(r * seen, t, out=np.zeros_like(t), where=t > 0)


def _buckets(
    relevant: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Return r, t and the numbers of relevant and of all items before, float64, and the size."""
    relevant, total = np.asarray(relevant), np.asarray(total)
    if relevant.ndim != 2 or relevant.shape != total.shape:
        raise DataError(
            "relevant and total must be histograms of one shape (q, bits + 1), "
            f"got {relevant.shape} and {total.shape}"
        )
    if ((relevant < 0) | (relevant > total)).any():
        raise DataError("a histogram cannot count more relevant items than items, or less than 0")
    r, t = relevant.astype(np.float64), total.astype(np.float64)
    size = int(total.sum(axis=1).max(initial=0))
    return r, t, np.cumsum(r, axis=1) - r, np.cumsum(t, axis=1) - t, size


def _harmonic(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return 1 / (start + 1) + ... + 1 / (start + length)."""
    stop = start + length
    if stop.max(initial=0) <= TABLE:
        numbers = _harmonic_numbers()
        return numbers[stop.astype(np.int64)] - numbers[start.astype(np.int64)]
    from scipy.special import digamma

    return digamma(stop + 1) - digamma(start + 1)


@cache
def _harmonic_numbers() -> np.ndarray:
    """Return H(0), H(1), ..., H(TABLE): looked up, they cost a quarter of digamma."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, TABLE + 1))])


def _cut(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ConfigError(
            f"the number of places looked at must be a whole number from 1, got {k!r}"
        )
    return int(k)
