"""The rules of a fair comparison, checked on every run: a row that breaks one says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossbit import methods
from crossbit.evaluation.report import Report
from crossbit.runs.grid import Cell

__all__ = ["RULES", "Run", "broken"]

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
    """A finished cell, measured in one coding."""

    cell: Cell
    coding: str
    report: Report


def broken(runs: Sequence[Run], tuning: Mapping[str, str]) -> list[set[str]]:
    """Return which `RULES` each run breaks, among all runs of one grid on one dataset.

    Parameters
    ----------
    tuning : mapping
        By method, where the tuning of its settings on validation rows is recorded.
    """
    prints = Counter(run.cell.data_print for run in runs)
    hashes: dict[int, Counter[str]] = {}
    for run in runs:
        hashes.setdefault(run.report.seed, Counter())[run.report.split["hash"]] += 1
    found = []
    for run in runs:
        report = run.report
        breaks = {
            "transductive": bool(report.split["transductive"]),
            "data": run.cell.data_print != prints.most_common(1)[0][0],
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
