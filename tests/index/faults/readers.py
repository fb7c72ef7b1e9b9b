"""Readers in other processes while a writer adds, removes and compacts: each sees one version.

Run as ``python readers.py FOLDER --rounds N --readers M``: prints JSON. Version v of the index
holds exactly the items of batch v, all with payload {"batch": v}: the writer swaps batches by one
upsert that also removes nothing else, so a reader that sees two batches at once saw a torn state.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from crossbit.codes import Codes
from crossbit.index import open_index

ITEMS = 300


def batch(number: int) -> Codes:
    """Return the codes of one batch: the same ids each time, codes of its own."""
    packed = np.random.default_rng(number).integers(0, 256, (ITEMS, 8), dtype=np.uint8)
    return Codes(packed, 64, np.arange(ITEMS))


def look(index, query: Codes) -> tuple[int, list[str]]:
    """Return the batch that one search sees, and what does not fit it."""
    hit = index.search(query, ITEMS)[0]
    seen = {item["batch"] for item in hit.payload}
    if len(seen) != 1 or len(hit) != ITEMS:
        return -1, [f"{len(hit)} items of batches {seen}"]
    (number,) = seen
    codes = batch(number)
    right = codes[hit.ids].distance(query)
    if sorted(hit.ids.tolist()) != list(range(ITEMS)) or right.tolist() != hit.distances.tolist():
        return number, [f"wrong neighbours in batch {number}"]
    return number, []


def read(folder: Path, stop: int) -> dict:
    """Search until the last batch is seen; return how many versions were seen, and problems."""
    query = batch(10**6)[:1]
    seen: Counter = Counter()
    problems: list[str] = []
    last = -1
    index = open_index(folder)
    for turn in range(10**6):
        if turn % 50 == 49:  # others open while the writer is at work
            index.close()
            index = open_index(folder)
        number, found = look(index, query)
        problems += found
        if number < last:
            problems.append(f"batch {number} after batch {last}")
        seen[number] += 1
        last = number
        if number >= stop or problems:
            break
    index.close()
    return {"searches": seen.total(), "versions": len(seen), "problems": problems}


def main() -> None:
    """Fork readers, write all batches with a compaction now and then, collect what they saw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--readers", type=int, default=3)
    chosen = parser.parse_args()
    with open_index(chosen.folder, "w") as index:
        index.add(batch(0), [{"batch": 0}] * ITEMS)
    pipes = []
    for _ in range(chosen.readers):
        reader, writer = os.pipe()
        if not os.fork():
            os.close(reader)
            try:
                report = read(chosen.folder, chosen.rounds)
            except BaseException as error:
                report = {"searches": 0, "versions": 0, "problems": [repr(error)]}
            os.write(writer, json.dumps(report).encode())
            os._exit(0)
        os.close(writer)
        pipes.append(reader)
    with open_index(chosen.folder, "w") as index:
        for number in range(1, chosen.rounds + 1):
            index.upsert(batch(number), [{"batch": number}] * ITEMS)
            if number % 5 == 0:
                index.compact()
    reports = []
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as stream:
            reports.append(json.loads(stream.read()))
        os.wait()
    json.dump({"rounds": chosen.rounds, "readers": reports}, sys.stdout)


if __name__ == "__main__":
    main()
