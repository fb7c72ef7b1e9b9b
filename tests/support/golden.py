"""Golden fits: what every method learns at quick sizes, as digests that do not hang on names.

``OMP_NUM_THREADS=1 CROSSBIT_CACHE= python tests/support/golden.py`` writes ``tests/golden.json``
for this machine; a refactoring that renames settings or arrays leaves the digests as they are. Bits
differ between processors and library builds, so each machine has its own entry.
"""

from __future__ import annotations

import json
import os
import platform
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from checkerboard import QUICK, board_for, quick, split

from crossbit import datasets, methods
from crossbit.errors import DataError
from crossbit.files import sha256
from crossbit.methods.base import Hasher
from crossbit.methods.settings import coerce
from crossbit.splits import Split

HERE = Path(__file__).parents[1]
FILE = HERE / "golden.json"
EXPERIMENTS = HERE.parent / "experiments"
DATA = ("checkerboard", "glyphs")
NAMES = methods.names()


def machine() -> str:
    """Return what bits hang on beside the code: processor and numerical libraries."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        rows = [r for r in info.read_text(encoding="utf-8").splitlines() if r.startswith("model n")]
        cpu = rows[0].partition(":")[2].strip() if rows else cpu
    core = os.environ.get("OPENBLAS_CORETYPE", "")
    return f"{cpu}{core and f' as {core}'}, numpy {np.__version__}, scipy {scipy.__version__}, " + (
        f"torch {torch.__version__}"
    )


@cache
def glyphs() -> Split:
    """A tenth of the glyphs, a tenth of them labelled: real drawings and names."""
    corpus = datasets.load("glyphs")
    return split(corpus.take(np.arange(0, len(corpus), 9)), 0.3)


def learnt(hasher: Hasher, parts: Split) -> str:
    """Fit, and return the digest of all arrays, and of the codes of the queries."""
    hasher.fit(parts.train, validation=parts.validation)
    arrays = sorted(sha256(array) for array in hasher._arrays().values())
    codes = [hasher.encode(parts.query[view], view).packed for view in parts.query.dims]
    return sha256(*arrays, *codes)


def fit(name: str, data: str) -> str | None:
    """Return the digest of one method on some data; None if it cannot learn from them."""
    try:
        if data == "checkerboard":
            return learnt(quick(name), split(board_for(name)))
        return learnt(quick(name), glyphs())
    except DataError:
        return None


def fit_experiment(path: Path) -> str:
    """Return the digest of a published form on the checkerboard, at quick sizes."""
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["method"]
    cls = methods.get(table.pop("name"))
    settings = coerce(cls, table)
    sizes = {
        k: v
        for k, v in QUICK.items()
        if k in cls().settings and k not in ("query_batch", "samples")
    }
    return learnt(cls(**settings | sizes), split(board_for(cls.name)))


def main() -> None:
    found = {f"{name} on {data}": fit(name, data) for name in NAMES for data in DATA}
    found |= {path.stem: fit_experiment(path) for path in sorted(EXPERIMENTS.glob("*.toml"))}
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    kept[machine()] = found
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
