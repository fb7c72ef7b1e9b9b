"""Put coded items into an index batch by batch, so that an interrupted run can go on."""

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
    from crossbit.indexing.items import Rows
    from crossbit.runs.folder import RunFolder

__all__ = ["build_index", "put_rows", "run_index"]

ASKED = 8192  # ids looked up at a time
COMPARED = 16  # codes of each look-up that are made again, to tell other data under the same ids


def put_rows(
    index: Index,
    rows: Rows,
    *,
    replace: bool = False,
    report: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[int, int]:
    """Write the rows that the index lacks, each batch durably; return how many, and how many not.

    An index that would rather get more rows at a time (`Index.gather`) gets several batches at
    once.

    Parameters
    ----------
    replace : bool
        Write all rows, over the items that have their ids; else items that are there already
        are passed over.
    report : callable, optional
        Told after every batch how many rows are done, those that wait for more included.
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
        _check_model(index, rows)
    written = there = 0
    write = index.upsert if replace else index.add
    waiting: list[tuple[Codes, list[dict[str, Any]]]] = []

    def write_waiting() -> int:
        if not waiting:
            return 0
        codes = Codes.concatenate([codes for codes, _ in waiting])
        payload = [item for _, items in waiting for item in items]
        waiting.clear()
        write(codes, payload, fingerprint=rows.fingerprint)
        return len(codes)

    for start in range(0, len(rows), rows.batch):
        if stop is not None and stop.is_set():
            break
        part = np.arange(start, min(start + rows.batch, len(rows)))
        missing = part if replace or not filled else _missing(index, rows, part)
        if len(missing):
            waiting.append((rows.codes(missing), rows.payload(missing)))
        if replace or sum(len(codes) for codes, _ in waiting) >= index.gather:
            written += write_waiting()
        there += len(part) - len(missing)
        if report:
            report(int(part[-1]) + 1)
    written += write_waiting()
    index.flush()
    return written, there


def run_index(source: RunFolder, view: str, say: Callable[[str], None] = print) -> Path:
    """Return the index of a run's own database by one view; made at the first call.

    `say` is told why an index that was there is made anew.
    """
    from crossbit.index import open_index
    from crossbit.indexing.items import CorpusRows

    hasher = source.hasher
    folder = source.path / f"index-{view}"
    if folder.exists():
        try:
            with open_index(folder) as index:
                if index.fingerprint == hasher.fingerprint:
                    return folder
        except DataError as error:
            say(f"making the index anew: {error}")
    build_index(CorpusRows(hasher, source.split.database, view, raw=False), folder)
    return folder


def build_index(rows: Rows, folder: Path) -> None:
    """Write the rows as a new index in `folder`; one that was there is replaced at the very end."""
    from crossbit.index import open_index

    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        made.chmod(0o755)
        with open_index(made, "w") as index:
            put_rows(index, rows)
        if folder.exists():
            shutil.rmtree(folder)
        move_file(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _missing(index: Index, rows: Rows, part: np.ndarray) -> np.ndarray:
    """Return the rows whose ids the index lacks; those that are there must be the same items."""
    return np.concatenate(
        [_lacking(index, rows, part[at : at + ASKED]) for at in range(0, len(part), ASKED)]
    )


def _lacking(index: Index, rows: Rows, part: np.ndarray) -> np.ndarray:
    assert index.bits is not None
    ids = rows.ids[part]
    # Everything is within that radius of any code: this finds which of the ids are there.
    anything = Codes(np.zeros((1, code_bytes(index.bits)), dtype=np.uint8), index.bits)
    (hits,) = index.range_search(anything, index.bits, allowed=ids)
    there = np.isin(ids, hits.ids)
    if there.any():
        stored = dict(zip(hits.ids.tolist(), hits.payload, strict=True))
        known = part[there]
        for key, now in zip(rows.ids[known].tolist(), rows.payload(known), strict=True):
            if stored[key] != now:
                raise DataError(_other_item(key))
        _check_codes(index, rows, known[:COMPARED])
    return part[~there]


def _check_codes(index: Index, rows: Rows, known: np.ndarray) -> None:
    """Compare some codes, for items without payload; a single bit may hang on rounding."""
    codes, _ = index.get(rows.ids[known])
    differing = codes.distance(rows.codes(known))
    if differing.max() > 1:
        raise DataError(_other_item(rows.ids[known[differing.argmax()]].item()))


def _other_item(key: Any) -> str:
    return (
        f"the index holds another item under the id {key!r}; give the new items ids of their own, "
        "replace the old ones with `crossbit index add --replace`, or choose another --to"
    )


def _check_model(index: Index, rows: Rows) -> None:
    """Refuse another model before anything is coded, also if every id is there already."""
    of = rows.fingerprint
    if index.bits != rows.bits or (of is not None and of != index.fingerprint):
        made = index.fingerprint[:12] if index.fingerprint else "without a fingerprint"
        raise DataError(
            f"the index holds {index.bits}-bit codes of model {made}, these would be {rows.bits}-"
            f"bit codes of model {of[:12] if of else 'without a fingerprint'}; choose another "
            "--to, or the model that made the index"
        )
