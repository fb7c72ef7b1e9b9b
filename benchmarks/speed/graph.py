"""The correlation graph at the size of NUS-WIDE: seconds, share of the machine's speed, memory."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.errors import ConfigError

__all__ = ["measure", "options", "render", "run", "write_images", "write_texts"]

ITEMS, WIDTH, WORDS = 186_557, 4096, 1000  # NUS-WIDE as the papers use it: VGG's fc7, tags
K, THREADS = 100, 2
PARTS = (4, 2, 1)  # of all items: time is to grow with their square
CHECKED = 200  # rows that are compared with all others in float64
RANK, TOPICS, TAGS = 64, 81, 6.0
SQUARE, REPEATS = 4096, 3  # the plain product that speed is compared with
BLOCK = 4096  # rows that are made or checked at a time


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--items", type=int, default=ITEMS, help=f"of both views ({ITEMS})")
    parser.add_argument("--width", type=int, default=WIDTH, help=f"of image features ({WIDTH})")
    parser.add_argument("--words", type=int, default=WORDS, help=f"in the vocabulary ({WORDS})")
    parser.add_argument("--k", type=int, default=K, help=f"neighbours ({K})")
    parser.add_argument("--threads", type=int, default=THREADS, help=f"of products ({THREADS})")
    parser.add_argument("--folder", type=Path, help="where features lie; a temporary folder")


def run(chosen: argparse.Namespace) -> None:
    """Build both views' neighbours at three sizes and publish the table."""
    if min(chosen.width, chosen.words, chosen.k, chosen.threads) < 1:
        raise ConfigError("width, words, k and threads must be at least 1")
    if chosen.items // max(PARTS) <= chosen.k:
        raise ConfigError(f"items must be more than {max(PARTS)} k, got {chosen.items}")
    rows = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as made:
        images, texts = Path(made) / "images.npy", Path(made) / "texts.npz"
        write_images(images, chosen.items, chosen.width)
        write_texts(texts, chosen.items, chosen.words)
        for part in PARTS:
            for view, path in (("image", images), ("text", texts)):
                n = chosen.items // part
                rows.append({"view": view} | _alone(path, n, chosen.k, chosen.threads))
                print(f"{view}, {n:,} items: {rows[-1]['seconds']:,.1f} s", flush=True)
    value = head("graph") | {
        "k": chosen.k,
        "threads": chosen.threads,
        "checked": CHECKED,
        "load_before": os.getloadavg()[0],
        "rows": rows,
    }
    names = ("items", "width", "words", "k", "threads")
    whole = [getattr(chosen, name) for name in names] == [ITEMS, WIDTH, WORDS, K, THREADS]
    publish(value, render, whole=whole, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    rows = [
        [
            row["view"],
            f"{row['items']:,} x {row['width']:,}",
            f"{row['seconds']:,.1f} s",
            f"{row['gflops']:,.0f} GFLOP/s",
            f"{row['plain_gflops']:,.0f} GFLOP/s",
            f"**{100 * row['share']:.0f} %**",
            f"{row['own_bytes'] / 2**30:.2f} GiB",
            f"{row['peak_bytes'] / 2**30:.2f} GiB",
            f"{row['wrong']} of {row['checked']}",
        ]
        for row in value["rows"]
    ]
    columns = ["view", "features", f"{value['k']} nearest", "useful work", "plain product"]
    columns += ["share", "own memory", "peak with the file", "rows that differ"]
    return (
        "# The correlation graph\n\n"
        + table(columns, rows)
        + f"\nExact nearest neighbours of every row among all others, {value['threads']} thread"
        f"{'s' if value['threads'] > 1 else ''} in matrix products. Useful work is one product per "
        "pair of rows, n^2 d floating-point operations; the plain product is one of two square "
        f"matrices of {SQUARE:,}, timed in the same process before. Images: float32 in a memory "
        f"map, {RANK} factors and noise, negative numbers cut; what the system keeps of the file "
        "in memory counts as resident, so own memory (the largest seen at a report of progress) "
        f"stands beside it. Texts: {TAGS:g} tags on average from {TOPICS} topics, CSR with term "
        f"weights. The last column compares {value['checked']} random rows with all others in "
        "float64. Random data, seed 0.\n\n"
        f"- Load before the end of the run: {value['load_before']:.1f}\n"
        f"- Command: `{value['command']}`\n"
        f"- Code: crossbit {value['code_version']}, Python {value['python']}, numpy "
        f"{value['libraries']['numpy']}\n"
    )


def measure(path: Path, n: int, k: int, threads: int) -> Json:
    """Return time and memory of the first n rows' neighbours; meant for a process of its own."""
    from threadpoolctl import threadpool_limits

    from crossbit.features.scaling import fit_scaling
    from crossbit.graph.blocks import BlockReader
    from crossbit.graph.neighbours import nearest

    if path.suffix == ".npy":
        rows = BlockReader.of(np.load(path, mmap_mode="r")[:n])
    else:
        words = sparse.csr_matrix(sparse.load_npz(path))[:n]
        rows = BlockReader.of(words, fit_scaling(words))
    own = [0]
    with threadpool_limits(threads):
        plain = _plain()
        started = time.perf_counter()
        positions, _ = nearest(rows, k, progress=lambda done: own.append(_own_memory()))
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # before the check's own
        asked = np.random.default_rng(1).choice(n, min(CHECKED, n), replace=False)
        wrong = _differing(rows, asked, positions[asked])
    gflops = n * n * rows.width() / seconds / 1e9
    return {
        "items": n,
        "width": rows.width(),
        "seconds": round(seconds, 2),
        "gflops": round(gflops, 1),
        "plain_gflops": round(plain, 1),
        "share": round(gflops / plain, 3),
        "own_bytes": max(own),
        "peak_bytes": peak,
        "checked": len(asked),
        "wrong": wrong,
    }


def write_images(path: Path, n: int, width: int) -> None:
    """Write features like those of a network: few factors, noise, nothing negative."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(RANK, width)).astype(np.float32) / np.float32(RANK**0.5)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, width))
    for start in range(0, n, BLOCK):
        part = out[start : start + BLOCK]
        factors = rng.standard_normal((len(part), RANK), dtype=np.float32)
        noise = rng.standard_normal(part.shape, dtype=np.float32)
        part[:] = np.maximum(factors @ mixing + np.float32(0.5) * noise, 0)
    out.flush()


def write_texts(path: Path, n: int, words: int) -> None:
    """Write bags of tags, as CSR: each text's words are those of its topic, or anyone's."""
    rng = np.random.default_rng(0)
    length = rng.poisson(TAGS, n)
    row = np.repeat(np.arange(n), length)
    common = np.minimum(rng.zipf(1.3, len(row)) - 1, words - 1)
    topic = np.repeat(rng.integers(0, TOPICS, n), length)
    turned = (common + topic * (words // TOPICS)) % words
    column = np.where(rng.random(len(row)) < 0.7, turned, common)
    ones = np.ones(len(row), dtype=np.float32)
    sparse.save_npz(path, sparse.csr_matrix((ones, (row, column)), shape=(n, words)))


def _alone(path: Path, n: int, k: int, threads: int) -> Json:
    """Measure in a fresh process, whose peak of memory is this work's own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, path, n, k, threads).result()


def _plain() -> float:
    """Return the GFLOP/s of a large product."""
    a = np.random.default_rng(0).random((SQUARE, SQUARE), dtype=np.float32)
    out = a @ a
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        np.matmul(a, a, out=out)
        times.append(time.perf_counter() - started)
    return 2 * SQUARE**3 / statistics.median(times) / 1e9


def _own_memory() -> int:
    """Return bytes of resident memory that belong to no file; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = next((line for line in lines if line.startswith("RssAnon:")), "RssAnon: 0 kB")
    return int(found.split()[1]) * 1024


def _differing(rows: Any, asked: np.ndarray, found: np.ndarray) -> int:
    """Return how many rows' neighbours are not as near as the nearest by float64 products."""
    one = rows.read(asked).astype(np.float64)
    far = np.empty((len(asked), rows.n))
    for start in range(0, rows.n, BLOCK):
        other = rows.read(slice(start, start + BLOCK)).astype(np.float64)
        scale = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
        far[:, start : start + BLOCK] = scale - 2 * one @ other.T
    far[np.arange(len(asked)), asked] = np.inf
    ours = np.take_along_axis(far, found.astype(np.int64), axis=1)
    best = np.sort(np.partition(far, found.shape[1] - 1, axis=1)[:, : found.shape[1]], axis=1)
    # In order of our own, to the last digits that products of this length keep.
    close = np.abs(ours - best) <= 1e-6 * np.maximum(best, 1e-3)
    distinct = np.array([len(set(line)) == len(line) for line in found.tolist()])
    return int((~(close.all(axis=1) & distinct)).sum())
