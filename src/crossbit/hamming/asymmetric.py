"""Re-ranking by the asymmetric distance: a query's real-valued outputs against packed bits."""

from __future__ import annotations

import numpy as np

from crossbit.codes import Codes, code_bytes
from crossbit.errors import DataError

__all__ = ["rerank"]

BLOCK = 1 << 21  # table entries and candidates held at a time, about 16 MB of each
VALUES = np.arange(256, dtype=np.uint8)


def rerank(
    outputs: np.ndarray, codes: Codes | np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Order every query's candidates by their asymmetric distance to it, nearest first.

    That distance is the sum of |output| over the bits in which a candidate differs from the
    query's own code (bit = output > 0): a bit that the query was nearly undecided about counts
    little. It orders as the inner product of the outputs with the candidate's bits as -1 and 1
    does, the other way round, and with all outputs -1 or 1 it is the Hamming distance.

    Parameters
    ----------
    outputs : (q, bits) float
        Real-valued hash outputs of the queries, as `Hasher.project` returns them.
    codes : Codes or (n, ceil(bits / 8)) uint8
        The database.
    positions : (q, k) int
        Candidates of each query as rows of `codes`, such as `topk` finds.

    Returns
    -------
    distances : (q, k) float64
    positions : (q, k) int64
        Candidates at equal distance keep the order in which they were given; equal codes have
        exactly equal distances.

    Raises
    ------
    DataError
        If the arrays do not fit together, an output is not finite or a position is out of range.

    Notes
    -----
    A table per query and byte holds what each of the 256 values costs, so that a candidate costs
    one look-up per byte: O(q (256 bits + k bits / 8)) time; memory beyond the result is bounded.
    """
    packed = codes.packed if isinstance(codes, Codes) else np.asarray(codes)
    outputs, positions = np.asarray(outputs), np.asarray(positions)
    bits = codes.bits if isinstance(codes, Codes) else None
    _check(outputs, packed, positions, bits)
    (q, k), width = positions.shape, packed.shape[1]
    distances = np.empty((q, k), dtype=np.float64)
    order = np.empty((q, k), dtype=np.int64)
    rows = max(BLOCK // (width * 256 + k), 1)
    for start in range(0, q, rows):
        part = slice(start, start + rows)
        cost = _tables(outputs[part].astype(np.float64))
        total = np.zeros(positions[part].shape)
        for byte in range(width):
            values = packed[positions[part], byte]
            total += np.take_along_axis(cost[:, byte], values.astype(np.intp), axis=1)
        # Added up byte by byte, never by BLAS: then equal codes cannot differ in the last digit.
        nearest = np.argsort(total, axis=1, kind="stable")
        distances[part] = np.take_along_axis(total, nearest, axis=1)
        order[part] = np.take_along_axis(positions[part], nearest, axis=1)
    return distances, order


def _tables(outputs: np.ndarray) -> np.ndarray:
    """Return what each value of each byte costs, (q, bytes, 256) float64; no bit is worth 0."""
    q, bits = outputs.shape
    width = code_bytes(bits)
    outputs = np.pad(outputs, ((0, 0), (0, 8 * width - bits))).reshape(q, width, 8)
    weights, own = np.abs(outputs), outputs > 0
    cost = np.zeros((q, width, 256))
    for bit in range(8):
        differs = (VALUES >> bit & 1).astype(bool) != own[:, :, bit, None]
        cost += differs * weights[:, :, bit, None]
    return cost


def _check(
    outputs: np.ndarray, packed: np.ndarray, positions: np.ndarray, bits: int | None
) -> None:
    if packed.ndim != 2 or packed.dtype != np.uint8:
        raise DataError(
            f"codes must be Codes or packed (n, bits / 8) uint8, got {packed.dtype} {packed.shape}"
        )
    n, width = packed.shape
    bits = width * 8 if bits is None else bits
    if outputs.ndim != 2 or outputs.dtype.kind not in "fiu" or outputs.shape[1] != bits:
        raise DataError(
            f"outputs for codes of {bits} bits must be (q, {bits}) numbers, got "
            f"{outputs.dtype} {outputs.shape}; project the queries with the model of the codes"
        )
    if not np.isfinite(outputs).all():
        raise DataError("the outputs hold NaN or infinity; look into the queries' features")
    if positions.ndim != 2 or len(positions) != len(outputs) or positions.dtype.kind not in "iu":
        raise DataError(
            f"positions must be ({len(outputs)}, k) whole numbers, one row per query, got "
            f"{positions.dtype} {positions.shape}"
        )
    if positions.size and not 0 <= positions.min() <= positions.max() < n:
        raise DataError(
            f"positions must be from 0 to {n - 1}, got {positions.min()}..{positions.max()}"
        )
