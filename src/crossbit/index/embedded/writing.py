"""The three transactions of the embedded index: append, remove, rewrite without removed items.

Each works inside a transaction of the store, and returns the state to commit. Codes go to the
code file, synced, before the commit that makes them count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from crossbit.codes import Codes, code_bytes
from crossbit.index.embedded import codefile
from crossbit.index.embedded.ids import join_ids, pack_ids, slice_ids
from crossbit.index.embedded.snapshot import Snapshot
from crossbit.index.embedded.store import CHUNK, Record, Store

__all__ = ["append_items", "remove_positions", "rewrite", "start_over"]

ROWS = 1 << 20  # items of a segment, at most
BYTES = 1 << 28  # and of its ids, about: SQLite holds up to 1 GB in one value


def start_over(snapshot: Snapshot, codes: Codes, kind: str, fingerprint: str | None) -> Record:
    """Empty the store of an index without items for codes of any length and model."""
    record = snapshot.record
    if record.count:
        snapshot.store.clear("segment", "removed", "block", "payload")
        record = replace(record, generation=record.generation + 1, count=0, removed=0)
    codefile.write(
        codefile.code_path(snapshot.folder, record.generation),
        record.identity,
        record.generation,
        codes.bits,
        [],
    )
    return replace(record, bits=int(codes.bits), kind=kind, fingerprint=fingerprint)


def append_items(
    snapshot: Snapshot, record: Record, ids: np.ndarray, packed: np.ndarray, lines: list[str] | None
) -> Record:
    """Append m items at the end; O(m log n) amortised, as small segments merge."""
    assert record.bits is not None
    store, start = snapshot.store, record.count
    path = codefile.code_path(snapshot.folder, record.generation)
    if not codefile.has_room(path, record.identity, record.generation, record.bits, start):
        snapshot.rebuild_file("it was missing, damaged or too short")
    codefile.append(path, start, packed)
    block = start // codefile.block_rows(packed.shape[1])
    last = store.checksums(block)  # none if the items start a block
    store.put_checksums(*codefile.checksums(packed, start, last[0] if last else 0))
    rows = max(1, min(ROWS, BYTES // max(ids.dtype.itemsize, 1)))
    for offset in range(0, len(ids), rows):
        part = slice(offset, offset + rows)
        _put(store, record.kind or "", start + offset, ids[part], packed[part], rows)
    if lines is not None:
        filled = ((start + row, line) for row, line in enumerate(lines) if line != "{}")
        store.put_payload(filled)
    return replace(record, count=start + len(ids))


def remove_positions(snapshot: Snapshot, record: Record, positions: np.ndarray) -> Record:
    """Mark distinct live positions as removed and drop their payload; O(m + chunks touched)."""
    alive, positions = snapshot.alive(), np.sort(positions)
    chunks, starts = np.unique(positions // CHUNK, return_index=True)
    for chunk, part in zip(chunks.tolist(), np.split(positions, starts[1:]), strict=True):
        first = chunk * CHUNK
        dead = ~alive[first : first + CHUNK]
        dead[part - first] = True
        bitmap = np.packbits(dead, bitorder="little").tobytes()
        snapshot.store.put_removals(chunk, record.version + 1, bitmap)
    snapshot.store.drop_payload(positions)
    return replace(record, removed=record.removed + len(positions))


def rewrite(snapshot: Snapshot) -> Record:
    """Move all live items together, into a code file of the next generation; O(n)."""
    store, record, alive = snapshot.store, snapshot.record, snapshot.alive()
    assert record.bits is not None
    following = replace(
        record, generation=record.generation + 1, count=record.count - record.removed, removed=0
    )
    checksums: list[int] = []
    codefile.write(
        codefile.code_path(snapshot.folder, following.generation),
        following.identity,
        following.generation,
        record.bits,
        _compacted(store, record, alive, checksums),
    )
    edges = np.flatnonzero(np.diff(np.concatenate([[False], alive, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    kept_before = np.cumsum(stops - starts) - (stops - starts)
    store.move_payload(starts, stops, starts - kept_before)
    store.clear("removed", "block")
    store.put_checksums(0, checksums)
    return following


def _compacted(
    store: Store, record: Record, alive: np.ndarray, checksums: list[int]
) -> Iterator[bytes]:
    """Yield the live codes, writing their segments on the way and collecting block checksums."""
    kind, width = record.kind or "", code_bytes(record.bits or 0)
    parts: list[tuple[bytes, np.ndarray]] = []
    first = rows = done = 0
    sizes = list(store.sizes())
    for start, count in sizes:
        _, ids, blob = store.segment(start)
        store.drop_segment(start)
        keep = alive[start : start + count]
        codes = np.frombuffer(blob, dtype=np.uint8).reshape(count, width)[keep]
        if rows and rows + len(codes) > ROWS:
            first += _flush(store, kind, first, parts)
            rows = 0
        parts.append((slice_ids(kind, ids, keep), codes))
        rows += len(codes)
        within = done % codefile.block_rows(width)
        last = checksums.pop() if within else 0
        checksums += codefile.checksums(codes, done, last)[1]
        if within and not len(codes):
            checksums.append(last)
        done += len(codes)
        yield codes.tobytes()
    if rows:
        _flush(store, kind, first, parts)


def _flush(store: Store, kind: str, first: int, parts: list[tuple[bytes, np.ndarray]]) -> int:
    """Write the parts as one segment, at or before the place they came from; empty the list."""
    codes = np.concatenate([part for _, part in parts])
    store.put_segment(first, len(codes), join_ids(kind, [ids for ids, _ in parts]), codes.tobytes())
    parts.clear()
    return len(codes)


def _put(
    store: Store, kind: str, first: int, ids: np.ndarray, packed: np.ndarray, limit: int
) -> None:
    """Add one segment, joined with those before it that are at most twice its length.

    So lengths at least double from the end to the start: there are O(log n) short segments, and
    an item is written anew O(log n) times.
    """
    total, joined = len(ids), [first]
    for start, count in list(store.sizes(descending=True)):
        if count > 2 * total or total + count > limit:
            break
        joined.append(start)
        total += count
    id_parts, code_parts = [pack_ids(ids)], [packed.tobytes()]
    for start in joined[1:]:
        _, old_ids, old_codes = store.segment(start)
        store.drop_segment(start)
        id_parts.append(old_ids)
        code_parts.append(old_codes)
    store.put_segment(joined[-1], total, join_ids(kind, id_parts[::-1]), b"".join(code_parts[::-1]))
