"""Snapshot: codes, ids and removals of one version of an index in memory, moved to the next."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.codes import code_bytes
from crossbit.errors import DataError
from crossbit.index.embedded import codefile
from crossbit.index.embedded.ids import IdColumn, column_of
from crossbit.index.embedded.lookup import Lookup
from crossbit.index.embedded.store import CHUNK, Record, Store

__all__ = ["Snapshot", "SupersededError"]


class SupersededError(Exception):
    """The code file of this version is gone: look for a newer version. Never reaches the user."""


class Snapshot:
    """Codes, ids and removals of one version; each is read from the store when first needed.

    Memory for n items: the codes are mapped (or, rebuilt by a reader, held: n bits / 8 bytes);
    1 byte each for removals; ids as `crossbit.index.embedded.ids` says, from the first search on;
    16 bytes each for the lookup of ids, from the first `get`, `remove`, `upsert`, second `add` or
    search with `allowed` on.
    """

    def __init__(self, folder: Path, store: Store, record: Record, writing: bool) -> None:
        self.folder, self.store, self.record = folder, store, record
        self._writing = writing
        self._vanished = -1  # generation whose code file was missing once
        self._forget()

    def _forget(self) -> None:
        self._alive: np.ndarray | None = None
        self._ids: IdColumn | None = None
        self._lookup: Lookup | None = None
        self._codes: np.ndarray | None = None
        self.approximate: Any = None  # the faiss structure of this version, once it was loaded
        self._file: tuple[int, int] | None = None
        self._checked = 0  # blocks of that file whose checksum was right

    @property
    def live(self) -> int:
        """Number of items that are not removed."""
        return self.record.count - self.record.removed

    def update(self, record: Record) -> None:
        """Move to the version that the current snapshot shows; O(what changed)."""
        before, self.record = self.record, record
        if record.version == before.version:
            return
        self.approximate = None
        if record.generation != before.generation:
            self._forget()
            return
        if self._alive is not None:
            added = np.ones(record.count - before.count, dtype=bool)
            self._alive = np.concatenate([self._alive, added]) if len(added) else self._alive
            self._apply_removals(before.version)
        if record.count != before.count:
            self._codes = None  # mapped again, longer, when next needed

    def alive(self) -> np.ndarray:
        """Return the (count,) mask of items that are not removed."""
        if self._alive is None:
            self._alive = np.ones(self.record.count, dtype=bool)
            if self.record.removed:
                self._apply_removals(-1)
        return self._alive

    def ids(self) -> IdColumn:
        """Return the ids by position; reads those that were not read yet."""
        assert self.record.kind is not None
        if self._ids is None:
            self._ids = column_of(self.record.kind)
        count = len(self._ids)
        if count < self.record.count:
            for first, _, blob in self.store.id_blobs(count):
                self._ids.append(blob, skip=max(count - first, 0))
                count = len(self._ids)
        return self._ids

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Return the positions of ids, -1 for those that are not there."""
        if not self.live or not len(ids):
            return np.full(len(ids), -1, dtype=np.int64)
        column = self.ids()
        if self._lookup is None:
            self._lookup = Lookup(column)
        self._lookup.grow(self.alive())
        return self._lookup.find(ids, self.alive())

    def codes(self) -> np.ndarray:
        """Return all codes by position, removed ones too, checked against their checksums.

        A code file that is missing, damaged or foreign is replaced by what the store holds, with
        a warning: on disk by a writer, in memory by a reader.
        """
        if self._codes is None:
            try:
                self._codes = self._mapped()
            except FileNotFoundError:
                self.look_again()
                self._codes = self._rebuilt("it is missing")
            except codefile.CodeFileError as error:
                self._codes = self._rebuilt(str(error))
        return self._codes

    def look_again(self) -> None:
        """Raise SupersededError at the first sight of a missing code file.

        Another program may have compacted the index since this snapshot was taken; if the file
        is missing in a newer snapshot too, it is lost.
        """
        if self._vanished != self.record.generation:
            self._vanished = self.record.generation
            raise SupersededError

    def rebuild_file(self, reason: str) -> None:
        """Write the code file anew from the store, for a writer."""
        record = self.record
        assert record.bits is not None
        parts = (blob for _, _, blob in self.store.code_blobs())
        codefile.write(self.path, record.identity, record.generation, record.bits, parts)
        self._codes = None
        warnings.warn(
            f"{self.path} was made anew from the database: {reason}", RuntimeWarning, stacklevel=2
        )

    @property
    def path(self) -> Path:
        """The code file of this version."""
        return codefile.code_path(self.folder, self.record.generation)

    def _mapped(self) -> np.ndarray:
        record = self.record
        assert record.bits is not None
        codes, file = codefile.map_codes(
            self.path, record.identity, record.generation, record.bits, record.count
        )
        start = self._checked if file == self._file else 0
        bad = codefile.first_bad_block(codes, self.store.checksums(start), start)
        if bad is not None:
            raise codefile.CodeFileError(f"block {bad} does not match its checksum")
        # The last block may still grow: it is checked again then.
        self._file, self._checked = file, record.count // codefile.block_rows(codes.shape[1])
        return codes

    def _rebuilt(self, reason: str) -> np.ndarray:
        record = self.record
        assert record.bits is not None
        if self._writing:
            self.rebuild_file(reason)
            try:
                return self._mapped()
            except codefile.CodeFileError as error:
                raise DataError(
                    f"{self.path} cannot be made from the database ({error}); check the disk and "
                    "restore the index from a backup"
                ) from None
        codes = np.empty((record.count, code_bytes(record.bits)), dtype=np.uint8)
        for first, count, blob in self.store.code_blobs():
            codes[first : first + count].reshape(-1)[:] = np.frombuffer(blob, dtype=np.uint8)
        if codefile.first_bad_block(codes, self.store.checksums(), 0) is not None:
            raise DataError(
                f"the database in {self.folder} is damaged: its codes do not match their "
                "checksums; restore the index from a backup"
            )
        warnings.warn(
            f"{self.path} cannot be used ({reason}), so the codes are read from the database into "
            "memory; open the index for writing and search once to make the file anew",
            RuntimeWarning,
            stacklevel=2,
        )
        return codes

    def _apply_removals(self, version: int) -> None:
        assert self._alive is not None
        for chunk, bitmap in self.store.removals(version):
            part = self._alive[chunk * CHUNK : (chunk + 1) * CHUNK]
            dead = np.unpackbits(np.frombuffer(bitmap, dtype=np.uint8), bitorder="little")
            part[: len(dead)] = dead[: len(part)] == 0
