"""HEAD: the last committed version, kept outside the database, so that a lost tail is noticed.

SQLite ends recovery silently at the first damaged frame of its write-ahead log: transactions that
were acknowledged would be gone without a word. HEAD is written after every commit; a database
behind it has lost some. Two slots take turns, each with its own checksum, so that a write that
is cut short leaves the slot before.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from crossbit.files import replace_file

__all__ = ["HEAD", "Head", "create_head", "read_head", "write_head"]

HEAD = "HEAD"
MAGIC = b"crossbit"
SLOT = struct.Struct("<8s16sQ28x")  # magic, index, version; a crc32 follows
SIZE = SLOT.size + 4


@dataclass(frozen=True)
class Head:
    """What HEAD says: which index, its last version (None: no slot is readable), bad slots."""

    index: bytes
    version: int | None
    damaged: int

    @property
    def present(self) -> bool:
        """Whether any slot could be read."""
        return self.version is not None


def create_head(folder: Path, index: bytes, version: int) -> None:
    """Write a new HEAD with both slots at `version`, atomically and durably."""
    with replace_file(folder / HEAD) as stream:
        stream.write(_slot(index, version) * 2)


def write_head(folder: Path, index: bytes, version: int) -> None:
    """Note that `version` is committed.

    Not synced: after a power cut HEAD may be behind the database, which does no harm.
    """
    handle = os.open(folder / HEAD, os.O_WRONLY)
    try:
        os.pwrite(handle, _slot(index, version), (version % 2) * SIZE)
    finally:
        os.close(handle)


def read_head(folder: Path) -> Head:
    """Read HEAD; a missing file is one without readable slots."""
    try:
        data = (folder / HEAD).read_bytes()
    except FileNotFoundError:
        return Head(b"", None, 2)
    slots = [_parse(data[start : start + SIZE]) for start in (0, SIZE)]
    good = [slot for slot in slots if slot is not None]
    if not good:
        return Head(b"", None, 2)
    index, version = max(good, key=lambda slot: slot[1])
    return Head(index, version, 2 - len(good) + (len(data) > 2 * SIZE))


def _slot(index: bytes, version: int) -> bytes:
    body = SLOT.pack(MAGIC, index, version)
    return body + struct.pack("<I", zlib.crc32(body))


def _parse(data: bytes) -> tuple[bytes, int] | None:
    if len(data) != SIZE or struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
        return None
    magic, index, version = SLOT.unpack(data[:-4])
    return (index, version) if magic == MAGIC else None
