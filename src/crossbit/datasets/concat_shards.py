"""Joined: the shards of a view as one array that need not fit into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np

from crossbit.errors import DataError

__all__ = ["joined"]

BYTES = 1 << 24  # copied at a time


def joined(shards: Sequence[np.ndarray], present: np.ndarray | None = None) -> np.ndarray:
    """Return the rows of all shards as (n, d) float32, a memory map.

    A single shard of float32 whose rows are all there is returned as it is. Otherwise the rows
    are copied once into a file without a name, in the folder for temporary files (TMPDIR), which
    goes away with the array or the process: 4 n d bytes on disk, and none of memory that the
    system could not take back.

    Parameters
    ----------
    shards : sequence of (rows, ...) float16 or float32 arrays
        Maps become rows of d numbers.
    present : (n,) bool, optional
        The other rows become zeros.

    Raises
    ------
    DataError
        If the shards do not fit together.
    """
    flat = [shard.reshape(len(shard), int(np.prod(shard.shape[1:]))) for shard in shards]
    widths = {part.shape[1] for part in flat}
    if len(widths) != 1 or any(part.dtype.kind != "f" for part in flat):
        raise DataError(
            "the shards of a view must hold floating-point rows of one width, found "
            f"{', '.join(sorted({f'{part.dtype} x {part.shape[1]}' for part in flat}))}"
        )
    (width,) = widths
    n = sum(map(len, flat))
    if len(flat) == 1 and flat[0].dtype == np.float32 and (present is None or present.all()):
        return flat[0]
    step = max(1, BYTES // (4 * width))
    at = 0
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the map keeps it open
    for part in flat:
        for start in range(0, len(part), step):
            rows = np.array(part[start : start + step], dtype=np.float32)
            if present is not None:
                rows[~present[at : at + len(rows)]] = 0
            at += len(rows)
            stream.write(rows.data)
    stream.flush()
    return np.memmap(stream, dtype=np.float32, mode="r", shape=(n, width))
