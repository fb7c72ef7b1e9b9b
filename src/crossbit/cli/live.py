"""How far a grid is: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from crossbit.runs.grid import State, load_reports
from crossbit.runs.trial import Trial

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["GridView"]

BESIDE = 9  # lines of the screen that are no rows of the table


class GridView:
    """Shows the states that `run_grid` reports; use as a context.

    Parameters
    ----------
    trials : sequence of Cell
        The whole grid: what `folder` holds of it counts as MAP so far.
    jobs : int
        Trials at a time, for the time that is left.
    """

    def __init__(self, trials: Sequence[Trial], folder: Path, jobs: int) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self.live: Any = None
        self._jobs, self._started = jobs, time.monotonic()
        self._cells = {folder.resolve() / trial.key: trial for trial in trials}
        self._maps: dict[tuple[str, str], dict[int, list[float]]] = {}  # by data and label
        self._seen: set[Path] = set()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            from rich.live import Live

            for path in self._cells:
                self._take(path)
            self.live = Live(console=self.console, refresh_per_second=4, transient=True)
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, state: State) -> None:
        """Draw how far the grid is."""
        if self.live is not None:
            for path in state.done.keys() - self._seen:
                self._take(path)
            self.live.update(self._drawn(state))

    def say(self, text: str) -> None:
        """Print a line above the table."""
        if self.live is not None:
            self.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _take(self, path: Path) -> None:
        """Count the MAP of a finished trial, the mean of its directions, in its first coding."""
        reports = list(load_reports(path).values())
        if reports:
            self._seen.add(path)
            trial = self._cells[path]
            row = self._maps.pop((Path(trial.experiment.data).stem, trial.label), {})
            row.setdefault(reports[0].bits, []).append(reports[0].mean_map)
            self._maps[Path(trial.experiment.data).stem, trial.label] = (
                row  # the newest stands last
            )

    def _drawn(self, state: State) -> Group:
        from rich.console import Group
        from rich.text import Text

        ended = len(state.done) + len(state.failed)
        line = f"{ended} of {state.total} trials, {state.before} finished before"
        if state.failed:
            line += f", {len(state.failed)} failed"
        line += f"; {_clock(time.monotonic() - self._started)} gone"
        left = self._left(state)
        line += "" if left is None else f", about {_clock(left)} left"
        running = []
        for process in state.running.values():
            event = process.event
            stage = f"  {event['stage']} {event['epoch']}/{event['epochs']}" if event else ""
            running.append(f"  {process.trial}  {_clock(process.seconds)}{stage}")
        parts: list[Any] = [Text(line, style="bold"), *map(Text, running)]
        return Group(*parts, Text(""), self._table(len(running)))

    def _table(self, running: int) -> Table:
        from rich import box
        from rich.table import Table

        lengths = sorted({bits for row in self._maps.values() for bits in row})
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for name in ("data", "mean MAP so far"):
            table.add_column(name)
        for bits in lengths:
            table.add_column(f"{bits} bits", justify="right")
        room = max(3, self.console.height - BESIDE - running)
        for (data, label), row in list(self._maps.items())[-room:]:
            texts = [
                f"{sum(row[b]) / len(row[b]):.3f} ({len(row[b])})" if b in row else "–"
                for b in lengths
            ]
            table.add_row(data, label, *texts)
        return table

    def _left(self, state: State) -> float | None:
        """Return the seconds that are left, by what trials of the same method and data took."""
        if not state.done:
            return None
        known: dict[tuple[str, str], list[float]] = {}
        for path, seconds in state.done.items():
            known.setdefault(self._kind(path), []).append(seconds)
        overall = sum(state.done.values()) / len(state.done)

        def expected(path: Path) -> float:
            times = known.get(self._kind(path), [overall])
            return sum(times) / len(times)

        work = sum(expected(path) for path in state.waiting)
        work += sum(max(0.0, expected(p) - run.seconds) for p, run in state.running.items())
        return work / min(self._jobs, max(1, len(state.waiting) + len(state.running)))

    def _kind(self, path: Path) -> tuple[str, str]:
        experiment = self._cells[path].experiment
        return experiment.data, experiment.method


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
