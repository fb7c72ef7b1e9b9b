"""Progress of a fit: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

QUIET = 2.0  # seconds between plain lines: a log of a long run stays readable


class Progress:
    """Shows the dictionaries that training reports after every round; use as a context."""

    def __init__(self, title: str) -> None:
        from rich.console import Console

        self.title = title
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal
        self.seen: set[str] = set()
        self.last = 0.0
        self.started: dict[str, tuple[int, float]] = {}  # first round seen, and when
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if self.live:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bars

            self.bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live:
            self.bars.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event: stage, round, rounds, loss, figures, validation_map, warning."""
        if event.get("warning"):
            self.say(f"warning: {event['warning']}")
        stage, done, total = event["stage"], event["epoch"], event["epochs"]
        name, figures = f"{self.title} {stage}", _figures(event)
        if self.live:
            if stage not in self.tasks:
                self.tasks[stage] = self.bars.add_task(name, total=total, figures=figures)
            self.bars.update(self.tasks[stage], completed=done, total=total, figures=figures)
            return
        now = time.monotonic()
        first, begun = self.started.setdefault(stage, (done, now))
        if done in (first, total) or now - self.last >= QUIET:
            self.last = now
            left = _left(now - begun, done - first, total - done)
            print(f"{name} {done}/{total}  {figures}{left}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line beside the bars, once however often it comes."""
        if text in self.seen:
            return
        self.seen.add(text)
        if self.live:
            self.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)


def _figures(event: dict[str, Any]) -> str:
    parts = [f"{name} {value:.4g}" for name, value in (event.get("loss") or {}).items()]
    if event.get("figures"):
        parts.append(event["figures"])
    if event.get("validation_map") is not None:
        parts.append(f"validation MAP {event['validation_map']:.3f}")
    return "  ".join(parts)


def _left(spent: float, rounds: int, remaining: int) -> str:
    if rounds < 1 or remaining < 1:
        return ""
    seconds = round(spent / rounds * remaining)
    return f"  {seconds // 60}:{seconds % 60:02d} left"
