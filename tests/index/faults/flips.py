"""Flip one byte of one file of an index: either it still answers rightly, or it refuses.

Run as ``python flips.py FOLDER --flips N --seed S``: prints JSON. With N = 0 every byte is flipped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.index import open_index

ITEMS = 40


def build(folder: Path, *, killed: bool = False, approximate: bool = False) -> None:
    """Make a small index with payload, removed items and two segments.

    With `killed` its writer dies, so that the last writes are in the log only.
    """
    packed = np.random.default_rng(0).integers(0, 256, (ITEMS, 8), dtype=np.uint8)
    names = np.array([f"item {k}" for k in range(ITEMS)])

    def fill() -> None:
        with open_index(folder, "w") as index:
            index.add(Codes(packed[:30], 64, names[:30]), [{"k": k} for k in range(30)])
            index.remove(names[[3, 17]])
            index.upsert(Codes(packed[25:], 64, names[25:]), [{"k": k} for k in range(25, ITEMS)])
            index.remove(names[[30]])
            if approximate:
                index.build_approximate("ivf", cells=2, probes=2)
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)

    if not killed:
        fill()
        return
    child = os.fork()
    if not child:
        fill()
    os.waitpid(child, 0)


def answers(folder: Path, *, approximate: bool = False) -> list:
    """Return everything that an index can be asked."""
    queries = Codes(np.random.default_rng(1).integers(0, 256, (3, 8), dtype=np.uint8), 64)
    with open_index(folder) as index:
        hits = index.search(queries, 10)
        if approximate:
            hits += index.search(queries, 10, approximate=True)
        hits += index.range_search(queries, 64, where={"k": 7})
        hits += index.search(queries, 9, allowed=["item 1", "item 3", "item 39"])
        codes, payload = index.get(["item 2", "item 26"])
        found = [[h.ids.tolist(), h.distances.tolist(), h.payload] for h in hits]
        return [len(index), index.bits, codes.packed.tolist(), payload, *found]


def is_found(folder: Path) -> bool:
    """Say whether `verify` reports something, or opening does."""
    try:
        with open_index(folder) as index:
            return bool(index.verify())
    except DataError:
        return True


def places(folder: Path, flips: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield files and offsets: all of them, or a sample with the first bytes of every file."""
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    sizes = {name: size for name, size in sizes.items() if size and not name.endswith("-shm")}
    every = [(name, k) for name, size in sizes.items() for k in range(size)]
    if not flips or flips >= len(every):
        yield from every
        return
    random = np.random.default_rng(seed)
    share = flips // len(sizes)
    for name, size in sizes.items():
        yield from ((name, k) for k in range(min(size, share // 4)))
        yield from ((name, int(k)) for k in random.integers(0, size, share - share // 4))


def flip(folder: Path, flips: int, seed: int, **kind: bool) -> dict:
    """Flip bytes one at a time; count what happened and list what must not happen."""
    whole, copy = folder / "whole", folder / "copy"
    build(whole, **kind)
    right = None
    random = np.random.default_rng(seed)
    outcomes: Counter = Counter()
    wrong, missed = [], []
    approximate = kind.get("approximate", False)
    shutil.copytree(whole, copy)
    right = answers(copy, approximate=approximate)
    for name, offset in places(whole, flips, seed):
        shutil.rmtree(copy)
        shutil.copytree(whole, copy)
        with (copy / name).open("r+b") as stream:
            stream.seek(offset)
            byte = stream.read(1)[0]
            stream.seek(offset)
            stream.write(bytes([byte ^ int(random.integers(1, 256))]))
        try:
            outcome = "right" if answers(copy, approximate=approximate) == right else "wrong"
        except DataError:
            outcome = "refused"
        outcomes[f"{name}: {outcome}"] += 1
        if outcome == "wrong":
            wrong.append([name, offset])
        # Bytes of a log, and what it shadows in the database, may mean nothing any more.
        if not kind.get("killed") and not is_found(copy):
            missed.append([name, offset])
    shutil.rmtree(folder)
    return {"flips": sum(outcomes.values()), "outcomes": outcomes, "wrong": wrong, "missed": missed}


def main() -> None:
    """Flip bytes of a closed index, and of one whose writer was killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--approximate", action="store_true", help="needs faiss")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        json.dumps(
            {
                "closed": flip(
                    chosen.folder / "closed",
                    chosen.flips,
                    chosen.seed,
                    approximate=chosen.approximate,
                ),
                "killed": flip(chosen.folder / "killed", chosen.flips, chosen.seed, killed=True),
            }
        )
    )


if __name__ == "__main__":
    main()
