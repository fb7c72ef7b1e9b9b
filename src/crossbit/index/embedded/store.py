"""The truth of an embedded index: one SQLite database with a checksum on every page.

Chosen by measurement (`python -m benchmarks index_store`): adding 1 M codes with ids to 3 M took
1.6 s as SQLite rows, 0.7 s as arrays in SQLite, checked against all ids and synced, and 0.6 s in
Lance, which does not notice a flipped byte in its codes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import numpy as np

from crossbit.errors import DataError
from crossbit.index.embedded.diskerrors import disk_errors
from crossbit.index.embedded.pagecheck import VFS, check_file, register

__all__ = ["CHUNK", "DATABASE", "Record", "Store"]

DATABASE = "store.sqlite"
APPLICATION = 0x43524249  # "CRBI"
FORMAT = 2  # 1 was a folder of arrays, never released
PAGE = 16384
CHUNK = 1 << 16  # positions per bitmap of removals: one removal rewrites 8 KB
WAIT = 10_000  # milliseconds to wait for a checkpoint of another program

SCHEMA = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    identity BLOB, bits INTEGER, kind TEXT, fingerprint TEXT,
    version INTEGER, generation INTEGER, count INTEGER, removed INTEGER
);
CREATE TABLE segment (first INTEGER PRIMARY KEY, count INTEGER, ids BLOB, codes BLOB);
CREATE TABLE removed (chunk INTEGER PRIMARY KEY, version INTEGER, bitmap BLOB);
CREATE INDEX removed_version ON removed (version);
CREATE TABLE block (number INTEGER PRIMARY KEY, checksum INTEGER);
CREATE TABLE payload (position INTEGER PRIMARY KEY, json TEXT);
"""


@dataclass(frozen=True)
class Record:
    """The one row of `state`: what every transaction starts from and ends with.

    Positions 0..count-1 are taken, `removed` of them by items that are gone.
    """

    identity: bytes
    bits: int | None
    kind: str | None
    fingerprint: str | None
    version: int
    generation: int
    count: int
    removed: int


class Store:
    """A connection to the database of an index folder.

    Parameters
    ----------
    folder : Path
    access : "create", "write", "read", "readonly" or "still"
        "still" reads a database that no program has open, in a folder without write permission;
        the caller sees to it that it stays so (`crossbit.index.embedded.access`).

    Raises
    ------
    DataError
        If the database is damaged, of another format, locked, or out of reach.
    """

    def __init__(self, folder: Path, access: str, name: str = DATABASE) -> None:
        register()
        self.path = folder / name
        writing = access in ("create", "write")
        with disk_errors(self.path, "opened"):
            self._db = _connect(self.path, access)
            try:
                if access == "create":
                    self._create()
                self._check_format()
                if writing:
                    self._db.pragma("synchronous", "full")
                    self._db.pragma("journal_size_limit", 1 << 26)
                elif access == "read":
                    self._db.pragma("query_only", True)
            except BaseException:
                self._db.close()
                raise

    def allow_checkpoint_at_close(self) -> None:
        """Let the last connection fold the log into the database: it was found to be sound."""
        self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)

    @contextmanager
    def snapshot(self) -> Iterator[Record]:
        """Read one consistent state of the database in the block."""
        with disk_errors(self.path, "read"):
            self._db.execute("BEGIN")
            try:
                yield self.record()
            finally:
                self._rollback()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, durably, or nothing of it."""
        with disk_errors(self.path, "written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                self._rollback()

    def record(self) -> Record:
        """Return the state row."""
        row = self._db.execute(
            "SELECT identity, bits, kind, fingerprint, version, generation, count, removed "
            "FROM state"
        ).fetchone()
        if row is None:
            raise DataError(f"{self.path} holds no state; restore the index from a backup")
        return Record(*row)

    def set_record(self, record: Record) -> None:
        """Replace the state row."""
        self._db.execute(
            "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.identity, record.bits, record.kind, record.fingerprint,
                record.version, record.generation, record.count, record.removed,
            ),
        )  # fmt: skip

    # -- ids and codes ---------------------------------------------------------------------

    def sizes(self, descending: bool = False) -> Iterator[tuple[int, int]]:
        """Yield first position and count of the segments, without reading their arrays."""
        order = "DESC" if descending else "ASC"
        yield from self._db.execute(f"SELECT first, count FROM segment ORDER BY first {order}")

    def id_blobs(self, start: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield (first, count, ids) of the segments that hold positions from `start` up."""
        yield from self._db.execute(
            "SELECT first, count, ids FROM segment WHERE first + count > ? ORDER BY first", (start,)
        )

    def code_blobs(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (first, count, codes) of all segments in order."""
        yield from self._db.execute("SELECT first, count, codes FROM segment ORDER BY first")

    def segment(self, first: int) -> tuple[int, bytes, bytes]:
        """Return (count, ids, codes) of the segment that starts at `first`."""
        row = self._db.execute(
            "SELECT count, ids, codes FROM segment WHERE first = ?", (first,)
        ).fetchone()
        assert row is not None
        return row

    def put_segment(self, first: int, count: int, ids: bytes, codes: bytes) -> None:
        """Insert a segment, or replace the one that starts at `first`."""
        self._db.execute(
            "INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?)", (first, count, ids, codes)
        )

    def drop_segment(self, first: int) -> None:
        """Delete the segment that starts at `first`."""
        self._db.execute("DELETE FROM segment WHERE first = ?", (first,))

    # -- removals and block checksums ------------------------------------------------------

    def removals(self, version: int = -1) -> Iterator[tuple[int, bytes]]:
        """Yield the bitmaps, by chunk of positions, that changed after `version`."""
        yield from self._db.execute(
            "SELECT chunk, bitmap FROM removed WHERE version > ?", (version,)
        )

    def put_removals(self, chunk: int, version: int, bitmap: bytes) -> None:
        """Set the bitmap of one chunk of positions: a set bit is a removed item."""
        self._db.execute(
            "INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", (chunk, version, bitmap)
        )

    def checksums(self, start: int = 0) -> list[int]:
        """Return the CRC-32 of the blocks of the code file from number `start` up."""
        rows = self._db.execute(
            "SELECT checksum FROM block WHERE number >= ? ORDER BY number", (start,)
        )
        return [row[0] for row in rows]

    def put_checksums(self, start: int, checksums: Sequence[int]) -> None:
        """Set the CRC-32 of the blocks from number `start` up."""
        self._db.executemany(
            "INSERT OR REPLACE INTO block VALUES (?, ?)", enumerate(checksums, start)
        )

    def clear(self, *tables: str) -> None:
        """Delete all rows of some tables."""
        for table in tables:
            self._db.execute(f"DELETE FROM {table}")

    # -- payload ---------------------------------------------------------------------------

    def payload(self, positions: np.ndarray) -> dict[int, str]:
        """Return the JSON text of those positions that have any; one query for all of them."""
        if not len(positions) or not self._has_payload():
            return {}
        carray = apsw.carray(np.unique(positions))
        return dict(
            self._db.execute(
                "SELECT position, json FROM payload WHERE position IN carray(?)", (carray,)
            )
        )

    def put_payload(self, rows: Iterator[tuple[int, str]]) -> None:
        """Insert payload by position."""
        self._db.executemany("INSERT INTO payload VALUES (?, ?)", rows)

    def drop_payload(self, positions: np.ndarray) -> None:
        """Delete the payload of some positions."""
        if len(positions) and self._has_payload():
            self._db.execute(
                "DELETE FROM payload WHERE position IN carray(?)", (apsw.carray(positions),)
            )

    def move_payload(self, starts: np.ndarray, stops: np.ndarray, shifts: np.ndarray) -> None:
        """Lower all positions by the shift of the run [start, stop) that they lie in."""
        self._db.execute("CREATE TABLE moved (position INTEGER PRIMARY KEY, json TEXT)")
        self._db.executemany(
            "INSERT INTO moved SELECT position - ?, json FROM payload "
            "WHERE position >= ? AND position < ?",
            zip(shifts.tolist(), starts.tolist(), stops.tolist(), strict=True),
        )
        self._db.execute("DROP TABLE payload")
        self._db.execute("ALTER TABLE moved RENAME TO payload")

    def select(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Run a query of a caller who knows the schema."""
        yield from self._db.execute(sql, values)

    # -- upkeep ----------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Fold the log into the database and empty it, as far as readers let it."""
        with disk_errors(self.path, "written"):
            self._db.set_busy_timeout(0)
            try:
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return  # a reader needs the log; a later checkpoint will do it
            finally:
                self._db.set_busy_timeout(WAIT)

    def vacuum(self) -> None:
        """Rewrite the database without free pages."""
        with disk_errors(self.path, "written"):
            self._db.execute("VACUUM")

    def problems(self) -> list[str]:
        """Check every page and SQLite's own structures."""
        faults = []
        try:
            rows = [row[0] for row in self._db.execute("PRAGMA integrity_check(20)")]
            faults += [f"{self.path}: {row}" for row in rows if row != "ok"]
        except apsw.Error as error:
            faults.append(f"{self.path} is damaged: {error}")
        return faults + check_file(self.path)

    def close(self) -> None:
        """Close the connection."""
        with disk_errors(self.path, "closed"):
            self._db.close()

    def _has_payload(self) -> bool:
        return self._db.execute("SELECT 1 FROM payload LIMIT 1").fetchone() is not None

    def _create(self) -> None:
        self._db.reserve_bytes(reserve=8)  # room for the checksums
        self._db.pragma("page_size", PAGE)
        self._db.pragma("journal_mode", "wal")
        self._db.pragma("synchronous", "full")
        with self._db:
            self._db.pragma("application_id", APPLICATION)
            self._db.pragma("user_version", FORMAT)
            self._db.execute(SCHEMA)
            self.set_record(Record(os.urandom(16), None, None, None, 0, 1, 0, 0))

    def _check_format(self) -> None:
        versions = self._db.pragma("application_id"), self._db.pragma("user_version")
        if versions != (APPLICATION, FORMAT):
            raise DataError(
                f"{self.path} is no database of a crossbit index of format {FORMAT}; upgrade "
                "crossbit, or encode the items again into a new folder"
            )
        # One flipped byte of the header would switch the checksums off.
        if not self._db.pragma("checksum_verification"):
            raise DataError(
                f"{self.path} is damaged: its header says there are no page checksums; restore "
                "it from a backup or encode the items again"
            )

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _connect(path: Path, access: str) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_URI
    if access in ("readonly", "still"):
        flags |= apsw.SQLITE_OPEN_READONLY
    else:
        flags |= apsw.SQLITE_OPEN_READWRITE
    if access == "create":
        flags |= apsw.SQLITE_OPEN_CREATE
    uri = f"file:{quote(str(path.absolute()))}" + ("?immutable=1" if access == "still" else "")
    db = apsw.Connection(uri, flags=flags, vfs=VFS)
    db.set_busy_timeout(WAIT)
    if access != "create":
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return db
