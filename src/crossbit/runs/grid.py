"""A grid of trials, each one fit and its evaluation; a finished trial is never run twice."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossbit.errors import ConfigError, CrossbitError
from crossbit.evaluation.report import Report
from crossbit.interrupt import stop_on_interrupt
from crossbit.methods.base import DATABASE_CODINGS
from crossbit.runs.trial import Trial
from crossbit.runs.worker_process import LOG, WorkerProcess

__all__ = ["State", "UnfinishedError", "keep_best_models", "load_reports", "run_grid"]

REPORT, MODEL = "report.json", "model.safetensors"
PATIENCE = 0.2  # seconds between looks at the running trials


class UnfinishedError(CrossbitError):
    """Trials failed or were stopped; those that are finished are kept."""

    def __init__(self, text: str, *, stopped: bool = False) -> None:
        super().__init__(text)
        self.stopped = stopped


@dataclass
class State:
    """How far a grid is."""

    before: int  # trials that were finished before
    waiting: deque[Path]
    running: dict[Path, WorkerProcess] = field(default_factory=dict)
    done: dict[Path, float] = field(default_factory=dict)  # seconds that a trial took
    failed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many trials there were to run."""
        return len(self.waiting) + len(self.running) + len(self.done) + len(self.failed)


def run_grid(
    trials: Sequence[Trial],
    folder: Path,
    *,
    jobs: int = 2,
    say: Callable[[str], None] = print,
    watch: Callable[[State], None] = lambda state: None,
) -> list[Report]:
    """Run the trials that `folder` does not hold yet, and return the reports of all, in order.

    Every trial is a process of its own with one thread, so that a crash loses that trial alone. It
    keeps its reports, log, history and (until it is done) checkpoint under `folder`/<key>. Ctrl-C
    lets the running trials end their round; run the same grid again and they go on from there.

    Parameters
    ----------
    say : callable
        Told of every trial that ends, in one line.
    watch : callable
        Told how far the grid is, several times a second.

    Raises
    ------
    UnfinishedError
        If a trial failed or the grid was stopped; says which, why and where the log is.
    CrossbitError
        If a dataset is not there or a setting is wrong, before any trial starts.
    """
    if jobs < 1:
        raise ConfigError(f"jobs must be at least 1, got {jobs}")
    folders = [folder.resolve() / trial.key for trial in trials]
    wanted = dict(zip(folders, trials, strict=True))  # equal trials run once, whatever their labels
    waiting = deque(path for path in wanted if not (path / REPORT).exists())
    state = State(len(wanted) - len(waiting), waiting)
    total = state.total
    say(f"{len(wanted)} trials, {state.before} of them finished before; {jobs} at a time")
    stop = threading.Event()
    with stop_on_interrupt(stop, lambda text: say(text.replace("this epoch", "these epochs"))):
        try:
            while waiting or state.running:
                while waiting and len(state.running) < jobs:
                    path = waiting.popleft()
                    state.running[path] = WorkerProcess(path, wanted[path])
                ended = [path for path, process in state.running.items() if process.ended]
                for path in ended:
                    process, trial = state.running.pop(path), wanted[path]
                    if (path / REPORT).exists():
                        state.done[path] = process.seconds
                        place = f"[{len(state.done)}/{total}]"
                        say(f"{place} {trial}: {_figures(path)} ({process.seconds:.0f} s)")
                    elif not stop.is_set():
                        state.failed.append(f"{trial}: {process.last_line}")
                        say(f"FAILED {state.failed[-1]} (log: {_short(path / LOG)})")
                watch(state)
                if stop.is_set():
                    waiting.clear()
                    for process in state.running.values():
                        process.ask_to_stop()
                time.sleep(0 if ended else PATIENCE)
        finally:
            for process in state.running.values():
                process.end()
    if stop.is_set():
        raise UnfinishedError(
            "stopped; what is finished is kept, so run the same command to go on", stopped=True
        )
    if state.failed:
        raise UnfinishedError(
            f"{len(state.failed)} of {len(wanted)} trials failed, the first: {state.failed[0]}; "
            "mend it and run the same command again, the other trials are kept"
        )
    reports = {path: Report.load(path) for path in wanted}
    return [
        dataclasses.replace(reports[path], label=trial.label)
        for path, trial in zip(folders, trials, strict=True)
    ]


def keep_best_models(trials: Sequence[Trial], folder: Path) -> dict[str, Path]:
    """Keep the model of the best finished trial on each data set; remove the others' weights.

    By validation MAP, and by the order of the trials where there is none; never by queries.

    Returns
    -------
    dict
        Data set -> the trial's folder, a run folder that can be searched and served.
    """
    best: dict[str, tuple[float, Path]] = {}
    for trial in trials:
        path = folder.resolve() / trial.key
        if not (path / MODEL).exists() or not (path / REPORT).exists():
            continue
        score = Report.load(path).trained.get("validation_map") or 0.0
        data = Path(trial.experiment.data).stem
        if data not in best or score > best[data][0]:
            best[data] = (score, path)
    kept = {path for _, path in best.values()}
    for trial in trials:
        path = folder.resolve() / trial.key
        if path not in kept and (path / REPORT).exists():
            (path / MODEL).unlink(missing_ok=True)
    return {data: path for data, (_, path) in best.items()}


def load_reports(folder: Path) -> dict[str, Report]:
    """Return the reports of a trial by the coding of the database; none if it is not finished."""
    if not (folder / REPORT).exists():
        return {}
    others = [folder / coding for coding in DATABASE_CODINGS if (folder / coding / REPORT).exists()]
    database_codings = {text: coding for coding, text in DATABASE_CODINGS.items()}
    reports = [Report.load(path) for path in (folder, *others)]
    return {database_codings[report.coding]: report for report in reports}


def _figures(path: Path) -> str:
    values = Report.load(path).map
    return ", ".join(f"{name} {value.expected:.3f}" for name, value in values.items())


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
