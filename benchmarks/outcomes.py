"""Outcomes: what became of each cell of a grid that goes on where a method refuses a split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import Json
from crossbit.evaluation import Report
from crossbit.runs.grid import State, UnfinishedError, load_reports, run_grid
from crossbit.runs.trial import Trial
from crossbit.runs.worker_process import LOG

__all__ = ["Outcome", "finish", "missing_lines"]

CRASH = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Outcome:
    """One cell after the grid ran.

    Attributes
    ----------
    cell : Cell
    reports : dict
        By the coding of the database; empty if there are none.
    refusal : str
        The sentence in which the method refused; empty if it did not, or was not reached.
    """

    cell: Trial
    reports: dict[str, Report]
    refusal: str = ""


def finish(
    cells: Sequence[Trial], folder: Path, *, jobs: int
) -> tuple[list[Outcome], UnfinishedError | None]:
    """Run what is not finished, and return what became of all cells, in their order.

    A cell that refuses in one sentence is an outcome. A crash or a stop is a failure: it comes
    second, for the caller to raise once what is finished is published.
    """
    ended: list[str] = []

    def watch(state: State) -> None:
        ended[:] = state.failed

    failure = None
    try:
        run_grid(cells, folder, jobs=jobs, watch=watch)
    except UnfinishedError as error:
        failure = error
    refused: dict[str, str] = {}
    for cell in cells:
        if any(text.startswith(f"{cell}: ") for text in ended):
            refused[cell.key] = _refusal(folder / cell.key / LOG)
    crashed = [text for text in ended if not _among(text, cells, refused)]
    if failure is not None and not failure.stopped:
        failure = (
            UnfinishedError(f"{len(crashed)} trials failed, the first: {crashed[0]}")
            if crashed
            else None
        )
    found = [
        Outcome(cell, load_reports(folder / cell.key), refused.get(cell.key, "")) for cell in cells
    ]
    return found, failure


def missing_lines(value: Json) -> list[str]:
    """Return the lines that say what a result lacks: methods, refusals, cells not run yet."""
    lines = [f"- Left out: {item['what']} ({item['why']})\n" for item in value["left_out"]]
    lines += [f"- Refused: {item['what']} ({item['why']})\n" for item in value["refused"]]
    if value["unfinished"]:
        count, first = len(value["unfinished"]), value["unfinished"][0]
        lines.append(f"- **Not finished**: {count} cells, the first: {first}\n")
    return lines


def _among(text: str, cells: Sequence[Trial], refused: dict[str, str]) -> bool:
    return any(text.startswith(f"{cell}: ") and refused[cell.key] for cell in cells)


def _refusal(log: Path) -> str:
    """Return the log's last line if it is an error's sentence, not a crash or a progress event."""
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    if not text or CRASH in text:
        return ""
    last = text.splitlines()[-1]
    try:
        json.loads(last)
    except ValueError:
        return last
    return ""
