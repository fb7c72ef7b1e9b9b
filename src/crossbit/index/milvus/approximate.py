"""The cells of BIN_IVF_FLAT: built over a collection, measured against exact search."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.index.checks import is_whole
from crossbit.index.milvus.schema import LONG, load, make_index
from crossbit.index.milvus.search import CollectionSearch
from crossbit.index.milvus.server import PATIENCE, Address, talking

__all__ = ["Cells", "build_cells", "read_cells"]

MAX_NLIST = 65_536
SAMPLE = 100
TOP = 10
# Properties of the collection: the description cannot change, these can.
NPROBE, RECALL = "crossbit.nprobe", "crossbit.recall"


@dataclass(frozen=True)
class Cells:
    """nlist cells, of which an approximate search looks into nprobe."""

    nlist: int
    nprobe: int
    recall: float | None

    def described(self) -> dict[str, Any]:
        """Return what `stat` says."""
        return {
            "kind": "ivf",
            "nlist": self.nlist,
            "nprobe": self.nprobe,
            f"recall@{TOP}": self.recall,
        }


def read_cells(index: dict[str, Any] | None, properties: dict[str, Any]) -> Cells | None:
    """Return the cells that the collection has, or None for BIN_FLAT."""
    if index is None or index.get("index_type") != "BIN_IVF_FLAT":
        return None
    nlist = int(index.get("nlist", 128))
    nprobe = int(properties.get(NPROBE, _share(nlist)))
    recall = properties.get(RECALL)
    return Cells(nlist, min(nprobe, nlist), None if recall is None else float(recall))


def build_cells(client: Any, address: Address, count: int, settings: dict[str, Any]) -> float:
    """Train BIN_IVF_FLAT on the items and return its recall at 10 on a sample of them.

    Recall is the share of answers that are no farther than the tenth of the exact search.
    """
    unknown = sorted(set(settings) - {"nlist", "nprobe"})
    if unknown:
        raise ConfigError(f"'ivf' in Milvus has the settings nlist and nprobe, not {unknown[0]!r}")
    nlist = _number(settings, "nlist", min(max(1, round(4 * count**0.5)), MAX_NLIST), MAX_NLIST)
    nprobe = _number(settings, "nprobe", _share(nlist), nlist)
    name = address.collection
    with talking(address, "build the index"):
        client.flush(name, timeout=LONG)
        client.release_collection(name, timeout=LONG)
        client.drop_index(name, "code", timeout=LONG)
        make_index(client, address, "ivf", nlist)
        _wait_built(client, address)
        client.load_collection(name, _async=True, timeout=PATIENCE)
        load(client, address)
        recall = _recall(client, address, nprobe)
        client.alter_collection_properties(
            name, {NPROBE: str(nprobe), RECALL: f"{recall:.4f}"}, timeout=PATIENCE
        )
    return recall


def _wait_built(client: Any, address: Address) -> None:
    last = time.monotonic() + LONG
    while True:
        state = client.describe_index(address.collection, "code", timeout=PATIENCE)["state"]
        if state == "Finished":
            return
        if state == "Failed":
            raise DataError(f"the server could not build the index of {address}; see its log")
        if time.monotonic() > last:
            raise DataError(
                f"the server has not built the index of {address} within {LONG:.0f} s; it goes "
                "on by itself, open the index again later"
            )
        time.sleep(0.05)


def _recall(client: Any, address: Address, nprobe: int) -> float:
    rows = client.query(
        address.collection,
        filter="",
        limit=SAMPLE,
        output_fields=["code"],
        consistency_level="Strong",
        timeout=PATIENCE,
    )
    packed = np.frombuffer(b"".join(row["code"][0] for row in rows), dtype=np.uint8)
    packed = packed.reshape(len(rows), -1)
    sample = Codes(packed, packed.shape[1] * 8)
    kind = "str" if isinstance(rows[0]["id"], str) else "int64"
    searcher = CollectionSearch(client, address, "Strong", kind)
    exact = searcher.nearest(sample, TOP, [""], payload=False)
    near = searcher.nearest(sample, TOP, [""], payload=False, nprobe=nprobe)
    shares = [
        (hits.distances <= best.distances[-1]).sum() / len(best)
        for hits, best in zip(near, exact, strict=True)
    ]
    return float(np.mean(shares))


def _share(nlist: int) -> int:
    return max(1, round(nlist / 16))


def _number(settings: dict[str, Any], name: str, default: int, most: int) -> int:
    value = settings.get(name)
    if value is None:
        return default
    if not is_whole(value, 1) or value > most:
        raise ConfigError(f"{name} must be a whole number from 1 to {most}, got {value!r}")
    return int(value)
