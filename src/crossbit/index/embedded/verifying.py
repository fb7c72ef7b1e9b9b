"""Reports of the embedded index: `stat` describes it, `verify` lists its faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.codes import code_bytes
from crossbit.errors import DataError
from crossbit.index.embedded import approximate, codefile
from crossbit.index.embedded.commit_marker import COMMIT_MARKER, read_commit_marker
from crossbit.index.embedded.snapshot import Snapshot

__all__ = ["describe", "problems"]

REPAIR = "open the index for writing and search once to make it anew"


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """Return what `EmbeddedIndex.stat` returns."""
    record = snapshot.record
    return {
        "engine": "embedded",
        "items": snapshot.live,
        "removed": record.removed,
        "bits": record.bits,
        "fingerprint": record.fingerprint,
        "ids": record.kind,
        "version": record.version,
        "generation": record.generation,
        "segments": len(list(snapshot.store.sizes())),
        "bytes": sum(_size(path) for path in snapshot.folder.iterdir()),
        "approximate": approximate.info(snapshot),
    }


def problems(snapshot: Snapshot) -> list[str]:
    """Return a sentence for everything that is wrong with the files of a snapshot."""
    faults = [*_marker(snapshot), *snapshot.store.problems()]
    for check in (_segments, _removals, _ids, _codes, _approximate):
        try:
            faults += check(snapshot)
        except DataError as error:
            faults.append(str(error))
    return faults


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # a writer deleted it just now


def _marker(snapshot: Snapshot) -> Iterator[str]:
    marker = read_commit_marker(snapshot.folder)
    if marker.damaged:
        marker = read_commit_marker(snapshot.folder)  # a writer may have been at work on it
    path = snapshot.folder / COMMIT_MARKER
    if marker.version is None or marker.damaged:
        yield f"{path} is missing or damaged; open the index for writing once to make it anew"
    elif marker.index != snapshot.record.identity:
        yield f"{path} belongs to another index"


def _segments(snapshot: Snapshot) -> Iterator[str]:
    """Check that the segments follow one another and agree with the block checksums."""
    record, position, sums = snapshot.record, 0, list[int]()
    width = code_bytes(record.bits or 8)
    for first, count, blob in snapshot.store.code_blobs():
        if first != position or len(blob) != count * width:
            yield f"the database: the segment at {first} does not follow the one before it"
            return
        codes = np.frombuffer(blob, dtype=np.uint8).reshape(count, width)
        last = sums.pop() if position % codefile.block_rows(width) else 0
        sums += codefile.checksums(codes, position, last)[1]
        position += count
    if position != record.count:
        yield f"the database: its segments hold {position} items, its state says {record.count}"
    elif sums != snapshot.store.checksums():
        yield "the database: its codes do not match the checksums of their blocks"


def _removals(snapshot: Snapshot) -> Iterator[str]:
    alive = snapshot.alive()
    removed = int(len(alive) - alive.sum())
    if removed != snapshot.record.removed:
        yield f"the database: {removed} items are marked as removed, not {snapshot.record.removed}"
    rows = snapshot.store.select("SELECT position FROM payload")
    positions = np.fromiter((row[0] for row in rows), dtype=np.int64)
    good = (positions >= 0) & (positions < len(alive))
    if not good.all() or not alive[positions].all():
        yield "the database: there is payload of items that are not there"


def _ids(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.live:
        return
    column, live = snapshot.ids(), np.flatnonzero(snapshot.alive())
    if len(column) != snapshot.record.count:
        yield f"the database: there are {len(column)} ids of {snapshot.record.count} items"
        return
    keys = column.keys(0, len(column))[live]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    first, second = column.take(live[order[same]]), column.take(live[order[same + 1]])
    if (first == second).any():
        yield f"the database: id {first[first == second][0].item()!r} is there twice"


def _codes(snapshot: Snapshot) -> Iterator[str]:
    record = snapshot.record
    if record.bits is None:
        return
    try:
        codes, _ = codefile.map_codes(
            snapshot.path, record.identity, record.generation, record.bits, record.count
        )
        bad = codefile.first_bad_block(codes, snapshot.store.checksums(), 0)
    except FileNotFoundError:
        snapshot.look_again()
        yield f"{snapshot.path} is missing; {REPAIR}"
    except codefile.CodeFileError as error:
        yield f"{snapshot.path}: {error}; {REPAIR}"
    else:
        if bad is not None:
            yield f"{snapshot.path}: block {bad} does not match its checksum; {REPAIR}"


def _approximate(snapshot: Snapshot) -> Iterator[str]:
    approximate.info(snapshot)
    yield from ()
