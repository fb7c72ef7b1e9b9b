"""The Hamming kernel beside faiss, the memory's own speed, and the usual evaluation code."""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.speed.naive_map import naive_map
from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit import hamming, metrics
from crossbit.errors import ConfigError

__all__ = ["options", "render", "run"]

DATABASE = 10_000_000
BATCH, MANY = 64, 1024  # queries
MAP_QUERIES, MAP_ITEMS, LABELS = 1866, 184_691, 21
NAIVE_SAMPLE = 30  # queries that the usual evaluation is timed on
REPEATS = 7
REST = 0.2  # seconds in which the BLAS threads of the turn before stop spinning


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--items", type=int, default=DATABASE, help=f"in the database ({DATABASE})")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"of each timing ({REPEATS})")
    parser.add_argument("--only", choices=ROWS, nargs="+", help="only these rows")


def run(chosen: argparse.Namespace) -> None:
    """Time every row and publish the table."""
    if chosen.items < 1 or chosen.repeats < 1:
        raise ConfigError("items and repeats must be at least 1")
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        rows = [
            ROWS[name](chosen.items, chosen.repeats) | {"name": name}
            for name in chosen.only or ROWS
        ]
    whole = (chosen.items, chosen.repeats, chosen.only) == (DATABASE, REPEATS, None)
    value = head("hamming") | {
        "kernel": hamming.kernel_name(),
        "cpu": _cpu(),
        "faiss": version("faiss-cpu"),
        "threads": 1,
        "load_before": os.getloadavg()[0],
        "repeats": chosen.repeats,
        "rows": rows,
    }
    publish(value, render, whole=whole, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    cells = [
        [
            row["work"],
            f"{row['seconds'] * 1e3:,.1f} ms",
            f"{row['rate'] / 1e9:.2f} G/s",
            f"{row['rival']}: {row['rival_seconds'] * 1e3:,.1f} ms{row.get('scaled', '')}",
            f"**{row['ratio']:.{2 if row['ratio'] < 10 else 0}f}x**",
            f"{row['goal']:g}x",
        ]
        for row in value["rows"]
    ]
    columns = ["work", "Crossbit", "comparisons", "beside it", "ratio", "goal"]
    memory = [row["memory"] for row in value["rows"] if row.get("memory")]
    text = (
        "# Exact Hamming search\n\n"
        + table(columns, cells)
        + f"\nRandom codes, seed 0; {value['threads']} thread on both sides, if not said "
        f"otherwise; medians of {value['repeats']} timings of CPU time, which other work on the "
        "machine disturbs less than it does the clock, taken in turns; the ratio is the median of "
        "the turns' ratios. Read bandwidth is that of `np.sum` over the same codes as 64-bit "
        "words. The usual evaluation sorts the distances of each query (codes of ±1 and labels as "
        "float64, NumPy's default, or as float32, which is kindest to it); it is timed on "
        f"{NAIVE_SAMPLE} queries and scaled.\n\n"
    )
    if memory:
        text += f"- Memory of the evaluation above its input: {max(memory)} MB at the most\n"
    return (
        text + f"- Kernel: {value['kernel']}; CPU: {value['cpu']}; load before the run: "
        f"{value['load_before']:.1f}\n"
        f"- Command: `{value['command']}`\n"
        f"- Code: crossbit {value['code_version']}, Python {value['python']}, numpy "
        f"{value['libraries']['numpy']}, faiss {value['faiss']}\n"
    )


def _against_faiss(
    bits: int, queries: int, k: int, goal: float, sample: int | None = None
) -> Callable[[int, int], Json]:
    """Return the row of top-k beside `IndexBinaryFlat`, timed on a sample of the queries."""

    def row(items: int, repeats: int) -> Json:
        import faiss

        faiss.omp_set_num_threads(1)
        database, asked = _codes(items, bits), _codes(queries, bits, seed=1)
        index = faiss.IndexBinaryFlat(bits)
        index.add(database)
        part = asked[: sample or queries]
        kept = min(k, items)
        found = hamming.topk(part, database, kept)[0]
        assert np.array_equal(found, index.search(part, kept)[0]), "faiss found other distances"
        times = _in_turns(
            lambda: hamming.topk(asked, database, k), lambda: index.search(part, k), repeats
        )
        scale = queries / len(part)
        return _row(
            f"top-{k:,}, {bits} bits, {items:,} codes, {_counted(queries)}",
            times,
            queries * items,
            "faiss",
            goal,
            scale=scale,
        )

    return row


def _against_memory(items: int, repeats: int) -> Json:
    database, asked = _codes(items, 64), _codes(1, 64, seed=1)
    words = database.view(np.uint64)
    times = _in_turns(lambda: hamming.topk(asked, database, 10), lambda: words.sum(), repeats)
    work = f"top-10, 64 bits, {items:,} codes, 1 query"
    return _row(work, times, items, "read bandwidth", 0.7)


def _evaluation(precision: type[np.floating[Any]], threads: int = 1) -> Callable[[int, int], Json]:
    """Return the row of MAP over full rankings, beside the usual code in a precision."""

    def row(items: int, repeats: int) -> Json:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(threads):  # the usual code's, in its matrix products
            return _map_row(precision, repeats, threads)

    return row


def _map_row(precision: type[np.floating[Any]], repeats: int, threads: int) -> Json:
    rng = np.random.default_rng(0)
    queries, database = _codes(MAP_QUERIES, 64, seed=1), _codes(MAP_ITEMS, 64)
    labels = [rng.random((n, LABELS)) < 0.1 for n in (MAP_QUERIES, MAP_ITEMS)]
    sides = [sparse.csr_matrix(part) for part in labels]

    def ours() -> metrics.MapValue:
        counts = hamming.histogram(queries, database, *sides, threads=threads)
        return metrics.mean_average_precision(*counts)

    sample = slice(0, NAIVE_SAMPLE)
    signs = [np.unpackbits(part, axis=1).astype(precision) * 2 - 1 for part in (queries, database)]
    floats = [part.astype(precision) for part in labels]
    usual = (signs[0][sample], signs[1], floats[0][sample], floats[1])
    memory = _memory_above(ours)
    counts = hamming.histogram(queries[sample], database, sides[0][sample], sides[1])
    exact = metrics.mean_average_precision(*counts)
    assert exact.worst <= naive_map(*usual) <= exact.best, "the usual evaluation finds another MAP"
    # CPU time would add the threads up.
    clock = time.process_time if threads == 1 else time.perf_counter
    times = _in_turns(ours, lambda: naive_map(*usual), repeats, clock)
    work = f"MAP, 64 bits, {MAP_QUERIES:,} queries x {MAP_ITEMS:,} items, {LABELS} labels"
    work += "" if threads == 1 else f", {threads} threads, by the clock"
    scale = MAP_QUERIES / NAIVE_SAMPLE
    pairs = MAP_QUERIES * MAP_ITEMS
    rival = f"usual evaluation, {precision.__name__}"
    return _row(work, times, pairs, rival, 300, scale=scale) | {"memory": memory}


ROWS: dict[str, Callable[[int, int], Json]] = {
    "top10": _against_faiss(64, BATCH, 10, 6),
    "top1000": _against_faiss(64, BATCH, 1000, 5),
    "one": _against_faiss(64, 1, 10, 1.8),
    "memory": _against_memory,
    "wide": _against_faiss(128, MANY, 10, 5, sample=32),
    "map32": _evaluation(np.float32),
    "map64": _evaluation(np.float64),
    "map32two": _evaluation(np.float32, threads=2),
    "map64two": _evaluation(np.float64, threads=2),
}


def _row(
    work: str,
    times: list[tuple[float, float]],
    comparisons: int,
    rival: str,
    goal: float,
    scale: float = 1,
) -> Json:
    seconds = statistics.median(a for a, _ in times)
    found: dict[str, Any] = {
        "work": work,
        "seconds": seconds,
        "rate": comparisons / seconds,
        "rival": rival,
        "rival_seconds": statistics.median(b for _, b in times) * scale,
        "ratio": statistics.median(b * scale / a for a, b in times),
        "goal": goal,
        "times": [(round(a, 6), round(b * scale, 6)) for a, b in times],
    }
    if scale != 1:
        found["scaled"] = ", scaled from a sample"
    return found


def _in_turns(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> list[tuple[float, float]]:
    """Time both by turns, after one turn that is not timed."""

    def seconds(work: Callable[[], object]) -> float:
        if clock is time.perf_counter:
            time.sleep(REST)
        start = clock()
        work()
        return clock() - start

    ours(), theirs()
    return [(seconds(ours), seconds(theirs)) for _ in range(repeats)]


def _memory_above(work: Callable[[], object]) -> int | None:
    """Return by how many MB the process grows at the most, where Linux tells."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None

    def read(name: str) -> int:
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    reset.write_text("5")  # the peak starts anew from what is in use now
    before = read("VmRSS")
    work()
    return round((read("VmHWM") - before) / 1024)


def _codes(n: int, bits: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, bits // 8), dtype=np.uint8)


def _counted(queries: int) -> str:
    return "1 query" if queries == 1 else f"{queries:,} queries"


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
