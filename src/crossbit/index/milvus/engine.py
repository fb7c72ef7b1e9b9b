"""The Milvus engine: an index as a collection of a Milvus server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from crossbit.codes import Codes, code_bytes
from crossbit.errors import ConfigError, DataError
from crossbit.index.base import Hits, Index
from crossbit.index.checks import (
    check_kind,
    check_model,
    check_unique,
    id_kind,
    is_whole,
    unknown_id,
    usable_ids,
)
from crossbit.index.milvus.approximate import Cells, build_cells
from crossbit.index.milvus.bulk import AT_ONCE, FEWEST, bulk_insert, check_folder
from crossbit.index.milvus.collection import Collection
from crossbit.index.milvus.rows import insert, prepared, read, remove, upsert
from crossbit.index.milvus.schema import Shape
from crossbit.index.milvus.search import CollectionSearch, filters
from crossbit.index.milvus.server import CONSISTENCY, parse_address
from crossbit.threads import n_threads

__all__ = ["MilvusIndex"]


class MilvusIndex(Index):
    """``milvus://host:port/collection``, for those who outgrow one machine.

    Options follow the collection: ``?shards=2&index=ivf&nlist=1024&consistency=bounded&tls=yes``.

    shards : how many parts take writes in parallel, 1 if not given; fixed at creation.
    index : "flat" (BIN_FLAT, exact; the default) or "ivf" (BIN_IVF_FLAT with nlist cells, which
        ``approximate=True`` uses; without it all cells are searched, which is exact as well).
        Counts at creation; `build_approximate` changes it later.
    consistency : "strong" (the default: a search sees every write acknowledged before it, and
        waits for the server's clock, 0.2 s), "bounded", "session" or "eventually" (quicker, may
        miss the newest writes). Checks of ids before a write are always strong.
    import : a folder that this machine writes and the server reads (``import=/mnt/milvus/in``). An
        `add` of 200,000 items or more is put there as files, which the server imports: all items
        or none. When the call returns, searches of every consistency see them and the files are
        gone; only a client killed meanwhile leaves them, in a folder crossbit-*. Fewer items, and
        upserts, go as messages: an import takes up to 10 s of its own. In trials 500,000 codes of
        64 bits with whole-number ids came into a new collection about twice as quickly; with
        string ids and captions there was no sure gain.
    import_as : the server's name of that folder, if it is another one: the path within its
        container, or the prefix within its object storage.

    User and password stand before the host (``user:password@``) or, better, in the environment
    variable CROSSBIT_MILVUS_TOKEN (``user:password`` or a token).

    How it differs from the embedded engine:

    - Equal distances come in no promised order.
    - A write is acknowledged when the server's log has it, and is then as durable as that log.
    - One message of up to 20,000 items (8 MB) is written as a whole. An `add` of more takes the
      earlier messages out again if a later one fails; a client killed meanwhile leaves them.
    - Milvus keeps no id unique: `add` asks first, so two programs that add one id at the same
      time both succeed. Let one program write; `verify` finds double ids.
    - An emptied index that takes another model or length is dropped and made anew: for a moment
      readers are told that it is gone.
    - At most 16,384 answers to a query; a search or ball that needs more is a DataError.
    - Payloads up to 64 KiB of JSON, string ids up to 65,535 bytes.
    """

    def __init__(self, location: str, mode: str) -> None:
        self._address = parse_address(location)
        self._mode = mode
        self._consistency = CONSISTENCY[self._address.consistency]
        if mode == "w":
            check_folder(self._address)
        self._open: Collection | None = Collection(self._address, writing=mode == "w")

    @classmethod
    def open(cls, location: str, mode: str) -> Self:
        """Connect; an index that is not there is made when it is opened for writing."""
        return cls(location, mode)

    def close(self) -> None:
        if self._open is not None:
            self._open.client.close()
        self._open = None

    @property
    def address(self) -> str:
        return str(self._address)

    @property
    def gather(self) -> int:
        return AT_ONCE if self._address.imports else 0

    @property
    def bits(self) -> int | None:
        return self._collection.shape().bits

    @property
    def fingerprint(self) -> str | None:
        return self._collection.shape().fingerprint

    def __len__(self) -> int:
        return self._collection.count(self._collection.shape(), self._consistency)

    def add(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        self._write("add", codes, payload, fingerprint)

    def upsert(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        self._write("upsert", codes, payload, fingerprint)

    def remove(self, ids: Sequence[Any] | np.ndarray) -> None:
        shape = self._writable()
        keys = usable_ids(ids)
        self._existing(shape, keys, ["id"], "Strong")
        remove(self._collection.client, self._address, np.unique(keys))

    def get(self, ids: Sequence[Any] | np.ndarray) -> tuple[Codes, list[dict[str, Any]]]:
        shape = self._collection.shape()
        keys = usable_ids(ids)
        rows_by_id = self._existing(shape, keys, ["id", "code", "payload"], self._consistency)
        rows = [rows_by_id[key] for key in keys.tolist()]
        bits = shape.bits or 8
        packed = np.frombuffer(b"".join(row["code"][0] for row in rows), dtype=np.uint8)
        codes = Codes(packed.reshape(-1, code_bytes(bits)), bits, keys)
        return codes, [row["payload"] for row in rows]

    def sample(self, count: int) -> Codes:
        """Return the codes of up to `count` items, whichever the server brings first."""
        if not is_whole(count, 1):
            raise ConfigError(f"count must be a whole number from 1 up, got {count!r}")
        shape = self._collection.shape()
        rows = [] if shape.bits is None else self._collection.some(count, self._consistency)
        if shape.bits is None or not rows:
            raise DataError("the index is empty; add codes first")
        packed = np.frombuffer(b"".join(row["code"][0] for row in rows), dtype=np.uint8)
        ids = usable_ids([row["id"] for row in rows])
        return Codes(packed.reshape(-1, code_bytes(shape.bits)), shape.bits, ids)

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
        if not is_whole(k, 1):
            raise ConfigError(f"k must be a whole number from 1, got {k!r}")
        if approximate and not (allowed is None and where is None):
            raise ConfigError(
                "an approximate search takes no allowed or where; leave approximate=True out"
            )
        shape = self._collection.shape()
        expressions = filters(allowed, where, shape.ids)
        cells = self._cells_to_search() if approximate else None
        search = self._collection_search(shape, queries, fingerprint, n_jobs)
        if search is None:
            return _nothing(queries, shape)
        if cells is not None:
            return search.nearest(queries, k, expressions, payload, cells.nprobe)
        return search.nearest(queries, k, expressions, payload)

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
        if not is_whole(radius, 0):
            raise ConfigError(f"radius must be a whole number from 0, got {radius!r}")
        shape = self._collection.shape()
        expressions = filters(allowed, where, shape.ids)
        search = self._collection_search(shape, queries, fingerprint, n_jobs)
        if search is None:
            return _nothing(queries, shape)
        radius = min(int(radius), queries.bits)
        cells = self._collection.cells() is not None
        return search.within(queries, radius, expressions, payload, cells)

    def build_approximate(self, kind: str = "ivf", **settings: Any) -> float | None:
        """Replace BIN_FLAT by BIN_IVF_FLAT, trained on the items of now; O(n) on the server.

        Items added later go to the nearest cells. While the server builds, searches of all
        programs are refused.

        Parameters
        ----------
        kind : "ivf"
        nlist : int
            Cells, from 1 to 65,536; 4 sqrt(n) if not given.
        nprobe : int
            Cells that an approximate search looks into; nlist / 16 if not given.
        """
        shape = self._writable()
        if kind != "ivf":
            raise ConfigError(f"Milvus knows the approximate structure 'ivf' only, got {kind!r}")
        count = self._collection.count(shape, "Strong")
        if not count:
            raise DataError("there are no items to train on; add some, then build_approximate")
        return build_cells(self._collection.client, self._address, count, settings)

    def stat(self) -> dict[str, Any]:
        collection = self._collection
        shape = collection.shape()
        cells = None if shape.bits is None else collection.cells()
        return {
            "engine": "milvus",
            "items": collection.count(shape, self._consistency),
            "removed": None,
            "bits": shape.bits,
            "fingerprint": shape.fingerprint,
            "ids": shape.ids,
            "version": None,
            "bytes": None,
            "address": str(self._address),
            "server": collection.server_version(),
            "shards": shape.shards,
            "consistency": self._address.consistency,
            "approximate": None if cells is None else cells.described(),
        }

    def verify(self) -> list[str]:
        """Check the schema, the vector index and, reading all ids, that none is there twice.

        O(n) time; while another program writes, its items may look like faults.
        """
        collection = self._collection
        shape = collection.shape()
        faults = collection.faults(shape)
        if shape.bits is not None and not faults:
            # Reading gives an id once, counting counts its rows.
            ids = collection.count_ids()
            count = collection.count(shape, "Strong")
            if count > ids:
                faults.append(
                    f"{count - ids} items have an id that another has, too: two programs added it "
                    "at a time; remove it and add it again"
                )
            elif count < ids:
                faults.append(f"{ids} items can be read, but only {count} are counted")
        return [f"{self._address}: {fault}" for fault in faults]

    def compact(self) -> None:
        if self._writable().bits is not None:
            self._collection.compact()

    def flush(self) -> None:
        """Seal what was written into segments of the object storage; not needed for durability."""
        if self._writable().bits is not None:
            self._collection.flush()

    @property
    def _collection(self) -> Collection:
        if self._open is None:
            raise ConfigError("this index is closed; open it again")
        return self._open

    def _writable(self) -> Shape:
        collection = self._collection
        if self._mode != "w":
            raise ConfigError("this index is open for reading; open it with mode 'w' to change it")
        return collection.shape()

    def _write(
        self,
        verb: str,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None,
        fingerprint: str | None,
    ) -> None:
        shape = self._writable()
        collection = self._collection
        ids, rows = prepared(codes, payload)
        check_unique(ids)
        if not rows:
            return
        if collection.count(shape, "Strong"):
            check_kind(shape.ids, ids)
            check_model(shape.bits, shape.fingerprint, codes, fingerprint, verb)
            if verb == "add":
                self._check_new(ids)
        else:
            fitting = shape.refit(codes.bits, id_kind(ids), fingerprint)
            if fitting != shape:
                collection.begin_anew(fitting)
        work = insert if verb == "add" else upsert
        if work is insert and self._address.imports and len(rows) >= FEWEST:
            work = bulk_insert
        work(collection.client, self._address, rows)

    def _check_new(self, ids: np.ndarray) -> None:
        existing = read(self._collection.client, self._address, ids, ["id"], "Strong")
        for key in ids.tolist():
            if key in existing:
                raise DataError(
                    f"id {key!r} is in the index already; upsert replaces it, or use another id"
                )

    def _existing(
        self, shape: Shape, ids: np.ndarray, fields: list[str], consistency: str
    ) -> dict[Any, dict[str, Any]]:
        """Return the rows with these ids, or raise DataError for the first that is not there."""
        rows: dict[Any, dict[str, Any]] = {}
        if shape.bits is not None and id_kind(ids) == shape.ids:
            client = self._collection.client
            rows = read(client, self._address, np.unique(ids), fields, consistency)
        for key in ids.tolist():
            if key not in rows:
                raise unknown_id(key)
        return rows

    def _cells_to_search(self) -> Cells:
        cells = self._collection.cells()
        if cells is None:
            raise DataError(
                "there is no approximate structure yet; call build_approximate, or search exactly"
            )
        return cells

    def _collection_search(
        self, shape: Shape, queries: Codes, fingerprint: str | None, n_jobs: int | None
    ) -> CollectionSearch | None:
        """Return the search of the collection, or None if there are no queries or no items."""
        n_threads(n_jobs)  # the server has threads of its own, but nonsense is refused
        if shape.bits is None:
            return None
        check_model(shape.bits, shape.fingerprint, queries, fingerprint, "search")
        if not len(queries):
            return None
        return CollectionSearch(
            self._collection.client, self._address, self._consistency, shape.ids
        )


def _nothing(queries: Codes, shape: Shape) -> list[Hits]:
    ids = np.empty(0, dtype=np.str_ if shape.ids == "str" else np.int64)
    return [Hits(ids, np.empty(0, dtype=np.int32), []) for _ in range(len(queries))]
