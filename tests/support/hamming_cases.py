"""Codes to try Hamming kernels on, and their distances by the plainest means."""

from __future__ import annotations

import numpy as np

__all__ = ["ADVERSARIAL", "naive_distances", "random_codes"]


def random_codes(rng: np.random.Generator, n: int, bits: int) -> np.ndarray:
    """Codes of few different bytes, so that ties are plenty."""
    return rng.choice(np.array([0, 1, 3, 255], dtype=np.uint8), (n, bits // 8))


def naive_distances(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """(q, n) int64, by comparing bit with bit."""
    q, d = (np.unpackbits(part, axis=1).astype(bool) for part in (queries, database))
    return (q[:, None] != d[None]).sum(axis=2).reshape(len(q), len(d))


def _all_equal(rng: np.random.Generator, n: int, bits: int) -> np.ndarray:
    return np.full((n, bits // 8), 0x5A, dtype=np.uint8)


def _farthest_first(rng: np.random.Generator, n: int, bits: int) -> np.ndarray:
    """To a query of zeros every code is nearer than, or as near as, all before it."""
    ones = np.linspace(bits, 0, n).round().astype(int)
    return np.packbits(np.arange(bits) < ones[:, None], axis=1)


def _two_poles(rng: np.random.Generator, n: int, bits: int) -> np.ndarray:
    """Distances 0 and `bits` only: the ends of every table."""
    return np.where(rng.random((n, 1)) < 0.5, 0, 255).astype(np.uint8).repeat(bits // 8, axis=1)


def _one_bit(rng: np.random.Generator, n: int, bits: int) -> np.ndarray:
    """One bit set, in every place by turns: a byte that is dropped or doubled shows."""
    codes = np.zeros((n, bits // 8), dtype=np.uint8)
    place = np.arange(n) % bits
    codes[np.arange(n), place // 8] = 1 << (place % 8)
    return codes


ADVERSARIAL = {
    "all-equal": _all_equal,
    "farthest-first": _farthest_first,
    "two-poles": _two_poles,
    "one-bit": _one_bit,
}
