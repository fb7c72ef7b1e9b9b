"""The embedded index: a folder with a database as the truth and a code file for the kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from crossbit.codes import Codes, code_bytes
from crossbit.errors import ConfigError, DataError
from crossbit.index.base import Hits, Index
from crossbit.index.checks import (
    check_filter,
    check_kind,
    check_model,
    check_unique,
    id_kind,
    is_whole,
    payload_lines,
    unknown_id,
    usable_ids,
)
from crossbit.index.embedded import approximate as approximation
from crossbit.index.embedded import writing
from crossbit.index.embedded.connection import Connection
from crossbit.index.embedded.queries import candidates, collect, nearest, nothing, within
from crossbit.index.embedded.snapshot import Snapshot
from crossbit.index.embedded.store import Record
from crossbit.index.embedded.verifying import describe, problems
from crossbit.threads import n_threads

__all__ = ["EmbeddedIndex"]

T = TypeVar("T")


class EmbeddedIndex(Index):
    """Codes, ids and payload in a folder.

    Exact search by the Hamming kernel over memory-mapped codes: O(n bits / 64) a query. A write
    is one SQLite transaction, synced before the call returns; codes, ids and payload are in the
    database, and the code file beside it is a cache that is made anew when it is damaged.

    Any number of readers, one writer, in any processes of one machine: a second writer is
    refused. A reader sees one version of the index throughout a call, and the newest one at the
    next call. Calls from several threads on one object take turns; for searches side by side
    open the index once per thread, or give `n_jobs`.

    Opening reads neither codes nor ids. The first search reads and checks all codes once
    (n bits / 8 bytes) and reads the ids (8 bytes each, or their characters and 8 bytes each).
    The first call that looks ids up sorts them: O(n log n), 16 bytes each. `where` reads the
    payload of all items that have any: about 0.3 microseconds each.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self._folder = connection.folder
        self._mutex = threading.RLock()

    @classmethod
    def open(cls, location: str, mode: str) -> Self:
        """Open a folder; see `crossbit.open_index`."""
        return cls(Connection(Path(location), writing=mode == "w"))

    # -- contents --------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def bits(self) -> int | None:
        """Code length; None while nothing was ever added."""
        return self._read(lambda snapshot: snapshot.record.bits)

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the model whose codes these are; None if it was not given."""
        return self._read(lambda snapshot: snapshot.record.fingerprint)

    def __len__(self) -> int:
        return self._read(lambda snapshot: snapshot.live)

    def get(self, ids: Sequence[Any] | np.ndarray) -> tuple[Codes, list[dict[str, Any]]]:
        """Return codes and payload of some items, in the order of `ids`; O(log n) each."""
        keys = usable_ids(ids)

        def work(snapshot: Snapshot) -> tuple[Codes, list[dict[str, Any]]]:
            positions = _positions_of(snapshot, keys)
            if snapshot.record.bits is None:
                raise DataError("the index is empty; add codes first")
            if not len(positions):
                none = np.empty((0, code_bytes(snapshot.record.bits)), dtype=np.uint8)
                return Codes(none, snapshot.record.bits, keys), []
            hits = collect(snapshot, [positions], [np.zeros(len(positions))], payload=True)[0]
            return Codes(snapshot.codes()[positions], snapshot.record.bits, hits.ids), hits.payload

        return self._read(work)

    def sample(self, count: int) -> Codes:
        """Return the codes of up to `count` items, evenly spread over the order of adding; O(n)."""
        _at_least("count", count, 1)

        def work(snapshot: Snapshot) -> Codes:
            if snapshot.record.bits is None or not snapshot.live:
                raise DataError("the index is empty; add codes first")
            alive = np.flatnonzero(snapshot.alive())
            chosen = alive[np.linspace(0, len(alive) - 1, min(count, len(alive)), dtype=np.int64)]
            return Codes(
                snapshot.codes()[chosen], snapshot.record.bits, snapshot.ids().take(chosen)
            )

        return self._read(work)

    # -- search ----------------------------------------------------------------------------

    def search(
        self,
        queries: Codes,
        k: int = 10,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        where: Mapping[str, Any] | None = None,
        approximate: bool = False,
        payload: bool = True,
        fingerprint: str | None = None,
        n_jobs: int | None = None,
    ) -> list[Hits]:
        """Return the k nearest items of every query; equal distances in the order of adding."""
        _at_least("k", k, 1)
        threads = n_threads(n_jobs)
        allowed_ids = None if allowed is None else usable_ids(allowed)
        conditions = check_filter(where or {})
        if approximate and (allowed_ids is not None or conditions):
            raise ConfigError(
                "an approximate search cannot be filtered; leave out allowed and where, or "
                "search exactly"
            )

        def work(snapshot: Snapshot) -> list[Hits]:
            if not self._check_query(snapshot, queries, fingerprint):
                return nothing(snapshot, len(queries))
            if approximate:
                positions, distances = approximation.search(snapshot, queries, int(k), threads)
            else:
                chosen = candidates(snapshot, allowed_ids, conditions)
                positions, distances = nearest(snapshot, queries, int(k), chosen, threads)
            return collect(snapshot, positions, distances, payload=payload)

        return self._read(work)

    def range_search(
        self,
        queries: Codes,
        radius: int,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        where: Mapping[str, Any] | None = None,
        payload: bool = True,
        fingerprint: str | None = None,
        n_jobs: int | None = None,
    ) -> list[Hits]:
        """Return, for every query, all items at a distance of at most `radius`, nearest first."""
        _at_least("radius", radius, 0)
        threads = n_threads(n_jobs)
        allowed_ids = None if allowed is None else usable_ids(allowed)
        conditions = check_filter(where or {})

        def work(snapshot: Snapshot) -> list[Hits]:
            if not self._check_query(snapshot, queries, fingerprint):
                return nothing(snapshot, len(queries))
            chosen = candidates(snapshot, allowed_ids, conditions)
            positions, distances = within(snapshot, queries, int(radius), chosen, threads)
            return collect(snapshot, positions, distances, payload=payload)

        return self._read(work)

    # -- writing ---------------------------------------------------------------------------

    def add(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Add items, durably; a batch costs one sync of the disk, so add in large ones."""
        self._put(codes, payload, fingerprint, replacing=False)

    def upsert(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Add items and replace those that are there, durably, in one transaction."""
        self._put(codes, payload, fingerprint, replacing=True)

    def remove(self, ids: Sequence[Any] | np.ndarray) -> None:
        """Remove items, durably; their place in the code file stays taken until `compact`."""
        keys = usable_ids(ids)

        def work(snapshot: Snapshot) -> Record | None:
            positions = np.unique(_positions_of(snapshot, keys))
            return (
                writing.remove_positions(snapshot, snapshot.record, positions)
                if len(keys)
                else None
            )

        self._write(work)

    def build_approximate(self, kind: str = "ivf", **settings: Any) -> float:
        """Make the faiss structure for ``search(approximate=True)`` over the items of now.

        Parameters
        ----------
        kind : "ivf" or "hnsw"
        **settings
            ivf: cells (default about 4 sqrt(n)), probes (cells searched, default a sixteenth of
            them). hnsw: links (16), build (40), search (64): the usual M, efConstruction and
            efSearch.

        Returns
        -------
        float
            Recall at 10 against exact search, over up to 200 stored codes as queries: how many
            of the 10 returned are as near as the tenth nearest.

        Raises
        ------
        MissingDependencyError
            Without faiss; ``pip install 'crossbit[approximate]'`` brings it.

        Notes
        -----
        Kept in a checksummed file. Any later write outdates it: an approximate search is then
        refused until this is called again; exact search does not care.
        """
        connection = self._writable()
        return self._read(
            lambda snapshot: approximation.build(snapshot, connection.folder, kind, settings)
        )

    # -- upkeep ----------------------------------------------------------------------------

    def stat(self) -> dict[str, Any]:
        """Describe the index; see `Index.stat`. Adds generation, segments and approximate."""
        return self._read(describe)

    def verify(self) -> list[str]:
        """Check every page of the database, every block of codes, and how all fits; O(n)."""
        return self._read(problems)

    def compact(self) -> None:
        """Rewrite codes and database without removed items; O(n) time, twice the space meanwhile.

        Readers go on with the version that they see, and move over at their next call.
        """
        self._write(lambda snapshot: writing.rewrite(snapshot) if snapshot.record.removed else None)
        with self._mutex:
            connection = self._writable()
            connection.store.vacuum()
            connection.store.checkpoint()

    def flush(self) -> None:
        """Do nothing: what was written lasts when its call returns."""
        self._writable()

    def close(self) -> None:
        """Close the index; a writer folds the log into the database."""
        with self._mutex:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    # -- how a call runs -------------------------------------------------------------------

    def _read(self, work: Callable[[Snapshot], T]) -> T:
        with self._mutex:
            return self._opened().read(work)

    def _write(self, work: Callable[[Snapshot], Record | None]) -> None:
        with self._mutex:
            self._writable().write(work)

    def _opened(self) -> Connection:
        if self._connection is None:
            raise ConfigError("this index is closed; open it again with crossbit.open_index")
        return self._connection

    def _writable(self) -> Connection:
        connection = self._opened()
        if not connection.writing:
            raise ConfigError(
                f"the index {connection.folder} is open for reading; open it with mode 'w'"
            )
        return connection

    def _put(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None,
        fingerprint: str | None,
        *,
        replacing: bool,
    ) -> None:
        ids = usable_ids(codes.ids)
        lines = payload_lines(payload, len(ids))
        self._writable()

        def work(snapshot: Snapshot) -> Record | None:
            if not len(ids):
                return None
            record = snapshot.record
            check_unique(ids)
            if not snapshot.live:
                record = writing.start_over(snapshot, codes, id_kind(ids), fingerprint)
            else:
                check_model(record.bits, record.fingerprint, codes, fingerprint, "add")
                check_kind(record.kind, ids)
                existing = snapshot.find(ids)
                existing = existing[existing >= 0]
                if len(existing) and not replacing:
                    key = snapshot.ids().take(existing[:1])[0].item()
                    raise DataError(
                        f"id {key!r} is in the index already; remove it first, use another id, "
                        "or replace it with upsert"
                    )
                if len(existing):
                    record = writing.remove_positions(snapshot, record, existing)
            return writing.append_items(snapshot, record, ids, codes.packed, lines)

        self._write(work)

    def _check_query(self, snapshot: Snapshot, queries: Codes, fingerprint: str | None) -> bool:
        """Check that the queries fit; say whether there is anything to find."""
        record = snapshot.record
        if snapshot.live:
            check_model(record.bits, record.fingerprint, queries, fingerprint, "search")
        return snapshot.live > 0 and len(queries) > 0


def _positions_of(snapshot: Snapshot, ids: np.ndarray) -> np.ndarray:
    """Return the positions of ids, all of which must exist."""
    fits = snapshot.record.kind == id_kind(ids)
    positions = snapshot.find(ids) if fits else np.full(len(ids), -1, dtype=np.int64)
    missing = np.flatnonzero(positions < 0)
    if len(missing):
        raise unknown_id(ids[missing[0]].item())
    return positions


def _at_least(name: str, value: Any, least: int) -> None:
    if not is_whole(value, least):
        raise ConfigError(f"{name} must be a whole number from {least} up, got {value!r}")
