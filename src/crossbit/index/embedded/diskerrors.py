"""Failures of the disk and of SQLite, said in one sentence with what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from crossbit.errors import CrossbitError, DataError

__all__ = ["disk_errors"]

AGAIN = "restore it from a backup or encode the items again"
PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors(path: Path, done: str) -> Iterator[None]:
    """Turn errors of SQLite and of the system into a DataError; `done`: "read", "written", ..."""
    try:
        yield
    except CrossbitError:
        raise
    except apsw.Error as error:
        raise DataError(_sqlite(path, done, error)) from error
    except OSError as error:
        raise DataError(_system(path, done, error)) from error


def _sqlite(path: Path, done: str, error: apsw.Error) -> str:
    code = getattr(error, "extendedresult", None)
    if code == apsw.SQLITE_IOERR_DATA:
        return f"{path} is damaged: a page does not match its checksum; {AGAIN}"
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return f"{path} is damaged ({error}); {AGAIN}"
    if isinstance(error, apsw.FullError) or code == apsw.SQLITE_IOERR_WRITE:
        return f"{path} cannot be {done}: {_full()}"
    if isinstance(error, (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError)):
        return (
            f"{path} cannot be {done}: {error}; check that the folder and its files are there "
            "and that you have the permission"
        )
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return f"{path} cannot be {done}: another program keeps it locked; close it there"
    return f"{path} cannot be {done} ({type(error).__name__}: {error}); check the disk"


def _system(path: Path, done: str, error: OSError) -> str:
    name = error.filename or path
    if error.errno in FULL:
        return f"{name} cannot be {done}: {_full()}"
    if error.errno in PERMISSION:
        return f"{name} cannot be {done}: {error.strerror}; change its permissions"
    return f"{name} cannot be {done}: {error.strerror or error}; check the disk"


def _full() -> str:
    return "the disk is full or a size limit is reached; nothing was changed, make room and repeat"
