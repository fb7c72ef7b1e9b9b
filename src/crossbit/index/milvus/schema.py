"""An index as a Milvus collection: its fields, its description, its vector index."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from crossbit.codes import code_bytes
from crossbit.errors import DataError
from crossbit.files import check_format
from crossbit.index.milvus.server import CONSISTENCY, PATIENCE, Address

__all__ = [
    "ID_BYTES",
    "LONG",
    "Shape",
    "create",
    "load",
    "make_index",
    "read_shape",
    "schema_faults",
    "show",
]

KIND = "crossbit index"
FORMAT = 1
INDEX_TYPES = {"flat": "BIN_FLAT", "ivf": "BIN_IVF_FLAT"}
ID_BYTES = 65_535  # the longest VARCHAR that Milvus knows
LONG = 600.0  # seconds for loading, flushing, building


@dataclass(frozen=True)
class Shape:
    """What the description of a collection says: it cannot change while there are items.

    An index that never held anything has no `bits`; its collection is a mark without vector index.
    """

    bits: int | None = None
    ids: str | None = None
    fingerprint: str | None = None
    index: str = "flat"
    nlist: int = 1024
    shards: int = 1

    def described(self) -> str:
        """Return the description."""
        return json.dumps({"kind": KIND, "format": FORMAT, **asdict(self)}, sort_keys=True)

    def refit(self, bits: int, ids: str, fingerprint: str | None) -> Shape:
        """Return the shape for other items, with the same settings."""
        return replace(self, bits=bits, ids=ids, fingerprint=fingerprint)


def read_shape(address: Address, description: dict[str, Any]) -> Shape:
    """Return the shape of a collection that pymilvus described; DataError if it is not ours."""
    try:
        value = json.loads(description["description"])
        if value.pop("kind") != KIND:
            raise KeyError
    except (ValueError, KeyError, AttributeError, TypeError):
        raise DataError(
            f"the collection {address} was not made by crossbit; choose another name"
        ) from None
    check_format(address, value.pop("format", None), FORMAT, "encode the items again")
    try:
        return Shape(**value)
    except TypeError:
        raise DataError(f"the description of {address} is damaged; make the index anew") from None


def create(client: Any, address: Address, shape: Shape) -> None:
    """Make the collection, ready to be written to; `load` makes it ready to be read."""
    from pymilvus import DataType

    schema = client.create_schema(
        auto_id=False, enable_dynamic_field=False, description=shape.described()
    )
    if shape.ids == "int64":
        schema.add_field("id", DataType.INT64, is_primary=True)
    else:
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=ID_BYTES)
    schema.add_field("code", DataType.BINARY_VECTOR, dim=_dim(shape))
    schema.add_field("payload", DataType.JSON)
    client.create_collection(
        address.collection,
        schema=schema,
        num_shards=shape.shards,
        consistency_level=CONSISTENCY[address.consistency],
        timeout=LONG,
    )
    if shape.bits is not None:
        make_index(client, address, shape.index, shape.nlist)


def make_index(client: Any, address: Address, kind: str, nlist: int) -> None:
    """Declare the vector index; Milvus builds it over sealed segments in the background."""
    params = client.prepare_index_params()
    params.add_index(
        "code",
        index_name="code",
        index_type=INDEX_TYPES[kind],
        metric_type="HAMMING",
        params={"nlist": nlist} if kind == "ivf" else {},
    )
    client.create_index(address.collection, params, sync=False, timeout=LONG)


def load(client: Any, address: Address) -> None:
    """Bring the collection into the query nodes' memory and wait until it is there.

    Raises
    ------
    DataError
        If that takes longer than `LONG` seconds.
    """
    name = address.collection
    if _is_loaded(client, name):
        return
    client.load_collection(name, _async=True, timeout=PATIENCE)
    # pymilvus itself would look only twice a second.
    last = time.monotonic() + LONG
    while not _is_loaded(client, name):
        if time.monotonic() > last:
            raise DataError(
                f"{address} was not loaded within {LONG:.0f} s; see the server's log, it may lack "
                "memory"
            )
        time.sleep(0.02)


def show(client: Any, address: Address) -> None:
    """Let searches see what was imported; a collection that is loaded takes up to 10 s for it."""
    if _is_loaded(client, address.collection):
        client.refresh_load(address.collection, timeout=LONG)
    else:
        load(client, address)


def schema_faults(
    shape: Shape, description: dict[str, Any], index: dict[str, Any] | None
) -> list[str]:
    """Return how a collection differs from what its description says."""
    from pymilvus import DataType

    faults = []
    fields = {part["name"]: part for part in description["fields"]}
    types = {
        "id": DataType.INT64 if shape.ids == "int64" else DataType.VARCHAR,
        "code": DataType.BINARY_VECTOR,
        "payload": DataType.JSON,
    }
    for name, kind in types.items():
        if name not in fields or fields[name]["type"] != kind:
            faults.append(f"the field {name!r} is missing or not of type {kind.name}")
    width = int(fields.get("code", {}).get("params", {}).get("dim", 0))
    if width != _dim(shape):
        faults.append(f"the codes have {width} bits, the description says {shape.bits}")
    if description.get("num_shards") != shape.shards:
        faults.append(f"there are {description.get('num_shards')} shards, not {shape.shards}")
    if shape.bits is None:
        return faults
    if index is None or index.get("metric_type") != "HAMMING":
        faults.append("the codes have no index by Hamming distance")
    elif index.get("index_type") not in INDEX_TYPES.values():
        faults.append(f"the index of the codes is of type {index.get('index_type')}")
    return faults


def _dim(shape: Shape) -> int:
    """Return the width of the field of codes: Milvus takes whole bytes, the rest is zero."""
    return 8 * code_bytes(shape.bits or 8)


def _is_loaded(client: Any, name: str) -> bool:
    return bool(client.get_load_state(name, timeout=PATIENCE)["state"].name == "Loaded")
