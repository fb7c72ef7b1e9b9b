"""`crossbit serve` under load, over a million codes: with and without answering together."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.speed.load import Load
from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit import datasets, make_split, methods
from crossbit.codes import Codes
from crossbit.index import open_index

__all__ = ["options", "render", "run"]

ITEMS, BITS, K = 1_000_000, 64, 10
MODEL = "cmfh"  # of the glyphs, fitted within seconds; what matters here is that texts are coded
CONNECTIONS = (1, 8, 64)
SECONDS, REPEATS = 6.0, 3
GOAL = 3.0  # times the rate of one at a time, at the most connections
FORMS = {"together": 256, "one at a time": 1}
Row = dict[str, float]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--items", type=int, default=ITEMS, help="items of the index")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each run")
    parser.add_argument("--minutes", type=float, default=0.0, help="of the look at its memory")


def run(chosen: argparse.Namespace) -> None:
    """Build model and index, load both forms of the service in turns, publish medians."""
    rows: list[Json] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        queries = _build(folder, chosen.items)
        with _served(folder, "together") as one, _served(folder, "one at a time") as other:
            for query, connections in ((q, c) for q in queries for c in CONNECTIONS):
                found: dict[str, list[Row]] = {form: [] for form in FORMS}
                for _ in range(REPEATS):  # in turns: a busy moment hits both alike
                    for form, (port, _) in zip(FORMS, (one, other), strict=True):
                        load = _load(port, connections, chosen.seconds, queries[query])
                        found[form].append(load.summary())
                place = {"query": query, "connections": connections}
                rows += [{"form": form, "runs": runs, **place} for form, runs in found.items()]
        memory: list[Row] = []
        if chosen.minutes:
            with _served(folder, "together") as (port, process):
                memory = _watched(port, process, 60 * chosen.minutes, queries["text"])
    value = head("serving") | {
        "items": chosen.items,
        "bits": BITS,
        "k": K,
        "seconds": chosen.seconds,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "rows": rows,
        "minutes": chosen.minutes,
        "memory": memory,
    }
    publish(value, render, whole=chosen.items == ITEMS, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    lines, rates = [], {}
    for row in value["rows"]:
        rate, p50, p99 = (
            float(np.median([run[name] for run in row["runs"]])) for name in ("rate", "p50", "p99")
        )
        rates[row["query"], row["form"], row["connections"]] = rate
        errors = sum(int(run["errors"]) for run in row["runs"])
        requests = sum(int(run["requests"]) for run in row["runs"])
        figures = [f"{rate:,.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{errors} of {requests:,}"]
        lines.append([row["query"], row["form"], str(row["connections"]), *figures])
    most = max(row["connections"] for row in value["rows"])
    ratios = []
    for query in dict.fromkeys(row["query"] for row in value["rows"]):
        together, alone = (rates[query, form, most] for form in FORMS)
        ratios.append(f"{together / alone:.1f} times by {query}")
    heads = ["query by", "searches", "connections", "requests/s", "p50 ms", "p99 ms", "errors"]
    parts = [
        "# The service under load\n",
        f"{value['items']:,} codes of {value['bits']} bits with captions, k = {value['k']}, exact "
        f"search over HTTP on loopback; runs of {value['seconds']:g} s in turns, medians of "
        f"{REPEATS}. The service and the process that loads it share {value['cores']} cores. A "
        f"text is coded by the model ({MODEL}, of the glyphs), a code is sent as it is.\n",
        table(heads, lines),
        f"\nAnswers a second at {most} connections, together over one at a time: "
        f"{', '.join(ratios)} (goal: {GOAL:g}).\n",
    ]
    if value["memory"]:
        sizes = [point["megabytes"] for point in value["memory"]]
        requests = sum(point["requests"] for point in value["memory"])
        parts.append(
            f"Its own memory over {value['minutes']:g} minutes of texts at {most} connections: "
            f"{sizes[0]:.0f} MB after half a minute, {sizes[-1]:.0f} MB at the end, "
            f"{max(sizes):.0f} MB at most; {sum(point['errors'] for point in value['memory']):.0f} "
            f"errors in {requests:,.0f} requests.\n"
        )
    parts.append(f"Command: `{value['command']}`; crossbit {value['code_version']}.\n")
    return "\n".join(parts)


def _build(folder: Path, items: int) -> dict[str, Path]:
    """Make a model, an index of random codes that says it is the model's, and files of queries."""
    corpus = datasets.load("glyphs")
    split = make_split(corpus, seed=0)
    hasher = methods.get(MODEL)(bits=BITS).fit(split.train)
    hasher.save(folder / "model")
    random = np.random.default_rng(0)
    with open_index(folder / "index", "w") as index:
        for start in range(0, items, 250_000):
            ids = np.arange(start, min(start + 250_000, items))
            packed = random.integers(0, 256, (len(ids), BITS // 8), dtype=np.uint8)
            payload = [{"caption": f"item {k}"} for k in ids.tolist()]
            index.add(Codes(packed, BITS, ids), payload, fingerprint=hasher.fingerprint)
    codes = random.integers(0, 256, (4096, BITS // 8), dtype=np.uint8)
    asked = {
        "code": [{"code": code.tobytes().hex()} for code in codes],
        "text": [{"text": str(text)} for text in corpus.raw["text"]],
    }
    files = {}
    for name, bodies in asked.items():
        files[name] = folder / f"{name}.jsonl"
        files[name].write_text("\n".join(json.dumps({**body, "k": K}) for body in bodies))
    return files


@contextmanager
def _served(folder: Path, form: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the service; yield its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "crossbit", "serve", str(folder / "index")]
    command += ["--model", str(folder / "model"), "--port", str(port), "--threads", "1"]
    command += ["--batch", str(FORMS[form])]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30)
                break
            except OSError:
                time.sleep(0.1)
        yield port, process
    finally:
        process.terminate()
        process.wait(60)


def _load(port: int, connections: int, seconds: float, queries: Path) -> Load:
    """Load the service from a process of its own: the two share no interpreter."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.load",
        str(port),
        str(connections),
        str(seconds),
    ]
    done = subprocess.run([*command, str(queries)], capture_output=True, check=True, text=True)
    return Load(**json.loads(done.stdout))


def _watched(
    port: int, process: subprocess.Popen[bytes], seconds: float, queries: Path
) -> list[Row]:
    """Return requests, errors and memory of every half minute under load."""
    points, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found = _load(port, max(CONNECTIONS), min(30.0, seconds), queries).summary()
        points.append({**found, "megabytes": _own_memory(process.pid)})
    return points


def _own_memory(pid: int) -> float:
    """Return the megabytes that are a process's own: without files that it has mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")
