"""Items as rows of a Milvus collection: written in messages of limited size, read back by id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.index.checks import payload_lines, usable_ids
from crossbit.index.milvus.filter import id_expressions
from crossbit.index.milvus.schema import ID_BYTES
from crossbit.index.milvus.server import Address, talking

__all__ = ["WRITE", "Rows", "insert", "prepared", "read", "remove", "upsert"]

# Milvus takes 64 MB in one request and keeps 64 KiB of JSON per item.
ROWS_AT_ONCE = 20_000
BYTES_AT_ONCE = 8 << 20
PAYLOAD_BYTES = 65_536
WRITE = 60.0  # seconds for one message
# The widest number in JSON that server and client agree on.
NUMBERS = range(-(2**63), 2**64)

Rows = list[dict[str, Any]]


def prepared(codes: Codes, payload: Sequence[dict[str, Any]] | None) -> tuple[np.ndarray, Rows]:
    """Return (ids, rows) of `codes`, or raise DataError for what Milvus could not keep whole."""
    ids = usable_ids(codes.ids)
    lines = payload_lines(payload, len(codes))
    items = [{}] * len(codes) if lines is None else [_parsed(k, x) for k, x in enumerate(lines)]
    keys = ids.tolist()
    if ids.dtype.kind == "U":
        for key in keys:
            _check_text(key)
    rows = [
        {"id": key, "code": code.tobytes(), "payload": item}
        for key, code, item in zip(keys, codes.packed, items, strict=True)
    ]
    return ids, rows


def insert(client: Any, address: Address, rows: Rows) -> None:
    """Write new rows; if a later message fails, take the earlier ones out again."""
    done = 0
    try:
        for message in _messages(rows):
            with talking(address, "insert"):
                client.insert(address.collection, message, timeout=WRITE)
            done += len(message)
    except DataError as error:
        # The failed message may have arrived all the same, so its rows are taken out as well.
        try:
            remove(client, address, np.array([row["id"] for row in rows[: done + ROWS_AT_ONCE]]))
        except DataError:
            raise DataError(
                f"{error}; up to {done + ROWS_AT_ONCE} of {len(rows)} items may be there: remove "
                "them, or upsert all again"
            ) from None
        raise


def upsert(client: Any, address: Address, rows: Rows) -> None:
    """Write rows over those with the same ids; a failure leaves the earlier messages written."""
    done = 0
    for message in _messages(rows):
        try:
            with talking(address, "upsert"):
                client.upsert(address.collection, message, timeout=WRITE)
        except DataError as error:
            raise DataError(
                f"{error}; {done} of {len(rows)} items are written: upsert all again"
            ) from None
        done += len(message)


def remove(client: Any, address: Address, ids: np.ndarray) -> None:
    """Delete the rows with these ids."""
    for _, expression in id_expressions(ids):
        with talking(address, "delete"):
            client.delete(address.collection, filter=expression, timeout=WRITE)


def read(
    client: Any, address: Address, ids: np.ndarray, fields: list[str], consistency: str
) -> dict[Any, dict[str, Any]]:
    """Return the rows with these ids that are there, by id."""
    rows_by_id = {}
    for _, expression in id_expressions(ids):
        with talking(address, "query"):
            rows = client.query(
                address.collection,
                filter=expression,
                output_fields=fields,
                consistency_level=consistency,
                timeout=WRITE,
            )
        rows_by_id.update({row["id"]: row for row in rows})
    return rows_by_id


def _messages(rows: Rows) -> Iterator[Rows]:
    start, size = 0, 0
    for place, row in enumerate(rows):
        # Payloads are measured only where they are there: most of a big build has none.
        own = 64 + len(row["code"]) + (len(str(row["payload"])) if row["payload"] else 0)
        if isinstance(row["id"], str):
            own += 4 * len(row["id"])
        if place > start and (place - start == ROWS_AT_ONCE or size + own > BYTES_AT_ONCE):
            yield rows[start:place]
            start, size = place, 0
        size += own
    if rows:
        yield rows[start:]


def _parsed(row: int, line: str) -> dict[str, Any]:
    """Return the payload as Milvus will give it back: JSON values, string keys."""

    def whole(digits: str) -> int:
        number = int(digits)
        if number not in NUMBERS:
            raise DataError(
                f"payload {row} holds {digits}, which Milvus cannot keep exactly; store it as text"
            )
        return number

    size = len(line.encode())
    if size > PAYLOAD_BYTES:
        raise DataError(
            f"payload {row} has {size} bytes of JSON, Milvus keeps at most {PAYLOAD_BYTES}; store "
            "a path to it instead"
        )
    return json.loads(line, parse_int=whole)


def _check_text(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise DataError(f"id {key!r} is not valid Unicode; use another id") from None
    if size > ID_BYTES:
        raise DataError(f"an id has {size} bytes, Milvus keeps at most {ID_BYTES}: {key[:20]!r}...")
