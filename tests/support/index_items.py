"""Codes and ids for the index tests."""

from __future__ import annotations

import numpy as np

from crossbit.codes import Codes


def codes_of(n: int, seed: int = 0, bits: int = 16, ids: object = None) -> Codes:
    packed = np.random.default_rng(seed).integers(0, 256, (n, -(-bits // 8)), dtype=np.uint8)
    packed[:, -1] >>= -bits % 8
    return Codes(packed, bits, None if ids is None else np.asarray(ids))


def names(n: int, start: int = 0) -> list[str]:
    return [f"item {k}" for k in range(start, start + n)]
