"""Whether a paired difference between two methods is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossbit.errors import ConfigError, DataError

__all__ = ["Paired", "paired_difference"]

BLOCK = 1 << 20  # resampled values held at a time


@dataclass(frozen=True)
class Paired:
    """A mean paired difference with its intervals.

    Attributes
    ----------
    mean : float
        Mean of a - b.
    low, high : float
        Interval of the mean by Student's t; above zero means that a wins.
    p : float
        Two-sided p-value of the paired t-test.
    bootstrap_low, bootstrap_high : float
        Percentile interval of the mean over resampled pairs; coarse for fewer than ten pairs.
    pairs : int
    level : float
        Coverage of both intervals.
    """

    mean: float
    low: float
    high: float
    p: float
    bootstrap_low: float
    bootstrap_high: float
    pairs: int
    level: float


def paired_difference(
    a: np.ndarray | Sequence[float],
    b: np.ndarray | Sequence[float],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Compare two methods measured on the same seeds, or on the same queries.

    Parameters
    ----------
    a, b : (n,) float
        ``a[i]`` and ``b[i]`` belong to the same seed or query; n is at least 2.
    level : float
        Coverage of the intervals, between 0 and 1.
    resamples : int
        Bootstrap samples.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If the two differ in length, have fewer than two pairs, or are not finite.

    Notes
    -----
    O(n resamples) time, bounded memory. Where all differences are equal the intervals are that
    value, and p is 1 if it is zero, else 0.
    """
    from scipy.special import stdtr, stdtrit

    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(f"paired values must be two lists of one length, got {a.shape}, {b.shape}")
    if len(a) < 2:
        raise DataError(f"a paired comparison needs at least 2 pairs, got {len(a)}; add seeds")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("paired values must be finite; a run without a figure cannot be compared")
    if not 0 < level < 1 or resamples < 1:
        raise ConfigError("level must lie between 0 and 1, and resamples be at least 1")
    difference = a - b
    n, mean = len(difference), float(difference.mean())
    error = float(difference.std(ddof=1) / np.sqrt(n))
    reach = float(stdtrit(n - 1, 0.5 + level / 2)) * error
    p = 2 * float(stdtr(n - 1, -abs(mean) / error)) if error else float(mean == 0)
    means = _resampled_means(difference, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Paired(mean, mean - reach, mean + reach, p, float(low), float(high), n, level)


def _resampled_means(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rows = max(BLOCK // len(values), 1)
    parts = [
        values[rng.integers(0, len(values), (min(rows, count - start), len(values)))].mean(axis=1)
        for start in range(0, count, rows)
    ]
    return np.concatenate(parts)
