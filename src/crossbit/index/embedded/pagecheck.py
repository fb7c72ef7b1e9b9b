"""The page checksums of SQLite's own cksumvfs: switched on for our databases, checked in files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import apsw
import apsw.sqlite_extra

from crossbit.errors import MissingDependencyError

__all__ = ["VFS", "check_file", "register"]

VFS = "cksmvfs"


@cache
def register() -> None:
    """Load the extension into this process; other databases of the process are left alone."""
    before = apsw.vfs_names()[0]
    if VFS not in apsw.vfs_names():
        try:
            apsw.sqlite_extra.load(apsw.Connection(":memory:"), "cksumvfs")
        except (apsw.sqlite_extra.NotAvailable, LookupError, apsw.Error) as error:
            raise MissingDependencyError(
                f"this apsw comes without SQLite's checksum extension ({error}); install a "
                "binary wheel: pip install --force-reinstall --only-binary apsw apsw"
            ) from error
    apsw.set_default_vfs(before)


def check_file(path: Path) -> list[str]:
    """Return a sentence per damaged page of a database file, free pages included.

    Nothing is checked while a write-ahead log stands beside it: the file is not whole then.
    SQLite's own file objects are used: closing another handle of the file would drop the locks
    that this process holds on it.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return []
    flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0]
    file = apsw.VFSFile(VFS, str(path.absolute()), flags)
    try:
        head = file.xRead(100, 0)  # the extension learns from it that there are checksums
        size, page = file.xFileSize(), int.from_bytes(head[16:18], "big")
        page = 1 << 16 if page == 1 else page
        pages = int.from_bytes(head[28:32], "big")
        problems = []
        if size != pages * page:
            problems.append(f"{path} is {size} bytes long, its header says {pages} pages of {page}")
        for number in range(size // page if page else 0):
            try:
                file.xRead(page, number * page)
            except apsw.IOError:
                problems.append(f"{path}: page {number + 1} does not match its checksum")
    finally:
        file.xClose()
    return problems
