"""Fill an index batch by batch, so that an interrupted build can go on."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.codes import Codes, code_bytes
from crossbit.errors import DataError
from crossbit.files import move_file

if TYPE_CHECKING:
    from crossbit.index import Index
    from crossbit.indexing.items import IndexItems
    from crossbit.runs.folder import RunFolder

__all__ = ["build_index", "put_items", "run_index"]

IDS_AT_ONCE = 8192  # ids looked up at a time
CODES_COMPARED = 16  # codes of each look-up made again, to notice other data under the same ids


def put_items(
    index: Index,
    items: IndexItems,
    *,
    replace: bool = False,
    report: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[int, int]:
    """Write the items that the index lacks, each batch durably; return how many, and how many not.

    An index that would rather get more items at a time (`Index.gather`) gets several batches at
    once.

    Parameters
    ----------
    replace : bool
        Write all items, over those that have their ids; else items that the index has already
        are passed over.
    report : callable, optional
        Called after every batch with the number of items done, those that wait for more included.
    stop : Event, optional
        Once set, no further batch is begun.

    Raises
    ------
    DataError
        If the index is of another model, or holds other items under the same ids. What was
        written before stays.
    """
    filled = len(index) > 0
    if filled:
        _check_model(index, items)
    written = existing = 0
    write = index.upsert if replace else index.add
    waiting: list[tuple[Codes, list[dict[str, Any]]]] = []

    def write_waiting() -> int:
        if not waiting:
            return 0
        codes = Codes.concatenate([codes for codes, _ in waiting])
        payload = [item for _, part in waiting for item in part]
        waiting.clear()
        write(codes, payload, fingerprint=items.fingerprint)
        return len(codes)

    for start in range(0, len(items), items.batch):
        if stop is not None and stop.is_set():
            break
        part = np.arange(start, min(start + items.batch, len(items)))
        missing = part if replace or not filled else _missing(index, items, part)
        if len(missing):
            waiting.append((items.codes(missing), items.payload(missing)))
        if replace or sum(len(codes) for codes, _ in waiting) >= index.gather:
            written += write_waiting()
        existing += len(part) - len(missing)
        if report:
            report(int(part[-1]) + 1)
    written += write_waiting()
    index.flush()
    return written, existing


def run_index(source: RunFolder, view: str, notify: Callable[[str], None] | None = None) -> Path:
    """Return the index of a run's own database by one view; made at the first call.

    Parameters
    ----------
    notify : callable, optional
        Called with one sentence if an index cannot be used and is made anew.
    """
    from crossbit.index import open_index
    from crossbit.indexing.items import CorpusItems

    hasher = source.hasher
    folder = source.path / f"index-{view}"
    if folder.exists():
        try:
            with open_index(folder) as index:
                if index.fingerprint == hasher.fingerprint:
                    return folder
        except DataError as error:
            if notify:
                notify(f"making the index anew: {error}")
    build_index(CorpusItems(hasher, source.split.database, view, raw=False), folder)
    return folder


def build_index(items: IndexItems, folder: Path) -> None:
    """Write the items as a new index in `folder`; an older one is replaced at the very end."""
    from crossbit.index import open_index

    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        draft.chmod(0o755)
        with open_index(draft, "w") as index:
            put_items(index, items)
        if folder.exists():
            shutil.rmtree(folder)
        move_file(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _missing(index: Index, items: IndexItems, positions: np.ndarray) -> np.ndarray:
    """Return the positions whose ids the index lacks; where it has them, the items must agree."""
    return np.concatenate(
        [
            _missing_part(index, items, positions[start : start + IDS_AT_ONCE])
            for start in range(0, len(positions), IDS_AT_ONCE)
        ]
    )


def _missing_part(index: Index, items: IndexItems, positions: np.ndarray) -> np.ndarray:
    assert index.bits is not None
    ids = items.ids[positions]
    # Every item is within that radius of any code: this finds which of the ids are there.
    anything = Codes(np.zeros((1, code_bytes(index.bits)), dtype=np.uint8), index.bits)
    (hits,) = index.range_search(anything, index.bits, allowed=ids)
    exists = np.isin(ids, hits.ids)
    if exists.any():
        stored = dict(zip(hits.ids.tolist(), hits.payload, strict=True))
        same = positions[exists]
        for key, payload in zip(items.ids[same].tolist(), items.payload(same), strict=True):
            if stored[key] != payload:
                raise DataError(_other_item(key))
        _check_codes(index, items, same[:CODES_COMPARED])
    return positions[~exists]


def _check_codes(index: Index, items: IndexItems, positions: np.ndarray) -> None:
    """Compare some codes, for items without payload; a single bit may hang on rounding."""
    codes, _ = index.get(items.ids[positions])
    distances = codes.distance(items.codes(positions))
    if distances.max() > 1:
        raise DataError(_other_item(items.ids[positions[distances.argmax()]].item()))


def _other_item(key: Any) -> str:
    return (
        f"the index holds another item under the id {key!r}; give the new items ids of their own, "
        "replace the old ones with `crossbit index add --replace`, or choose another --to"
    )


def _check_model(index: Index, items: IndexItems) -> None:
    """Refuse another model before anything is encoded, also if every id is there already."""
    new = items.fingerprint
    if index.bits != items.bits or (new is not None and new != index.fingerprint):
        old = index.fingerprint[:12] if index.fingerprint else "without a fingerprint"
        raise DataError(
            f"the index holds {index.bits}-bit codes of model {old}, these would be {items.bits}-"
            f"bit codes of model {new[:12] if new else 'without a fingerprint'}; choose another "
            "--to, or the model that made the index"
        )
