"""BlockReader: the features of one view, read as dense float32 a block at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from crossbit.errors import DataError

__all__ = ["BlockReader"]

BLOCK = 4096  # rows of a block at the most: products of such blocks run at full speed
BLOCK_NUMBERS = 1 << 24  # in a block of wide rows, 64 MiB of float32


@dataclass(frozen=True, eq=False)
class BlockReader:
    """n rows that are read, scaled or made dense only when they are asked for.

    A corpus's view with its scaling is
    ``Blocks(len(corpus), lambda at: scaling(corpus.batch(view, at)))``.

    Attributes
    ----------
    n : int
    read : callable
        Returns the rows at a slice or at (b,) int64 positions, (b, d) float32; the same rows
        whenever it is asked.
    """

    n: int
    read: Callable[[slice | np.ndarray], np.ndarray]

    @classmethod
    def of(
        cls,
        features: np.ndarray | sparse.csr_matrix,
        scaling: Callable[[Any], np.ndarray] | None = None,
    ) -> Self:
        """Return the rows of an array, a memory map or a CSR matrix, (n, d)."""

        def read(at: slice | np.ndarray) -> np.ndarray:
            part: Any = features[at]
            if scaling is not None:
                return scaling(part)
            dense = part.toarray() if isinstance(part, sparse.csr_matrix) else part
            return np.asarray(dense, dtype=np.float32)

        return cls(int(features.shape[0]), read)

    def width(self) -> int:
        """Return d; reads one row."""
        return int(self.read(slice(0, 1)).shape[1])

    def blocks(self) -> list[slice]:
        """Return the blocks that all rows are read in, in order: up to 4,096 rows and 64 MiB."""
        size = min(max(BLOCK_NUMBERS // self.width(), 1), BLOCK)
        return [slice(start, min(start + size, self.n)) for start in range(0, self.n, size)]

    def marks(self) -> np.ndarray:
        """Return (n,) int64, the same only for rows of the same bytes. O(n d)."""
        found = np.empty(self.n, dtype=np.int64)
        for block in self.blocks():
            for i, row in enumerate(np.ascontiguousarray(self.read(block)), start=block.start):
                digest = hashlib.blake2b(row.tobytes(), digest_size=8).digest()
                found[i] = int.from_bytes(digest, "little", signed=True)
        return found

    def checked(self, at: slice) -> np.ndarray:
        """Return rows (b, d) float32, or raise a DataError that names one with NaN or infinity."""
        found = self.read(at)
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            row = at.start + int(np.flatnonzero(~finite)[0])
            raise DataError(f"row {row} holds NaN or infinity; replace or remove such rows")
        return found
