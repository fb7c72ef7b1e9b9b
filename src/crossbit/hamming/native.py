"""The C kernels: arrays for the results, and buffers in the layout that the extension reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from crossbit.hamming import _kernel

__all__ = ["NativeKernel", "kernels"]

CHUNK = 64  # rows in a word of a bitmap


def kernels() -> list[NativeKernel]:
    """Return the kernels that this CPU runs, best first."""
    return [NativeKernel(name) for name in _kernel.names()]


@dataclass(frozen=True)
class NativeKernel:
    """The loops for one instruction set."""

    name: str

    def topk(
        self, queries: np.ndarray, database: np.ndarray, k: int, mask: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return distances int32 and positions int64, (q, k); k is at most the items allowed."""
        distances = np.empty((len(queries), k), dtype=np.int32)
        positions = np.empty((len(queries), k), dtype=np.int64)
        if distances.size:
            bitmap = None if mask is None else _bitmap(mask)
            _kernel.topk(
                self.name, queries, database, database.shape[1], k, bitmap, distances, positions
            )
        return distances, positions

    def within(
        self, queries: np.ndarray, database: np.ndarray, radius: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return hits per query (q,), then positions int64 and distances int32 of all hits."""
        width = database.shape[1]
        counts = np.zeros(len(queries), dtype=np.int64)
        found = _kernel.within(self.name, queries, database, width, min(radius, width * 8), counts)
        return counts, np.frombuffer(found[0], np.int64), np.frombuffer(found[1], np.int32)

    def relevance(
        self, query_labels: sparse.csr_matrix, database_labels: sparse.csr_matrix
    ) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Return the labels in use of the queries, and of each the rows that have it, as bits."""
        used, column = np.unique(query_labels.indices, return_inverse=True)
        shape = query_labels.shape[0], len(used)
        lists = sparse.csr_matrix(
            (query_labels.data, column.ravel(), query_labels.indptr), shape=shape
        )
        n = database_labels.shape[0]
        planes = np.zeros((len(used), -(-n // CHUNK)), dtype=np.uint64)
        by_label = database_labels.tocsc()
        for plane, label in zip(planes, used, strict=True):
            mask = np.zeros(n, dtype=bool)
            mask[by_label.indices[by_label.indptr[label] : by_label.indptr[label + 1]]] = True
            plane[:] = _bitmap(mask)
        return lists, planes

    def histogram(
        self,
        queries: np.ndarray,
        database: np.ndarray,
        query_side: sparse.csr_matrix,
        database_side: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return relevant and total counts by distance, (q, bits + 1) int64."""
        shape = len(queries), database.shape[1] * 8 + 1
        relevant, total = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        _kernel.histogram(
            self.name,
            queries,
            database,
            database.shape[1],
            query_side.indptr.astype(np.int64),
            query_side.indices.astype(np.int64),
            database_side,
            len(database_side),
            relevant,
            total,
        )
        return relevant, total


def _bitmap(mask: np.ndarray) -> np.ndarray:
    """Return a bit per row in 64-bit words, the first row in the lowest bit."""
    packed = np.zeros(-(-len(mask) // 64) * 8, dtype=np.uint8)
    packed[: -(-len(mask) // 8)] = np.packbits(mask, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)
