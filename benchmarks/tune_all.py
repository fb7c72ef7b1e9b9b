"""How the codes of fully labelled rows were chosen: each trial on both networks, no test query."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import ROOT
from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit import hamming
from crossbit.codes import Codes
from crossbit.files import canonical_json, sha256, write_json
from crossbit.methods.deep.kernel_head import KernelHead
from crossbit.methods.deep.target_codes import labelled_target_codes, target_codes
from crossbit.metrics import average_precision
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.trial import Trial
from crossbit.runs.worker import development_split
from crossbit.splits import Split

__all__ = ["TRIALS", "options", "render", "run"]

METHODS = ("schgan", "displus")
BITS = (16, 64, 128)
SPLITS = (100, 101, 102, 103)
QUERIES = 0.25  # of the rows: gains are small beside the luck of a few hundred queries
TURNS = 3  # draws of the rotation for each trial and fit: its luck is as large as a gain
DIRECTIONS = ("image->text", "text->image")
# draws 0: the codes of partly labelled rows, `settled_codes`; the first trial was the default.
TRIALS: tuple[Json, ...] = (
    {"draws": 0, "pull": 20.0},
    {"draws": 0, "pull": 100.0},
    {"draws": 1, "pull": 20.0},
    {"draws": 100, "pull": 20.0},
    {"draws": 100, "pull": 100.0},
)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)


def run(chosen: argparse.Namespace) -> None:
    """Train each network once for each split and length, give it every trial's codes, publish."""
    splits = chosen.seeds or SPLITS
    rows = []
    for seed in splits:
        for bits in BITS:
            for method in METHODS:
                rows += _fit(method, bits, seed, chosen.root)
    publish(head("tune_all") | {"fits": rows}, render, whole=not chosen.seeds, folder=RESULTS)


def render(value: Json) -> str:
    """Return the trials as Markdown, the best first."""
    fits = value["fits"]

    def mean(trial: Json, **wanted: Any) -> float:
        kept = [r for r in fits if {**wanted, **trial}.items() <= r.items()]
        return float(np.mean([r[name] for r in kept for name in DIRECTIONS]))

    def shown(trial: Json, bits: int) -> str:
        kept = [r for r in fits if {"bits": bits, **trial}.items() <= r.items()]
        return " / ".join(f"{np.mean([r[name] for r in kept]):.4f}" for name in DIRECTIONS)

    splits = sorted({row["split"] for row in fits})
    columns = ["draws", "pull", *(f"{bits} bits" for bits in BITS), *METHODS, "mean"]
    cells = [
        [
            str(trial["draws"]) if trial["draws"] else "as before",
            f"{trial['pull']:g}",
            *(shown(trial, bits) for bits in BITS),
            *(f"{mean(trial, method=method):.4f}" for method in METHODS),
            f"{mean(trial):.4f}",
        ]
        for trial in sorted(TRIALS, key=lambda trial: -mean(trial))
    ]
    return "\n".join(
        [
            "# How the codes of fully labelled rows were chosen\n",
            "MAP from image to text / from text to image on Wikipedia with all labels; then the "
            "mean of both directions and all lengths for each network, and of both networks. "
            f"Development splits {', '.join(map(str, splits))} of the 2,173 training rows, a "
            f"share of {QUERIES:.0%} of them queries: no trial sees a test query. Each network is "
            "trained once for each split and length on all rows that are no queries; then its "
            f"kernel head learns each trial's codes, with {TURNS} draws of the rotation. `draws` "
            "is the number of rotations of which the one counts whose class codes overlap least; "
            "`pull` is `labelled_class_weight`. Both networks had the same trials, and the best "
            "mean is the default of both.\n",
            table(columns, cells),
            f"Command: `{value['command']}`; code: crossbit {value['code_version']}.\n",
        ]
    )


def _fit(method: str, bits: int, seed: int, root: str | None) -> list[Json]:
    """Return every trial's figures on one network; kept under runs/, as a grid's cells are."""
    experiment = ExperimentConfig(
        data="wikipedia",
        root=root,
        recipe="wikipedia",
        split_seed=seed,
        method=method,
        settings={"bits": bits, "seed": seed, "kernel_head": "never"},
    ).resolved()
    key = sha256(
        Trial(method, experiment, development=True).key, canonical_json([*TRIALS, TURNS, QUERIES])
    )[:16]
    path = ROOT / "runs" / "bench" / "tune_all" / f"{key}.json"
    if path.exists():
        return _read(path)
    split = development_split(experiment, experiment.corpus(), QUERIES)
    hasher: Any = experiment.hasher()
    rows = split.database
    hasher.fit(rows)
    outputs = [hasher.project(rows[view], view) for view in rows.views]
    labels = rows.require_labels().toarray().astype(np.float32)
    # Side by side, so that one decomposition of the kernel serves all: a trial is some columns.
    codes = [
        _codes(trial, outputs, labels, seed + 1000 * turn)
        for trial in TRIALS
        for turn in range(TURNS)
    ]
    query, database = {}, {}
    for view in rows.views:
        scaled = hasher._scaling[view]
        memory = KernelHead.fit(scaled(rows[view]), np.concatenate(codes, axis=1))
        query[view], database[view] = memory(scaled(split.query[view])), memory(scaled(rows[view]))
    found = []
    for number, trial in enumerate(TRIALS):
        figures = [
            _maps(query, database, split, slice(bits * turn, bits * (turn + 1)))
            for turn in range(TURNS * number, TURNS * (number + 1))
        ]
        values = [round(float(value), 5) for value in np.mean(figures, axis=0)]
        means = dict(zip(DIRECTIONS, values, strict=True))
        found.append({"method": method, "bits": bits, "split": seed, **trial, **means})
        print(f"{method}, {bits} bits, split {seed}, {trial}: {means}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"fits": found})
    return found


def _codes(trial: Json, outputs: Sequence[np.ndarray], labels: np.ndarray, seed: int) -> np.ndarray:
    if not trial["draws"]:
        return target_codes(outputs, labels, trial["pull"])
    return labelled_target_codes(outputs, labels, trial["pull"], seed, trial["draws"])


def _maps(
    query: dict[str, np.ndarray], database: dict[str, np.ndarray], split: Split, bits: slice
) -> list[float]:
    labels = split.query.require_labels(), split.database.require_labels()
    found = {}
    for a, b in permutations(query, 2):
        codes = Codes.pack(query[a][:, bits] > 0), Codes.pack(database[b][:, bits] > 0)
        values = average_precision(*hamming.histogram(*codes, *labels)).expected
        found[f"{a}->{b}"] = float(values.mean())
    return [found[name] for name in DIRECTIONS]


def _read(path: Path) -> list[Json]:
    import json

    fits: list[Json] = json.loads(path.read_text(encoding="utf-8"))["fits"]
    return fits
