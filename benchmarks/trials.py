"""Trials: as many for every method, on rows that no test queries, to choose the settings by."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import ROOT
from benchmarks.tables import Json, table
from crossbit.evaluation import Report
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = ["FINALISTS", "FIRST", "SECOND", "TRIALS", "Search", "sections"]

TRIALS = 8  # of each method, the first with what it starts from
FINALISTS = 3  # of them, and the first always
FIRST, SECOND = 100, 101  # seeds of the development splits
KEEP = 0.5  # probability that a trial leaves a setting as it is
FOLDER = ROOT / "runs" / "bench" / "tune"

# dataset, root, (method, settings), seed -> plan
Planner = Callable[[str, str | None, tuple[str, Json], int], ExperimentConfig]
Scores = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Search:
    """Which settings are tried, around which, and on what.

    Attributes
    ----------
    start : dict
        By method, what its settings were before.
    spaces : dict
        By method, the values that each setting may take.
    datasets : sequence of str
        A trial's score is the mean over them, and over both directions.
    plan : callable
        What one fit is, development split apart.
    fixed : dict
        Settings that no trial changes.
    """

    start: Mapping[str, Json]
    spaces: Mapping[str, Mapping[str, tuple[Any, ...]]]
    datasets: Sequence[str]
    experiment: Planner
    fixed: Json = field(default_factory=dict)

    def trials(self, method: str) -> list[Json]:
        """Return what every trial changes, drawn with a fixed seed; the first changes nothing."""
        rng = np.random.default_rng(0)
        found: list[Json] = [{}]
        while len(found) < TRIALS:
            drawn = {
                name: values[rng.integers(len(values))]
                for name, values in self.spaces[method].items()
                if rng.random() > KEEP
            }
            changed = {k: value for k, value in drawn.items() if value != self.start[method][k]}
            if changed and changed not in found:
                found.append(changed)
        return found

    def run(self, chosen: argparse.Namespace) -> list[Json]:
        """Run all trials on one development split and the best on another; return the scores."""
        found = {method: self.trials(method) for method in self.spaces}
        first = self._score(found, {m: range(TRIALS) for m in self.spaces}, FIRST, chosen)
        best = {
            m: sorted({0, *sorted(scores, key=lambda t: -scores[t])[:FINALISTS]})[: FINALISTS + 1]
            for m, scores in first.items()
        }
        second = self._score(found, best, SECOND, chosen)
        return [
            {
                "method": method,
                "settings": settings,
                "first": first[method][trial],
                "second": second[method].get(trial),
            }
            for method in self.spaces
            for trial, settings in enumerate(found[method])
        ]

    def _score(
        self,
        found: Mapping[str, list[Json]],
        wanted: Mapping[str, Sequence[int]],
        seed: int,
        chosen: argparse.Namespace,
    ) -> Scores:
        cells, places = [], []
        for dataset in self.datasets:
            for method, numbers in wanted.items():
                for trial in numbers:
                    settings = {**self.start[method], **found[method][trial], **self.fixed}
                    made = self.experiment(dataset, chosen.root, (method, settings), seed)
                    cells.append(Trial(f"{method}, trial {trial}", made, development=True))
                    places.append((method, trial))
        reports = run_grid(cells, FOLDER, jobs=chosen.jobs)
        scores: Scores = {method: {} for method in wanted}
        for (method, trial), report in zip(places, reports, strict=True):
            so_far = scores[method].get(trial, 0.0)
            scores[method][trial] = so_far + _map(report) / len(self.datasets)
        return scores


def sections(value: Json) -> list[str]:
    """Return the trials of each method as Markdown, the best first, and where they come from."""
    parts = []
    for method in dict.fromkeys(row["method"] for row in value["trials"]):
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
    return parts


def _mean(row: Json) -> float:
    known = [row["first"]] + ([] if row["second"] is None else [row["second"]])
    return sum(known) / len(known)


def _map(report: Report) -> float:
    return float(np.mean([value.expected for value in report.map.values()]))
