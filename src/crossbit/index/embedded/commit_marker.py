"""Commit marker: the last committed version, beside the database, so that lost writes are noticed.

SQLite ends recovery silently at the first damaged frame of its write-ahead log: transactions that
were acknowledged would be gone without a word. The file HEAD is written after every commit; a
database behind it has lost some. Two slots take turns, each with its own checksum, so that a
write that is cut short leaves the slot before.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from crossbit.files import replace_file

__all__ = [
    "COMMIT_MARKER",
    "CommitMarker",
    "create_commit_marker",
    "read_commit_marker",
    "write_commit_marker",
]

COMMIT_MARKER = "HEAD"  # name of the file
MAGIC = b"crossbit"
SLOT = struct.Struct("<8s16sQ28x")  # magic, index, version; a crc32 follows
SIZE = SLOT.size + 4


@dataclass(frozen=True)
class CommitMarker:
    """Which index, its last version (None: no slot is readable), number of damaged slots."""

    index: bytes
    version: int | None
    damaged: int

    @property
    def present(self) -> bool:
        """Whether any slot could be read."""
        return self.version is not None


def create_commit_marker(folder: Path, index: bytes, version: int) -> None:
    """Write a new marker with both slots at `version`, atomically and durably."""
    with replace_file(folder / COMMIT_MARKER) as stream:
        stream.write(_slot(index, version) * 2)


def write_commit_marker(folder: Path, index: bytes, version: int) -> None:
    """Note that `version` is committed.

    Not synced: after a power cut the marker may be behind the database, which does no harm.
    """
    handle = os.open(folder / COMMIT_MARKER, os.O_WRONLY)
    try:
        os.pwrite(handle, _slot(index, version), (version % 2) * SIZE)
    finally:
        os.close(handle)


def read_commit_marker(folder: Path) -> CommitMarker:
    """Read the marker; a missing file is one without readable slots."""
    try:
        data = (folder / COMMIT_MARKER).read_bytes()
    except FileNotFoundError:
        return CommitMarker(b"", None, 2)
    slots = [_parse(data[start : start + SIZE]) for start in (0, SIZE)]
    good = [slot for slot in slots if slot is not None]
    if not good:
        return CommitMarker(b"", None, 2)
    index, version = max(good, key=lambda slot: slot[1])
    return CommitMarker(index, version, 2 - len(good) + (len(data) > 2 * SIZE))


def _slot(index: bytes, version: int) -> bytes:
    body = SLOT.pack(MAGIC, index, version)
    return body + struct.pack("<I", zlib.crc32(body))


def _parse(data: bytes) -> tuple[bytes, int] | None:
    if len(data) != SIZE or struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
        return None
    magic, index, version = SLOT.unpack(data[:-4])
    return (index, version) if magic == MAGIC else None
