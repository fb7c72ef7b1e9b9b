"""The ids of positions 0..n-1, packed: 8 bytes each, or the characters of all one after another."""

from __future__ import annotations

import struct
from typing import Protocol

import numpy as np

__all__ = ["IdColumn", "IntIds", "StringIds", "column_of", "join_ids", "pack_ids", "slice_ids"]

HEAD = struct.Struct("<BxxxI")  # bytes per character, number of ids; then lengths, characters


class IdColumn(Protocol):
    """Ids by position, growing at the end."""

    def __len__(self) -> int: ...

    def append(self, blob: bytes, skip: int) -> None:
        """Take in the ids of a segment but for the first `skip`."""

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Return the ids at some positions."""

    def keys(self, start: int, stop: int) -> np.ndarray:
        """Return an int64 per id of a range; equal ids have equal keys."""

    def keys_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the keys of ids that need not be there."""


class IntIds:
    """Whole-number ids: 8 bytes each; an id is its own key."""

    def __init__(self) -> None:
        self._values = Growing(np.int64)

    def __len__(self) -> int:
        return len(self._values)

    def append(self, blob: bytes, skip: int) -> None:
        """Take in the ids of a segment but for the first `skip`."""
        self._values.extend(np.frombuffer(blob, dtype="<i8")[skip:])

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Return the ids at some positions."""
        return self._values.array[positions]

    def keys(self, start: int, stop: int) -> np.ndarray:
        """Return the ids of a range."""
        return self._values.array[start:stop]

    def keys_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the ids."""
        return ids.astype(np.int64, copy=False)


class StringIds:
    """String ids: 8 bytes each and their characters, 1 byte each below U+0100, else 4."""

    def __init__(self) -> None:
        self._ends = Growing(np.int64)
        self._characters = Growing(np.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, blob: bytes, skip: int) -> None:
        """Take in the ids of a segment but for the first `skip`."""
        lengths, characters = _unpack(blob)
        if characters.dtype != self._characters.dtype and characters.dtype != np.uint8:
            self._characters = Growing(np.uint32, self._characters.array)
        characters = characters[int(lengths[:skip].sum()) :]
        start = len(self._characters)
        self._ends.extend(start + np.cumsum(lengths[skip:], dtype=np.int64))
        self._characters.extend(characters)

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Return the ids at some positions."""
        ends = self._ends.array
        stops = ends[positions]
        starts = np.where(positions > 0, ends[np.maximum(positions, 1) - 1], 0)
        return _gather(self._characters.array, starts, stops - starts)

    def keys(self, start: int, stop: int) -> np.ndarray:
        """Return a hash per id of a range."""
        step = 1 << 16
        parts = [
            self.keys_of(self.take(np.arange(first, min(first + step, stop))))
            for first in range(start, stop, step)
        ]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def keys_of(self, ids: np.ndarray) -> np.ndarray:
        """Return a hash per id: the sum of its characters, each times a number of its place."""
        table = _characters(ids)
        factors = _factors(table.shape[1])
        keys = np.zeros(len(ids), dtype=np.uint64)
        for start in range(0, len(ids), 1 << 16):
            rows = slice(start, start + (1 << 16))
            for column in range(table.shape[1]):
                keys[rows] += table[rows, column] * factors[column]
        return keys.view(np.int64)


def column_of(kind: str) -> IdColumn:
    """Return an empty column for ids of kind "int64" or "str"."""
    return IntIds() if kind == "int64" else StringIds()


def pack_ids(ids: np.ndarray) -> bytes:
    """Return the bytes that a segment keeps for its ids."""
    if ids.dtype.kind != "U":
        return ids.astype("<i8").tobytes()
    table = _characters(ids)
    # The length is the last character that is not the padding: NUL may stand before it.
    width = table.shape[1]
    filled = table[:, ::-1] != 0
    lengths = np.where(filled.any(axis=1), width - filled.argmax(axis=1), 0).astype("<u4")
    characters = table[np.arange(width) < lengths[:, None]]
    wide = bool(characters.size) and int(characters.max()) > 0xFF
    kind = np.dtype("<u4" if wide else "u1")
    head = HEAD.pack(kind.itemsize, len(ids))
    return head + lengths.tobytes() + characters.astype(kind).tobytes()


def join_ids(kind: str, blobs: list[bytes]) -> bytes:
    """Return the ids of several segments as those of one."""
    if kind == "int64":
        return b"".join(blobs)
    parts = [_unpack(blob) for blob in blobs]
    lengths = np.concatenate([part[0] for part in parts])
    characters = np.concatenate([part[1] for part in parts])
    head = HEAD.pack(characters.dtype.itemsize, len(lengths))
    return head + lengths.astype("<u4").tobytes() + characters.tobytes()


def slice_ids(kind: str, blob: bytes, keep: np.ndarray) -> bytes:
    """Return the ids of a segment at which the mask `keep` is true."""
    if kind == "int64":
        return np.frombuffer(blob, dtype="<i8")[keep].tobytes()
    lengths, characters = _unpack(blob)
    chosen = characters[np.repeat(keep, lengths)]
    head = HEAD.pack(chosen.dtype.itemsize, int(keep.sum()))
    return head + lengths[keep].tobytes() + chosen.tobytes()


class Growing:
    """A flat array that is appended to in amortised constant time."""

    def __init__(self, dtype: type, start: np.ndarray | None = None) -> None:
        self._size = 0
        self._store: np.ndarray = np.empty(0, dtype=dtype)
        if start is not None:
            self.extend(start)

    def __len__(self) -> int:
        return self._size

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return self._store.dtype

    @property
    def array(self) -> np.ndarray:
        """The elements; valid until the next call of `extend`."""
        return self._store[: self._size]

    def extend(self, values: np.ndarray) -> None:
        """Append values."""
        size = self._size + len(values)
        if size > len(self._store):
            # The first filling is exact: most readers never see the index grow.
            room = size if not self._size else max(size, len(self._store) * 5 // 4)
            grown = np.empty(room, dtype=self._store.dtype)
            grown[: self._size] = self.array
            self._store = grown
        self._store[self._size : size] = values
        self._size = size


def _unpack(blob: bytes) -> tuple[np.ndarray, np.ndarray]:
    width, count = HEAD.unpack_from(blob)
    lengths = np.frombuffer(blob, dtype="<u4", count=count, offset=HEAD.size)
    kind = "u1" if width == 1 else "<u4"
    return lengths, np.frombuffer(blob, dtype=kind, offset=HEAD.size + 4 * count)


def _gather(characters: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the strings that lie at `starts` as a NumPy string array."""
    width = max(int(lengths.max(initial=0)), 1)
    table = np.zeros((len(starts), width), dtype=np.uint32)
    rows = np.repeat(np.arange(len(starts)), lengths)
    before = np.cumsum(lengths) - lengths
    columns = np.arange(len(rows)) - np.repeat(before, lengths)
    table[rows, columns] = characters[np.repeat(starts, lengths) + columns]
    return table.view(f"<U{width}").ravel()


def _characters(ids: np.ndarray) -> np.ndarray:
    """Return (n, width) uint32 code points, padded with zeros."""
    width = max(ids.dtype.itemsize // 4, 1)
    return np.ascontiguousarray(ids.astype(f"<U{width}", copy=False)).view("<u4").reshape(-1, width)


def _factors(width: int) -> np.ndarray:
    """Return odd 64-bit numbers, one per place; the same in every process."""
    numbers = np.arange(1, width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    numbers ^= numbers >> np.uint64(29)
    numbers *= np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(32)
    return numbers | np.uint64(1)
