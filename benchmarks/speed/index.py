"""The embedded index at 10 M items: open, add, look up, search, remove, compact."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.codes import Codes
from crossbit.index import open_index

__all__ = ["options", "render", "run"]

WHOLE = 10_000_000
BATCH = 1_000_000
PAYLOADS = 100_000  # items per batch with payload
BITS = 64
REPEATS = 7
GOALS = {
    "open for reading": "under 100 ms",
    "add 1 M items, int64 ids": "1 M/s",
    "add 100 k items, string ids, JSON payload": "100 k/s",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--items", type=int, default=WHOLE, help="items of the large index")
    parser.add_argument("--folder", type=Path, help="where to make it; a temporary folder")


def run(chosen: argparse.Namespace) -> None:
    """Build the index, time each kind of work, publish the medians."""
    with tempfile.TemporaryDirectory(dir=chosen.folder) as made:
        rows = _measure(Path(made), chosen.items)
    value = head("index") | {
        "items": chosen.items,
        "bits": BITS,
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "rows": rows,
    }
    publish(value, render, whole=chosen.items == WHOLE, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    rows = [
        [row["work"], row["time"], row["rate"], GOALS.get(row["work"], ""), str(row["repeats"])]
        for row in value["rows"]
    ]
    return (
        f"# The embedded index: {value['items']:,} items of {value['bits']} bits\n\n"
        + table(["work", "median time", "rate", "goal", "repeats"], rows)
        + "\nEvery write is synced to the disk when it returns. Other programs kept "
        f"{value['load']} of {value['cores']} cores busy at the end. Command: "
        f"`{value['command']}`; crossbit {value['code_version']}, Python {value['python']}.\n"
    )


def _measure(folder: Path, items: int) -> list[Json]:
    random = np.random.default_rng(0)
    address = folder / "large"
    batch = min(BATCH, items)
    packed = random.integers(0, 256, (batch, BITS // 8), dtype=np.uint8)
    rows: list[Json] = []

    def note(work: str, seconds: list[float], count: int = 0) -> None:
        median = statistics.median(seconds)
        rows.append(
            {
                "work": work,
                "time": f"{median * 1e3:,.1f} ms",
                "rate": f"{count / median:,.0f}/s" if count else "",
                "repeats": len(seconds),
                "seconds": [round(second, 5) for second in seconds],
            }
        )

    with open_index(address, "w") as index:
        seconds = []
        for start in range(0, items, batch):
            codes = Codes(packed, BITS, np.arange(start, start + batch))
            seconds.append(_time(index.add, codes))
            packed += 1
        note("add 1 M items, int64 ids", seconds, batch)
        note(
            "add 1 item",
            [_time(index.add, Codes(packed[:1], BITS, np.array([-1 - k]))) for k in range(50)],
        )
    note("open for reading", [_time(lambda: open_index(address).close()) for _ in range(REPEATS)])
    note("open and first search, k = 10", [_first_search(address) for _ in range(3)])
    query = Codes(packed[:1], BITS)
    with open_index(address) as index:
        index.search(query, n_jobs=1)
        for k, payload in (10, True), (1000, False):
            work = f"search, 1 query, k = {k}, 1 thread"
            note(
                work,
                [_time(index.search, query, k, payload=payload, n_jobs=1) for _ in range(REPEATS)],
            )
        first = _time(index.get, [0])
        note("first look-up of an id", [first])
        note("look-up of an id", [_time(index.get, [k]) for k in range(100)])
        note("verify", [_time(index.verify)])
    with open_index(address, "w") as index:
        gone = random.permutation(items)[: items // 10]
        index.get([0])
        note("remove a tenth of the items at once", [_time(index.remove, gone)], len(gone))
        note("search, 1 query, k = 10, a tenth removed", [_time(index.search, query, n_jobs=1)])
        note("compact", [_time(index.compact)])
    _with_payload(folder / "payload", packed, note)
    return rows


def _with_payload(folder: Path, packed: np.ndarray, note: Callable[..., None]) -> None:
    few = min(PAYLOADS, len(packed))
    seconds = []
    with open_index(folder, "w") as index:
        for turn in range(REPEATS):
            ids = np.array([f"images/{turn}/{k}.jpg" for k in range(few)])
            payload = [
                {"caption": f"a picture of thing {k}", "path": f"images/{k}.jpg", "label": k % 10}
                for k in range(few)
            ]
            codes = Codes(packed[:few], BITS, ids)
            seconds.append(_time(index.add, codes, payload))
        note("add 100 k items, string ids, JSON payload", seconds, few)
        queries = Codes(packed[:100], BITS)
        work = "search, 100 queries, k = 100, with payload (700 k items)"
        note(work, [_time(index.search, queries, 100) for _ in range(3)])
        where = {"label": 3}
        work = "search, 1 query, where label = 3 (700 k payloads)"
        note(work, [_time(index.search, queries[:1], where=where) for _ in range(3)])


def _time(work: Callable[..., Any], *arguments: Any, **named: Any) -> float:
    started = time.perf_counter()
    work(*arguments, **named)
    return time.perf_counter() - started


def _first_search(address: Path) -> float:
    def work() -> None:
        with open_index(address) as index:
            index.search(Codes(np.zeros((1, BITS // 8), dtype=np.uint8), BITS), n_jobs=1)

    return _time(work)
