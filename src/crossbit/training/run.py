"""FitRun: what surrounds a fit (folder, resume, progress, stop), without any learning library."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossbit.files import write_text

__all__ = ["FitRun"]


@dataclass
class FitRun:
    """Where a fit keeps its state and who hears of its progress.

    Attributes
    ----------
    folder : Path, optional
        Gets ``checkpoint/`` and ``history.jsonl`` after every epoch; nothing if not given.
    resume : bool
        Go on from the checkpoint in `folder` if there is one.
    report : callable, optional
        Called after every epoch with its figures: stage, epoch, epochs, loss (by name),
        validation_map, warning, seconds; and, without figures, during long steps before.
    stop : threading.Event
        Set it, and training ends after the epoch that is running, its checkpoint written.
    history : list of dict
        Events of all epochs so far.
    """

    folder: Path | None = None
    resume: bool = False
    report: Callable[[dict[str, Any]], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    history: list[dict[str, Any]] = field(default_factory=list)

    def log(self, events: list[dict[str, Any]]) -> None:
        """Write the history of all epochs so far and report the last of them."""
        self.history = list(events)
        if self.folder is not None:
            lines = "".join(json.dumps(event) + "\n" for event in events)
            write_text(Path(self.folder) / "history.jsonl", lines)
        if self.report is not None and events:
            self.report(events[-1])

    def report_progress(self, stage: str, share: float) -> None:
        """Report how much of a step before training is done, 0..1, in hundredths as epochs."""
        if self.report is not None:
            self.report({"stage": stage, "epoch": int(100 * share), "epochs": 100, "loss": {}})

    def checkpoint(self, name: str) -> Path | None:
        """Return the file that a stage called `name` keeps its state in."""
        return None if self.folder is None else Path(self.folder) / "checkpoint" / name

    def clear_checkpoint(self) -> None:
        """Remove the state of an earlier fit: a later resume would take it for this one's."""
        if self.folder is not None:
            for file in (Path(self.folder) / "checkpoint").glob("*"):
                file.unlink()
