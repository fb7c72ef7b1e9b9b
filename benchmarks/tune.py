"""How the defaults were chosen: as many trials for every method, on rows that no test queries."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks import ROOT
from benchmarks.options import grid_options
from benchmarks.semisupervised import BITS, DATASETS, LABELLED, plan
from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.evaluation import Report
from crossbit.evaluation.bench import Cell, run_grid

__all__ = ["SPACES", "START", "options", "render", "run", "trials"]

TRIALS = 8  # of each method, the first with START
FINALISTS = 3  # of them, and the first always
FIRST, SECOND = 100, 101  # seeds of the development splits
KEEP = 0.5  # probability that a trial leaves a setting as it is

_NETWORK = {"rate": (5e-4, 1e-3, 2e-3), "decay": (1e-3, 1e-2, 1e-1)}
_PAIRS = _NETWORK | {
    "temperature": (0.15, 0.2, 0.3, 0.45, 0.6),
    "labelled_batch": (128, 256, 384),
    "labelled_weight": (0.5, 1.0, 2.0),
    "contrast_weight": (0.25, 0.5, 1.0, 2.0),
    "balance": (0.03, 0.1, 0.3),
}
_PAIRS_START = {
    "rate": 1e-3,
    "decay": 1e-2,
    "temperature": 0.3,
    "labelled_batch": 256,
    "labelled_weight": 1.0,
    "contrast_weight": 1.0,
    "balance": 0.1,
}
# What the settings were before.
START: dict[str, Json] = {
    "dis": {"rate": 1e-3, "decay": 1e-2, "margin": 1.0, "labelled_batch": 64},
    "displus": _PAIRS_START,
    "schgan": _PAIRS_START | {"game_weight": 1.0, "policy_temperature": 1.0, "positives": 16},
}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    "dis": _NETWORK | {"margin": (0.5, 1.0, 2.0, 4.0), "labelled_batch": (32, 64, 96)},
    "displus": _PAIRS,
    "schgan": _PAIRS
    | {
        "game_weight": (0.25, 0.5, 1.0, 2.0),
        "policy_temperature": (0.5, 1.0, 2.0),
        "positives": (8, 16, 32),
    },
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)


def run(chosen: argparse.Namespace) -> None:
    """Run all trials on one development split, the best on another, and publish the ranking."""
    folder = ROOT / "runs" / "bench" / "tune"
    found = {method: trials(method) for method in SPACES}
    first = _score(found, {m: range(TRIALS) for m in SPACES}, FIRST, chosen, folder)
    best = {
        m: sorted({0, *sorted(scores, key=lambda t: -scores[t])[:FINALISTS]})[: FINALISTS + 1]
        for m, scores in first.items()
    }
    second = _score(found, best, SECOND, chosen, folder)
    rows = [
        {
            "method": method,
            "settings": settings,
            "first": first[method][trial],
            "second": second[method].get(trial),
        }
        for method in SPACES
        for trial, settings in enumerate(found[method])
    ]
    publish(head("tune") | {"trials": rows}, render, whole=True, folder=RESULTS)


def trials(method: str) -> list[Json]:
    """Return what every trial changes, drawn with a fixed seed; the first changes nothing."""
    rng = np.random.default_rng(0)
    found: list[Json] = [{}]
    while len(found) < TRIALS:
        drawn = {
            name: values[rng.integers(len(values))]
            for name, values in SPACES[method].items()
            if rng.random() > KEEP
        }
        changed = {name: value for name, value in drawn.items() if value != START[method][name]}
        if changed and changed not in found:
            found.append(changed)
    return found


def render(value: Json) -> str:
    """Return the trials as Markdown, the best of each method first."""
    parts = [
        "# How the defaults were chosen\n",
        f"{TRIALS} trials for each method, the first with the settings as they were, the others "
        f"drawn at random around them; MAP at {BITS} bits with {LABELLED:.0%} of the labels, the "
        f"mean of both directions over {', '.join(DATASETS)}. Trained and judged on development "
        "splits of the rows that the test queries search: no trial sees a test query. The best "
        f"{FINALISTS} and the first were tried on a second development split; the best mean "
        "of both is the default now.\n",
    ]
    for method in SPACES:
        rows = [row for row in value["trials"] if row["method"] == method]
        rows.sort(key=lambda row: (row["second"] is None, -_mean(row)))
        cells = [
            [
                ", ".join(f"{k}={v}" for k, v in row["settings"].items()) or "as before",
                f"{row['first']:.4f}",
                "–" if row["second"] is None else f"{row['second']:.4f}",
                f"{_mean(row):.4f}",
            ]
            for row in rows
        ]
        columns = ["settings", f"split {FIRST}", f"split {SECOND}", "mean"]
        parts += [f"## {method}\n", table(columns, cells)]
    parts.append(f"Command: `{value['command']}`; code: crossbit {value['code_version']}.\n")
    return "\n".join(parts)


def _mean(row: Json) -> float:
    known = [row["first"]] + ([] if row["second"] is None else [row["second"]])
    return sum(known) / len(known)


def _score(
    found: dict[str, list[Json]],
    wanted: dict[str, Any],
    seed: int,
    chosen: argparse.Namespace,
    folder: Any,
) -> dict[str, dict[int, float]]:
    cells, places = [], []
    for dataset in DATASETS:
        for method, numbers in wanted.items():
            for trial in numbers:
                settings = {**START[method], **found[method][trial], "refit": False}
                made = plan(dataset, chosen.root, (method, settings), seed)
                cells.append(Cell(f"{method}, trial {trial}", made, development=True))
                places.append((method, trial))
    reports = run_grid(cells, folder, jobs=chosen.jobs)
    scores: dict[str, dict[int, float]] = {method: {} for method in wanted}
    for (method, trial), report in zip(places, reports, strict=True):
        so_far = scores[method].get(trial, 0.0)
        scores[method][trial] = so_far + _map(report) / len(DATASETS)
    return scores


def _map(report: Report) -> float:
    return float(np.mean([value.expected for value in report.map.values()]))
