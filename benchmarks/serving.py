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

from benchmarks.load import Load
from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.codes import Codes
from crossbit.index import open_index

__all__ = ["options", "render", "run"]

ITEMS, BITS = 1_000_000, 64
CONNECTIONS = (1, 8, 64)
SECONDS, REPEATS = 8.0, 3
GOAL = 3.0  # times the rate of one at a time, at the most connections
FORMS = {"together": 256, "one at a time": 1}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--items", type=int, default=ITEMS, help="items of the index")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each run")
    parser.add_argument("--minutes", type=float, default=0.0, help="of the look at its memory")


def run(chosen: argparse.Namespace) -> None:
    """Build the index, load both forms of the service in turns, publish medians."""
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "codes")
        _build(address, chosen.items)
        rows = []
        with (
            _served(address, FORMS["together"]) as one,
            _served(address, FORMS["one at a time"]) as other,
        ):
            ports = dict(zip(FORMS, (one, other), strict=True))
            for connections in CONNECTIONS:
                found: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
                for _ in range(REPEATS):  # in turns: a busy moment hits both alike
                    for form, (port, _) in ports.items():
                        load = _load(port, connections, chosen.seconds)
                        found[form].append(load.summary())
                for form, runs in found.items():
                    rows.append({"form": form, "connections": connections, "runs": runs})
        memory = []
        if chosen.minutes:
            with _served(address, FORMS["together"]) as (port, process):
                memory = _watched(port, process, 60 * chosen.minutes)
    value = head("serving") | {
        "items": chosen.items,
        "bits": BITS,
        "k": 10,
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
    lines = []
    rates: dict[tuple[str, int], float] = {}
    for row in value["rows"]:
        rate, p50, p99 = (
            float(np.median([run[name] for run in row["runs"]])) for name in ("rate", "p50", "p99")
        )
        rates[row["form"], row["connections"]] = rate
        errors = sum(int(run["errors"]) for run in row["runs"])
        requests = sum(int(run["requests"]) for run in row["runs"])
        figures = [f"{rate:,.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{errors} of {requests:,}"]
        lines.append([row["form"], str(row["connections"]), *figures])
    most = max(CONNECTIONS)
    ratio = rates["together", most] / rates["one at a time", most]
    parts = [
        "# The service under load\n",
        f"{value['items']:,} codes of {value['bits']} bits, k = {value['k']}, exact search over "
        f"HTTP on loopback; runs of {value['seconds']:g} s in turns, medians of {REPEATS}. The "
        f"service and the process that loads it share {value['cores']} cores.\n",
        table(["searches", "connections", "requests/s", "p50 ms", "p99 ms", "errors"], lines),
        f"\nAnswered together, {most} connections get {ratio:.1f} times as many answers a second "
        f"as one at a time (goal: {GOAL:g}).\n",
    ]
    if value["memory"]:
        sizes = [point["megabytes"] for point in value["memory"]]
        parts.append(
            f"Memory of its own over {value['minutes']:g} minutes at {most} connections: "
            f"{sizes[0]:.0f} MB after the first half minute, {sizes[-1]:.0f} MB at the end, "
            f"{max(sizes):.0f} MB at most; "
            f"{sum(point['errors'] for point in value['memory'])} errors in "
            f"{sum(point['requests'] for point in value['memory']):,} requests.\n"
        )
    parts.append(f"Command: `{value['command']}`; crossbit {value['code_version']}.\n")
    return "\n".join(parts)


def _build(address: str, items: int) -> None:
    random = np.random.default_rng(0)
    with open_index(address, "w") as index:
        for start in range(0, items, 250_000):
            ids = np.arange(start, min(start + 250_000, items))
            packed = random.integers(0, 256, (len(ids), BITS // 8), dtype=np.uint8)
            index.add(Codes(packed, BITS, ids), [{"caption": f"item {k}"} for k in ids.tolist()])


@contextmanager
def _served(address: str, batch: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the service; yield its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "crossbit", "serve", address]
    command += ["--port", str(port), "--batch", str(batch), "--threads", "1"]
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


def _load(port: int, connections: int, seconds: float) -> Load:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(connections), str(seconds)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return Load(**json.loads(done.stdout))


def _watched(port: int, process: subprocess.Popen[bytes], seconds: float) -> list[dict[str, float]]:
    """Return requests, errors and memory of every half minute under load."""
    points, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found = _load(port, max(CONNECTIONS), min(30.0, seconds)).summary()
        points.append({**found, "megabytes": _own_memory(process.pid)})
    return points


def _own_memory(pid: int) -> float:
    """Return the megabytes that are a process's own: without files that it has mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")
