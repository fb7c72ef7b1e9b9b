"""What `stat` and `verify` of the embedded index report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.codes import code_bytes
from crossbit.errors import DataError
from crossbit.index.embedded import approximate, codefile
from crossbit.index.embedded.commit_marker import HEAD, read_head
from crossbit.index.embedded.snapshot import View

__all__ = ["describe", "problems"]


def describe(view: View) -> dict[str, Any]:
    """Return what `EmbeddedIndex.stat` returns."""
    record = view.record
    return {
        "engine": "embedded",
        "items": view.live,
        "removed": record.removed,
        "bits": record.bits,
        "fingerprint": record.fingerprint,
        "ids": record.kind,
        "version": record.version,
        "generation": record.generation,
        "segments": len(list(view.store.sizes())),
        "bytes": sum(_size(path) for path in view.folder.iterdir()),
        "approximate": approximate.info(view),
    }


def problems(view: View) -> list[str]:
    """Return a sentence for everything that is wrong with the files of a view."""
    found = [*_head(view), *view.store.problems()]
    for check in (_segments, _removals, _ids, _codes, _approximate):
        try:
            found += check(view)
        except DataError as error:
            found.append(str(error))
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # a writer deleted it just now


def _head(view: View) -> Iterator[str]:
    head = read_head(view.folder)
    if head.damaged:
        head = read_head(view.folder)  # a writer may have been at work on it
    path = view.folder / HEAD
    if head.version is None or head.damaged:
        yield f"{path} is missing or damaged; open the index for writing once to make it anew"
    elif head.index != view.record.identity:
        yield f"{path} belongs to another index"


def _segments(view: View) -> Iterator[str]:
    """Check that the segments follow one another and agree with the block checksums."""
    record, position, found = view.record, 0, list[int]()
    width = code_bytes(record.bits or 8)
    for first, count, blob in view.store.code_blobs():
        if first != position or len(blob) != count * width:
            yield f"the database: the segment at {first} does not follow the one before it"
            return
        codes = np.frombuffer(blob, dtype=np.uint8).reshape(count, width)
        last = found.pop() if position % codefile.block_rows(width) else 0
        found += codefile.checksums(codes, position, last)[1]
        position += count
    if position != record.count:
        yield f"the database: its segments hold {position} items, its state says {record.count}"
    elif found != view.store.checksums():
        yield "the database: its codes do not match the checksums of their blocks"


def _removals(view: View) -> Iterator[str]:
    alive = view.alive()
    removed = int(len(alive) - alive.sum())
    if removed != view.record.removed:
        yield f"the database: {removed} items are marked as removed, not {view.record.removed}"
    rows = view.store.select("SELECT position FROM payload")
    positions = np.fromiter((row[0] for row in rows), dtype=np.int64)
    good = (positions >= 0) & (positions < len(alive))
    if not good.all() or not alive[positions].all():
        yield "the database: there is payload of items that are not there"


def _ids(view: View) -> Iterator[str]:
    if not view.live:
        return
    column, live = view.ids(), np.flatnonzero(view.alive())
    if len(column) != view.record.count:
        yield f"the database: there are {len(column)} ids of {view.record.count} items"
        return
    keys = column.keys(0, len(column))[live]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    first, second = column.take(live[order[same]]), column.take(live[order[same + 1]])
    if (first == second).any():
        yield f"the database: id {first[first == second][0].item()!r} is there twice"


def _codes(view: View) -> Iterator[str]:
    record = view.record
    if record.bits is None:
        return
    try:
        codes, _ = codefile.map_codes(
            view.path, record.identity, record.generation, record.bits, record.count
        )
        bad = codefile.first_bad_block(codes, view.store.checksums(), 0)
    except FileNotFoundError:
        view.look_again()
        yield f"{view.path} is missing; open the index for writing and search once to make it anew"
    except codefile.CodeFileError as error:
        yield f"{view.path}: {error}; open the index for writing and search once to make it anew"
    else:
        if bad is not None:
            yield (
                f"{view.path}: block {bad} does not match its checksum; open the index for "
                "writing and search once to make it anew"
            )


def _approximate(view: View) -> Iterator[str]:
    approximate.info(view)
    yield from ()
