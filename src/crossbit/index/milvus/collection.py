"""One collection on a Milvus server: its shape, its size, loading and upkeep."""

from __future__ import annotations

import time
from typing import Any

from crossbit.errors import ConfigError, DataError
from crossbit.index.milvus.approximate import Cells, read_cells
from crossbit.index.milvus.filter import beyond
from crossbit.index.milvus.schema import LONG, Shape, create, load, read_shape, schema_faults
from crossbit.index.milvus.server import PATIENCE, Address, connect, talking

__all__ = ["Collection"]

IDS_AT_ONCE = 16_000  # of the 16,384 rows that Milvus gives to one query


class Collection:
    """A connection to the collection at `address`; made if `writing` and not there."""

    def __init__(self, address: Address, writing: bool) -> None:
        self.address = address
        self._loaded: Any = None
        self.client = connect(address)
        try:
            self._find_or_create(writing)
        except BaseException:
            self.client.close()
            raise

    def shape(self) -> Shape:
        """Return the shape of now: another program may have emptied the index and begun anew."""
        with talking(self.address, "describe the collection"):
            description = self._describe()
            shape = read_shape(self.address, description)
            if shape.bits is not None and description["collection_id"] != self._loaded:
                load(self.client, self.address)
                self._loaded = description["collection_id"]
        return shape

    def begin_anew(self, shape: Shape) -> None:
        """Replace the collection by an empty one."""
        with talking(self.address, "make the collection"):
            self.client.drop_collection(self.address.collection, timeout=LONG)
            create(self.client, self.address, shape)

    def count(self, shape: Shape, consistency: str) -> int:
        """Return how many items there are; the server counts in O(n)."""
        if shape.bits is None:
            return 0
        with talking(self.address, "count"):
            rows = self.client.query(
                self.address.collection,
                filter="",
                output_fields=["count(*)"],
                consistency_level=consistency,
                timeout=LONG,
            )
        return int(rows[0]["count(*)"])

    def some(self, count: int, consistency: str) -> list[dict[str, Any]]:
        """Return id and code of up to `count` items, 16,000 at most."""
        with talking(self.address, "query"):
            return list(
                self.client.query(
                    self.address.collection,
                    filter="",
                    limit=min(count, IDS_AT_ONCE),
                    output_fields=["id", "code"],
                    consistency_level=consistency,
                    timeout=LONG,
                )
            )

    def count_ids(self) -> int:
        """Read all ids, and return how many different ones there are."""
        ids, condition = 0, ""
        with talking(self.address, "list the ids"):
            # As pymilvus's query_iterator does, but that one leaves quotes in ids as they are.
            while rows := self.client.query(
                self.address.collection,
                filter=condition,
                output_fields=["id"],
                limit=IDS_AT_ONCE,
                iterator="True",
                reduce_stop_for_best="True",
                consistency_level="Strong",
                timeout=LONG,
            ):
                ids += len(rows)
                condition = beyond(max(row["id"] for row in rows))
        return ids

    def cells(self) -> Cells | None:
        """Return the cells of the approximate structure, None if there is none."""
        with talking(self.address, "describe the collection"):
            return read_cells(self._vector_index(), self._describe().get("properties", {}))

    def faults(self, shape: Shape) -> list[str]:
        """Return how the collection differs from its description."""
        with talking(self.address, "describe the collection"):
            return schema_faults(shape, self._describe(), self._vector_index())

    def server_version(self) -> str:
        with talking(self.address, "tell its version"):
            return str(self.client.get_server_version(timeout=PATIENCE))

    def flush(self) -> None:
        """Seal the growing segments and write them to the object storage."""
        with talking(self.address, "flush"):
            self.client.flush(self.address.collection, timeout=LONG)

    def compact(self) -> None:
        """Have the segments rewritten without removed items, and wait for it."""
        self.flush()
        with talking(self.address, "compact"):
            job = self.client.compact(self.address.collection, timeout=PATIENCE)
            last = time.monotonic() + LONG
            while self.client.get_compaction_state(job, timeout=PATIENCE) != "Completed":
                if time.monotonic() > last:
                    raise DataError(
                        f"the server has not compacted {self.address} within {LONG:.0f} s; it "
                        "goes on by itself"
                    )
                time.sleep(0.05)

    def _find_or_create(self, writing: bool) -> None:
        address = self.address
        with talking(address, "look for the collection"):
            exists = self.client.has_collection(address.collection, timeout=PATIENCE)
        if not exists and not writing:
            raise DataError(
                f"there is no index at {address}; check the address, or make an index with "
                "`crossbit index build` or open_index(address, 'w')"
            )
        if not exists:
            shape = Shape(
                index=address.index or "flat",
                nlist=address.nlist or Shape.nlist,
                shards=address.shards or 1,
            )
            with talking(address, "make the collection"):
                create(self.client, address, shape)
        shape = self.shape()
        if address.shards not in (None, shape.shards):
            raise ConfigError(
                f"{address} has {shape.shards} shards, not {address.shards}; their number is "
                "fixed when an index is made"
            )

    def _describe(self) -> dict[str, Any]:
        return dict(self.client.describe_collection(self.address.collection, timeout=PATIENCE))

    def _vector_index(self) -> dict[str, Any] | None:
        name = self.address.collection
        if not self.client.list_indexes(name):
            return None
        return dict(self.client.describe_index(name, "code", timeout=PATIENCE))
