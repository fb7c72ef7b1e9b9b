"""Results: the finished trials of a grid as one JSON value, which all tables are made of."""

from __future__ import annotations

import datetime
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from crossbit import methods
from crossbit.bench import published
from crossbit.bench.request import Request, Skipped
from crossbit.evaluation.provenance import code_version
from crossbit.evaluation.report import Report
from crossbit.runs.grid import load_reports
from crossbit.runs.trial import Trial, dataset_info

__all__ = ["RULES", "Json", "Run", "broken", "finished", "gather", "short_name"]

Json = dict[str, Any]
FORMAT = 1
DIGITS = 5  # of a MAP; tables show three
CURVE_DIGITS = 3
CURVE_BITS = 64  # what the paper draws its curves at
LIBRARIES = ("numpy", "scipy", "torch")
COUNTS = ("train", "labelled", "validation", "query", "database")
GAME = "schgan"


def finished(trials: Sequence[Trial], folder: Path) -> list[Run]:
    """Return what is finished of a grid, a run for every trial and coding of the database."""
    return [
        Run(trial, coding, report)
        for trial in trials
        for coding, report in load_reports(folder / trial.key).items()
    ]


def gather(
    request: Request,
    trials: Sequence[Trial],
    skipped: Sequence[Skipped],
    folder: Path,
    *,
    command: str,
) -> Json:
    """Return everything that tables and figures are made of.

    A row is a method with one coding of the database, on one dataset at one length; its figures
    stand in lists, in the order of its ``seeds``.
    """
    runs = finished(trials, folder)
    lengths = {run.report.bits for run in runs}
    drawn = CURVE_BITS if CURVE_BITS in lengths else max(lengths, default=CURVE_BITS)
    rows, curves = [], []
    for head, group in _groups(runs, request.tuning):
        reports = [run.report for run, _ in group]
        breaks = sorted(set().union(*(rules for _, rules in group)))
        rows.append(head | _row(reports) | {"breaks": breaks})
        if head["bits"] == drawn:
            curves.append(head | {"directions": _curves(reports)})
    done = {run.trial.key for run in runs}
    return {
        "format": FORMAT,
        "name": request.name,
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "code_version": code_version(),
        "python": platform.python_version(),
        "libraries": _libraries(),
        "map": runs[0].report.map_definition if runs else "",
        "data": [short_name(data) for data in request.data],
        "methods": {method: _method(method, runs) for method in request.methods},
        "bits": list(request.bits),
        "seeds": list(request.seeds),
        "unfinished": [str(trial) for trial in trials if trial.key not in done],
        "skipped": [vars(item) for item in skipped],
        "datasets": _datasets(runs),
        "rows": rows,
        "curves": curves,
        "rounds": _rounds([run for run in runs if run.report.bits == drawn], folder),
    }


def short_name(data: str) -> str:
    """Return what tables call a dataset that may be a path."""
    return Path(data).stem


def _groups(
    runs: Sequence[Run], tuning: Mapping[str, str]
) -> list[tuple[Json, list[tuple[Run, set[str]]]]]:
    """Return the runs, and the rules they break, that differ in nothing but the seed."""
    marked: list[tuple[Run, set[str]]] = []
    for data in dict.fromkeys(run.trial.experiment.data for run in runs):
        part = [run for run in runs if run.trial.experiment.data == data]
        marked += zip(part, broken(part, tuning), strict=True)
    groups: dict[tuple[Any, ...], list[tuple[Run, set[str]]]] = {}
    for run, rules in marked:
        report = run.report
        place = (short_name(run.trial.experiment.data), report.method, run.coding, report.bits)
        groups.setdefault(place, []).append((run, rules))
    names = ("dataset", "method", "coding", "bits")
    return [(dict(zip(names, key, strict=True)), group) for key, group in groups.items()]


def _row(reports: Sequence[Report]) -> Json:
    directions = list(reports[0].directions)
    return {
        "seeds": [report.seed for report in reports],
        "map": {
            name: [round(report.map[name].expected, DIGITS) for report in reports]
            for name in directions
        },
        "validation_map": _mean([report.trained.get("validation_map") for report in reports]),
        "fit_seconds": _mean([report.seconds.get("fit") for report in reports]),
    }


def _curves(reports: Sequence[Report]) -> Json:
    """Return the curves of Figures 4 and 5, the mean over seeds at the first one's places.

    Where items lack views, the draw of the queries decides how many there are to be found.
    """

    def mean(curves: list[tuple[Any, Any]]) -> list[float]:
        wanted = curves[0][0]
        each = [np.interp(wanted, places, values) for places, values in curves]
        average: np.ndarray = np.mean(each, axis=0)
        return np.round(average, CURVE_DIGITS).tolist()

    found = {}
    for name, first in reports[0].directions.items():
        parts = [report.directions[name] for report in reports]
        found[name] = {
            "n": list(first.precision_at),
            "precision_at": mean(
                [(list(part.precision_at), list(part.precision_at.values())) for part in parts]
            ),
            "recall": mean([(part.ranking.places, part.ranking.recall) for part in parts]),
            "precision": mean([(part.ranking.places, part.ranking.precision) for part in parts]),
        }
    return found


def _rounds(runs: Sequence[Run], folder: Path) -> list[Json]:
    """Return the validation MAP of both players by round, for Figure 6; a list for each seed."""
    found: dict[tuple[str, int], Json] = {}
    for run in runs:
        file = folder / run.trial.key / "history.jsonl"
        if run.report.method != GAME or run.coding != "single" or not file.exists():
            continue
        lines = file.read_text(encoding="utf-8").splitlines()
        events = [event for line in lines if (event := json.loads(line))["stage"] == "train"]
        name = short_name(run.trial.experiment.data)
        empty: Json = {"seeds": [], "discriminator": [], "generator": []}
        place = {"dataset": name, "bits": run.report.bits}
        entry = found.setdefault((name, run.report.bits), place | empty)
        entry["seeds"].append(run.report.seed)
        for player, key in ("discriminator", "validation_map"), ("generator", "generator_map"):
            values = [event.get(key) for event in events]
            entry[player].append([v if v is None else round(v, DIGITS) for v in values])
    return list(found.values())


def _datasets(runs: Sequence[Run]) -> Json:
    """Return what the runs on each dataset share: features, counts, splits, the random MAP."""
    found: Json = {}
    for run in runs:
        experiment, report = run.trial.experiment, run.report
        fingerprint, dims = dataset_info(experiment.data, experiment.root)
        entry = found.setdefault(
            short_name(experiment.data),
            {
                "features": dims,
                "fingerprint": fingerprint,
                "split": {name: report.split[name] for name in ("recipe", *COUNTS)},
                "hashes": {},
                "random": {
                    name: round(part.random_map, DIGITS) for name, part in report.directions.items()
                },
            },
        )
        entry["hashes"].setdefault(str(report.seed), report.split["hash"])
    return found


def _method(method: str, runs: Sequence[Run]) -> Json:
    """Return what tables say of a method; its settings where it ran."""
    entry: Json = {"label": published.title_of(method)}
    for run in runs:
        report = run.report
        if report.method == method:
            settings = {k: v for k, v in report.settings.items() if k not in ("bits", "seed")}
            facts = {"learns_from": report.learns_from, "ranking": report.ranking}
            return entry | facts | {"settings": settings}
    return entry


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), DIGITS) if known else None


def _libraries() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


# The mark of a row that breaks the rule, and what its footnote says.
RULES = {
    "data": ("a", "measured on other data than the other rows of the table"),
    "split": ("b", "measured on another split than the other rows with the same seed"),
    "transductive": ("c", "saw the query items in training, without their labels (transductive)"),
    "settings": (
        "d",
        "settings are not the method's defaults, and no tuning on validation rows is recorded",
    ),
    "validation": (
        "e",
        "without validation rows nothing chose the model: the last round was kept",
    ),
}


@dataclass(frozen=True)
class Run:
    """A finished trial, measured in one coding."""

    trial: Trial
    coding: str
    report: Report


def broken(runs: Sequence[Run], tuning: Mapping[str, str]) -> list[set[str]]:
    """Return which `RULES` each run breaks, among all runs of one grid on one dataset.

    Parameters
    ----------
    tuning : mapping
        By method, where the tuning of its settings on validation rows is recorded.
    """
    prints = Counter(run.trial.data_hash for run in runs)
    hashes: dict[int, Counter[str]] = {}
    for run in runs:
        hashes.setdefault(run.report.seed, Counter())[run.report.split["hash"]] += 1
    found = []
    for run in runs:
        report = run.report
        breaks = {
            "transductive": bool(report.split["transductive"]),
            "data": run.trial.data_hash != prints.most_common(1)[0][0],
            "split": report.split["hash"] != hashes[report.seed].most_common(1)[0][0],
            "settings": report.method not in tuning and not _is_default(report),
            # only a method that chooses among its rounds says what it chose by
            "validation": report.trained.get("validation_map", 1.0) is None,
        }
        found.append({rule for rule, is_broken in breaks.items() if is_broken})
    return found


def _is_default(report: Report) -> bool:
    method = methods.get(report.method)
    return bool(method(bits=report.bits, seed=report.seed).settings == report.settings)
