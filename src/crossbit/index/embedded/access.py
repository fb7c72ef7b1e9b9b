"""How a folder can be read: with write permission, beside a writer, or as files that lie still."""

from __future__ import annotations

import os
from pathlib import Path

from crossbit.index.embedded.commit_marker import CommitMarker, read_commit_marker
from crossbit.index.embedded.store import DATABASE

__all__ = ["StillFiles", "reading_access"]


def reading_access(folder: Path) -> str:
    """Return how a reader opens the database in `folder`, for `Store`.

    Reading a database with a write-ahead log takes write permission for the lock table beside
    it, or a lock table that another program made. Without either the database is read as a
    plain file ("still"), which is right as long as there is no log: see `StillFiles`.
    """
    database = folder / DATABASE
    if os.access(folder, os.W_OK) and os.access(database, os.W_OK):
        return "read"
    return "readonly" if _has_log(folder) else "still"


class StillFiles:
    """Notices that another program began to write to files that are read without locks.

    A writer creates its log before it changes the database, and writes the commit marker after
    every commit, so whatever was read between two equal states is sound.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = self._read_state()

    def moved(self) -> bool:
        """Say whether the files may have changed since they were opened."""
        return self._read_state() != self._state

    def _read_state(self) -> tuple[bool, CommitMarker, int, int]:
        status = (self._folder / DATABASE).stat()
        return (
            _has_log(self._folder),
            read_commit_marker(self._folder),
            status.st_ino,
            status.st_mtime_ns,
        )


def _has_log(folder: Path) -> bool:
    log = folder / f"{DATABASE}-wal"
    return log.exists() and log.stat().st_size > 0
