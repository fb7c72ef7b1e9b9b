"""An embedded index folder, opened: its lock, its database, and how calls run on them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from crossbit.errors import DataError
from crossbit.files import move_file
from crossbit.index.embedded import codefile
from crossbit.index.embedded.access import StillFiles, reading_access
from crossbit.index.embedded.approximate import FILE
from crossbit.index.embedded.commit_marker import (
    COMMIT_MARKER,
    CommitMarker,
    create_commit_marker,
    read_commit_marker,
    write_commit_marker,
)
from crossbit.index.embedded.diskerrors import disk_errors
from crossbit.index.embedded.lock import LOCK, WriterLock
from crossbit.index.embedded.snapshot import Snapshot, SupersededError
from crossbit.index.embedded.store import DATABASE, Record, Store

__all__ = ["Connection"]

NEW = f".{DATABASE}.new"
# Files that may stand in a folder before its database does.
OURS = (LOCK, COMMIT_MARKER, f".{COMMIT_MARKER}.*", f"{NEW}*", f"{DATABASE}-*", codefile.PATTERN)
OLD_META = "meta.json"

T = TypeVar("T")


class Connection:
    """An index folder, opened for reading or writing.

    Raises
    ------
    DataError
        If there is no index to read, another writer is at work, the folder holds other things,
        or the database is damaged or behind its commit marker.
    """

    def __init__(self, folder: Path, writing: bool) -> None:
        self.folder, self.writing = folder, writing
        self._lock: WriterLock | None = None
        self._still: StillFiles | None = None
        if writing:
            with disk_errors(folder, "written"):
                _check_folder(folder)
                folder.mkdir(parents=True, exist_ok=True)
                self._lock = WriterLock(folder)
        elif not (folder / DATABASE).is_file():
            _check_old(folder)
            raise DataError(
                f"there is no index in {folder}: {DATABASE} is missing; check the address, or make "
                "an index with `crossbit index build` or open_index(address, 'w')"
            )
        try:
            if writing and not (folder / DATABASE).exists():
                _create(folder)
            self._connect()
        except BaseException:
            self._release()
            raise

    def read(self, work: Callable[[Snapshot], T]) -> T:
        """Run `work` on the newest version; it sees that one version throughout."""
        while True:
            try:
                result = self._read_once(work)
            except SupersededError:
                continue
            except DataError:
                if not self._moved():
                    raise
            else:
                if not self._moved():
                    return result
            # A writer came while the files were read without locks: read what it left.
            self.store.close()
            self._connect()

    def write(self, work: Callable[[Snapshot], Record | None]) -> None:
        """Commit what `work` wrote to the store and the state it returns; None is no change."""
        try:
            with disk_errors(self.folder, "written"), self.store.transaction():
                before = self.store.record()
                self.snapshot.update(before)
                after = work(self.snapshot)
                if after is None:
                    return
                after = replace(after, version=before.version + 1)
                self.store.set_record(after)
        except BaseException:
            self._tidy()
            raise
        self._note(after)
        if after.generation != before.generation:
            self._sweep(after.generation)

    def close(self) -> None:
        """Close the database; a writer folds the log into it first."""
        try:
            if self.writing:
                self.store.checkpoint()
        except DataError as error:  # what was written is safe in the log, and stays there
            warnings.warn(
                f"the log of the index {self.folder} was not folded into its database: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
        finally:
            try:
                self.store.close()
            finally:
                self._release()

    def _connect(self) -> None:
        access = "write" if self.writing else reading_access(self.folder)
        self._still = StillFiles(self.folder) if access == "still" else None
        with disk_errors(self.folder, "read"):
            marker = read_commit_marker(self.folder)  # before the database: it is written after it
        self.store = Store(self.folder, access)
        try:
            with self.store.snapshot() as record:
                self.snapshot = Snapshot(self.folder, self.store, record, self.writing)
            self._check_commit_marker(marker, record)
            self.store.allow_checkpoint_at_close()
            if self.writing:
                self._sweep(record.generation)
                if marker.version != record.version or marker.damaged:
                    with disk_errors(self.folder, "written"):
                        create_commit_marker(self.folder, record.identity, record.version)
        except BaseException:
            self.store.close()
            raise

    def _check_commit_marker(self, marker: CommitMarker, record: Record) -> None:
        if marker.version is None:
            if record.version:
                warnings.warn(
                    f"{self.folder / COMMIT_MARKER} is missing or damaged, so a loss of the last "
                    "writes could not be noticed; open the index for writing once to make it anew",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return
        if marker.index != record.identity:
            raise DataError(
                f"{self.folder / COMMIT_MARKER} belongs to another index than {DATABASE} beside "
                "it; restore the whole folder from one backup"
            )
        if marker.version > record.version:
            raise DataError(
                f"the index {self.folder} lost its last {marker.version - record.version} writes: "
                f"{DATABASE} or {DATABASE}-wal is damaged or of an older backup; restore the "
                f"whole folder, or delete {COMMIT_MARKER} to go on with what is left"
            )

    def _read_once(self, work: Callable[[Snapshot], T]) -> T:
        with self.store.snapshot() as record:
            self.snapshot.update(record)
            return work(self.snapshot)

    def _moved(self) -> bool:
        return self._still is not None and self._still.moved()

    def _note(self, record: Record) -> None:
        try:
            try:
                write_commit_marker(self.folder, record.identity, record.version)
            except FileNotFoundError:
                create_commit_marker(self.folder, record.identity, record.version)
        except OSError as error:
            warnings.warn(
                f"{self.folder / COMMIT_MARKER} cannot be written ({error.strerror}); what was "
                "written is safe, but a loss of it could not be noticed",
                RuntimeWarning,
                stacklevel=2,
            )

    def _tidy(self) -> None:
        """Give back the space of codes that were written for a transaction that failed."""
        with suppress(OSError, DataError):  # the failure itself is being raised
            with self.store.snapshot() as record:
                pass
            self._sweep(record.generation)
            path = codefile.code_path(self.folder, record.generation)
            codefile.trim(path, record.bits or 0, record.count)
            self.store.checkpoint()  # empties the log, which grew too

    def _sweep(self, generation: int) -> None:
        """Delete code files of other generations and what writers that died left behind."""
        current = codefile.code_path(self.folder, generation)
        with disk_errors(self.folder, "cleaned up"):
            for pattern in (
                codefile.PATTERN,
                f".{codefile.PATTERN}*",
                f".{COMMIT_MARKER}.*",
                f".{FILE}.*",
            ):
                for path in self.folder.glob(pattern):
                    if path != current:
                        path.unlink(missing_ok=True)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _create(folder: Path) -> None:
    """Make an empty database, whole or not at all."""
    for path in folder.glob(f"{NEW}*"):
        path.unlink()
    store = Store(folder, "create", NEW)
    store.checkpoint()
    store.close()
    move_file(folder / NEW, folder / DATABASE)


def _check_folder(folder: Path) -> None:
    """Raise DataError unless an index is or can be made in `folder`: other things are kept."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; an index needs a folder of its own")
    if folder.is_dir() and not (folder / DATABASE).exists():
        _check_old(folder)
        for path in folder.iterdir():
            if not any(path.match(pattern) for pattern in OURS):
                raise DataError(f"{folder} holds other files; give an index an empty or new folder")


def _check_old(folder: Path) -> None:
    if (folder / OLD_META).is_file():
        raise DataError(
            f"{folder} holds an index of an old format ({OLD_META}), which this version does not "
            "read; encode the items again into a new folder"
        )
