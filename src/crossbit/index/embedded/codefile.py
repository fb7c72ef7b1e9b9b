"""The contiguous codes that the kernel reads: a cache of the database, mapped into memory.

`codes-N.bin` is a header of one page, then the codes of positions 0, 1, 2, ... The database says
how many of them count; what lies beyond means nothing. The CRC-32 of every block of about 1 MiB
is in the database, so this file cannot vouch for itself.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from crossbit.codes import code_bytes
from crossbit.files import replace_file

__all__ = [
    "PATTERN",
    "CodeFileError",
    "append",
    "block_rows",
    "checksums",
    "code_path",
    "first_bad_block",
    "has_room",
    "map_codes",
    "trim",
    "write",
]

PATTERN = "codes-*.bin"
HEADER = 4096  # a page, so that the codes are aligned
FIELDS = struct.Struct("<8sII16sQ")  # magic, format, bits, index, generation
MAGIC = b"cbcodes\n"
FORMAT = 1
BLOCK = 1 << 20  # bytes that one checksum covers
THREADS = 4


class CodeFileError(Exception):
    """The cache cannot be used; the reason says why. Never reaches the user."""


def code_path(folder: Path, generation: int) -> Path:
    """Return the path of the code file of one generation."""
    return folder / f"codes-{generation:06d}.bin"


def write(path: Path, index: bytes, generation: int, bits: int, parts: Iterable[bytes]) -> None:
    """Write a whole code file, atomically and durably."""
    with replace_file(path) as stream:
        stream.write(_header(index, generation, bits))
        for part in parts:
            stream.write(part)


def append(path: Path, count: int, codes: np.ndarray) -> None:
    """Write (m, bytes) codes at position `count` and sync them; O(m)."""
    handle = os.open(path, os.O_WRONLY)
    try:
        place = HEADER + count * codes.shape[1]
        os.ftruncate(handle, place)  # what a writer that died left behind
        data = memoryview(np.ascontiguousarray(codes).data).cast("B")
        while data:
            written = os.pwrite(handle, data, place)
            place, data = place + written, data[written:]
        os.fdatasync(handle)
    finally:
        os.close(handle)


def trim(path: Path, bits: int, count: int) -> None:
    """Cut off what lies beyond the first `count` codes, if the file is there."""
    size = HEADER + count * code_bytes(bits)
    if path.exists() and path.stat().st_size > size:
        os.truncate(path, size)


def has_room(path: Path, index: bytes, generation: int, bits: int, count: int) -> bool:
    """Say whether the file is the one meant and holds `count` codes; reads the header only."""
    try:
        with path.open("rb") as stream:
            header = stream.read(HEADER)
            size = os.fstat(stream.fileno()).st_size
    except FileNotFoundError:
        return False
    return header == _header(index, generation, bits) and size >= HEADER + count * code_bytes(bits)


def map_codes(
    path: Path, index: bytes, generation: int, bits: int, count: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Map the first `count` codes; reads nothing but the header.

    Returns
    -------
    codes : (count, bytes) uint8, read-only
    file : tuple of int
        Which file this is, to tell whether a later one of the same name is the same.

    Raises
    ------
    CodeFileError
        If the file is of another index or generation, damaged or too short.
    FileNotFoundError
    """
    with path.open("rb") as stream:
        if stream.read(HEADER) != _header(index, generation, bits):
            raise CodeFileError("its header is damaged or of another index")
        status = os.fstat(stream.fileno())
        size = HEADER + count * code_bytes(bits)
        if status.st_size < size:
            raise CodeFileError("it is too short")
        if not count:
            return np.empty((0, code_bytes(bits)), dtype=np.uint8), (status.st_dev, status.st_ino)
        mapped = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
    codes = np.frombuffer(mapped, dtype=np.uint8, offset=HEADER).reshape(count, code_bytes(bits))
    return codes, (status.st_dev, status.st_ino)


def block_rows(width: int) -> int:
    """Return how many codes of `width` bytes one checksum covers."""
    return BLOCK // width


def checksums(codes: np.ndarray, count: int, last: int) -> tuple[int, list[int]]:
    """Checksum codes that are appended at position `count`.

    Parameters
    ----------
    codes : (m, bytes) uint8
    count : int
        Codes before them.
    last : int
        The checksum so far of the block that they start in, 0 for a new one.

    Returns
    -------
    block : int
        Number of the first block that changes.
    checksums : list of int
        Of that block and all after it.
    """
    rows = block_rows(codes.shape[1])
    first, within = divmod(count, rows)
    sums = []
    start = 0
    while start < len(codes):
        stop = min(start + rows - within, len(codes))
        sums.append(zlib.crc32(np.ascontiguousarray(codes[start:stop]).data, last))
        start, within, last = stop, 0, 0
    return first, sums


def first_bad_block(codes: np.ndarray, expected: list[int], start: int) -> int | None:
    """Return the first block from number `start` up whose codes do not match, or None.

    O(n bits) in threads, at memory speed; `expected` belongs to the blocks from `start` up.
    """
    rows = block_rows(codes.shape[1])

    def good(number: int) -> bool:
        part = codes[number * rows : (number + 1) * rows]
        return zlib.crc32(part.data) == expected[number - start]

    numbers = range(start, -(-len(codes) // rows))
    if len(expected) != len(numbers):
        return start
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for number, result in zip(numbers, pool.map(good, numbers), strict=True):
            if not result:
                return number
    return None


def _header(index: bytes, generation: int, bits: int) -> bytes:
    fields = FIELDS.pack(MAGIC, FORMAT, bits, index, generation)
    return fields.ljust(HEADER, b"\0")
