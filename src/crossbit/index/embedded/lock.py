"""The lock that lets one writer at a time into an index folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from crossbit.errors import DataError

__all__ = ["LOCK", "WriterLock"]

LOCK = "lock"


class WriterLock:
    """Held from opening to closing; the system lets go of it when the process dies.

    Raises
    ------
    DataError
        If another writer, in this process or another, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise DataError(
                f"the index {folder} is open for writing already, here or in another program; "
                "close it there first, or open it for reading"
            ) from None

    def release(self) -> None:
        """Let the next writer in."""
        os.close(self._handle)
