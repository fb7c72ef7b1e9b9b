"""What an index could keep its data in: SQLite with segments of arrays, SQLite rows, Lance."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.errors import MissingDependencyError

__all__ = ["options", "render", "run"]

BATCH = 1_000_000
REPEATS = 3
SINGLES = 30
WIDTH = 8  # bytes of a code


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder")


def run(chosen: argparse.Namespace) -> None:
    """Time the three stores in turns."""
    rows = []
    for name, store in (
        ("SQLite, segments", _segments),
        ("SQLite, rows", _rows),
        ("Lance", _lance),
    ):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as made:
            rows.append({"store": name} | _measure(store(Path(made))))
    publish(head("index_store") | {"rows": rows}, render, whole=True, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    rows = [
        [
            row["store"],
            f"{row['bulk']:.2f} s",
            f"{row['single'] * 1e3:.1f} ms",
            f"{row['read']:.2f} s",
        ]
        for row in value["rows"]
    ]
    return (
        "# What an index could keep its data in\n\n"
        + table(
            [
                "store",
                "add 1 M codes and ids, durable",
                "add 1 after that, durable",
                "read all codes",
            ],
            rows,
        )
        + "\nMedians, 64-bit codes and int64 ids, after 3 M items. SQLite with WAL, full sync and "
        "a checksum on every page, one transaction per call; Lance with one append per call, "
        "which does not sync its files. Command: "
        f"`{value['command']}`; crossbit {value['code_version']}, Python {value['python']}.\n"
    )


Store = tuple[Callable[[np.ndarray, np.ndarray], Any], Callable[[], int]]  # add, read all codes


def _measure(store: Store) -> Json:
    add, read = store
    random = np.random.default_rng(0)
    bulk, single = [], []
    for turn in range(REPEATS):
        codes = random.integers(0, 256, (BATCH, WIDTH), dtype=np.uint8)
        ids = np.arange(turn * BATCH, (turn + 1) * BATCH)
        bulk.append(_time(add, ids, codes))
    for turn in range(SINGLES):
        ids, codes = np.array([-1 - turn]), codes[:1]
        single.append(_time(add, ids, codes))
    seconds = _time(read)
    return {"bulk": statistics.median(bulk), "single": statistics.median(single), "read": seconds}


def _connect(folder: Path) -> Any:
    import apsw

    from crossbit.index.embedded.pagecheck import VFS, register

    register()
    db = apsw.Connection(str(folder / "store.sqlite"), vfs=VFS)
    db.reserve_bytes(reserve=8)
    for name, value in ("page_size", 16384), ("journal_mode", "wal"), ("synchronous", "full"):
        db.pragma(name, value)
    return db


def _segments(folder: Path) -> Store:
    from crossbit.codes import Codes
    from crossbit.index import open_index

    index = open_index(folder / "index", "w")

    def read() -> int:
        store = index._connection.store  # type: ignore[attr-defined]
        return sum(len(blob) for _, _, blob in store.code_blobs())

    return lambda ids, codes: index.add(Codes(codes, WIDTH * 8, ids)), read


def _rows(folder: Path) -> Store:
    db = _connect(folder)
    db.execute("CREATE TABLE item (position INTEGER PRIMARY KEY, id INTEGER UNIQUE, code BLOB)")

    def add(ids: np.ndarray, codes: np.ndarray) -> None:
        blob = codes.tobytes()
        parts = (blob[start : start + WIDTH] for start in range(0, len(blob), WIDTH))
        with db:
            db.executemany(
                "INSERT INTO item (id, code) VALUES (?, ?)", zip(ids.tolist(), parts, strict=True)
            )

    return add, lambda: sum(len(row[0]) for row in db.execute("SELECT code FROM item"))


def _lance(folder: Path) -> Store:
    try:
        import lance
        import pyarrow
    except ImportError:
        raise MissingDependencyError(
            "the comparison needs Lance; install it with pip install pylance"
        ) from None
    address = str(folder / "items.lance")

    def batch(ids: np.ndarray, codes: np.ndarray) -> Any:
        values = pyarrow.FixedSizeBinaryArray.from_buffers(
            pyarrow.binary(WIDTH), len(codes), [None, pyarrow.py_buffer(codes.tobytes())]
        )
        return pyarrow.table({"id": ids, "code": values})

    def add(ids: np.ndarray, codes: np.ndarray) -> None:
        there = Path(address).exists()
        lance.write_dataset(batch(ids, codes), address, mode="append" if there else "create")

    def read() -> int:
        found = lance.dataset(address).to_table(columns=["code"])
        return int(found.num_rows * WIDTH)

    return add, read


def _time(work: Callable[..., Any], *arguments: Any) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started
