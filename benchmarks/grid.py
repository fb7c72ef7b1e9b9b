"""A grid of cells, each one fit and its evaluation; a finished cell is never run twice."""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from benchmarks.digest import code_digest
from crossbit.cli.interrupt import stop_on_interrupt
from crossbit.cli.plan import Plan
from crossbit.errors import ConfigError, CrossbitError
from crossbit.evaluation import Report
from crossbit.files import canonical_json, sha256, write_json

__all__ = ["ROOT", "Cell", "UnfinishedError", "grid_options", "run_grid"]

ROOT = Path(__file__).resolve().parents[1]
LOG, PLAN, REPORT = "log.txt", "cell.json", "report.json"
PATIENCE = 0.2  # seconds between looks at the running cells
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)


def grid_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all grids share."""
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time, one thread each (2)")
    parser.add_argument("--root", help="folder of the data sets; else CROSSBIT_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these; results stay unwritten")


class UnfinishedError(CrossbitError):
    """Cells failed or were stopped; those that are finished are kept."""


@dataclass(frozen=True)
class Cell:
    """One fit and its evaluation.

    Attributes
    ----------
    label : str
        What tables call the run; not part of its key.
    plan : Plan
        Dataset, split options, method and settings with bits and seed; settled.
    development : bool
        For choosing settings: judged by queries drawn from the rows that the plan would search,
        so that its own queries stay unseen.
    """

    label: str
    plan: Plan
    development: bool = False

    @property
    def key(self) -> str:
        """Hash of the plan, the data and the code, 16 hexadecimal digits; not of paths to data."""
        value: dict[str, Any] = dataclasses.replace(self.plan, root=None).to_json()
        if self.development:
            value["development"] = True
        options = canonical_json(self.plan.options)
        data = _data_print(self.plan.data, self.plan.root, options)
        return sha256(canonical_json(value), data, _code_print(self.plan.method))[:16]

    def __str__(self) -> str:
        settings = self.plan.settings
        return f"{self.label}, {self.plan.data}, {settings['bits']} bits, seed {settings['seed']}"


def run_grid(
    cells: Sequence[Cell],
    folder: Path,
    *,
    jobs: int = 2,
    say: Callable[[str], None] = print,
) -> list[Report]:
    """Run the cells that `folder` does not hold yet, and return the reports of all, in order.

    Every cell is a process of its own with one thread, so that a crash loses that cell alone. It
    keeps its report, log, history and (until it is done) checkpoint under `folder`/<key>. Ctrl-C
    lets the running cells end their round; run the same grid again and they go on from there.

    Raises
    ------
    UnfinishedError
        If a cell failed or the grid was stopped; says which, why and where the log is.
    CrossbitError
        If a dataset is not there or a setting is wrong, before any cell starts.
    """
    if jobs < 1:
        raise ConfigError(f"jobs must be at least 1, got {jobs}")
    folders = [folder.resolve() / cell.key for cell in cells]
    wanted = dict(zip(folders, cells, strict=True))  # equal cells run once, whatever their labels
    waiting = deque(path for path in wanted if not (path / REPORT).exists())
    total = len(waiting)
    say(f"{len(wanted)} cells, {len(wanted) - total} of them finished before; {jobs} at a time")
    failed: list[str] = []
    stop = threading.Event()
    running: dict[Path, _Running] = {}
    with stop_on_interrupt(stop, lambda text: say(text.replace("this round", "these rounds"))):
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    path = waiting.popleft()
                    running[path] = _Running(path, wanted[path])
                ended = [path for path, run in running.items() if run.ended]
                for path in ended:
                    run, cell = running.pop(path), wanted[path]
                    if (path / REPORT).exists():
                        done = total - len(waiting) - len(running) - len(failed)
                        say(f"[{done}/{total}] {cell}: {_figures(path)} ({run.seconds:.0f} s)")
                    elif not stop.is_set():
                        failed.append(f"{cell}: {_last_line(path)}")
                        say(f"FAILED {failed[-1]} (log: {_short(path / LOG)})")
                if stop.is_set():
                    waiting.clear()
                    for run in running.values():
                        run.ask_to_stop()
                time.sleep(0 if ended else PATIENCE)
        finally:
            for run in running.values():
                run.end()
    if stop.is_set():
        raise UnfinishedError("stopped; what is finished is kept, so run the same command to go on")
    if failed:
        raise UnfinishedError(
            f"{len(failed)} of {len(wanted)} cells failed, the first: {failed[0]}; mend it and "
            "run the same command again, the other cells are kept"
        )
    reports = {path: Report.load(path) for path in wanted}
    return [
        dataclasses.replace(reports[path], label=cell.label)
        for path, cell in zip(folders, cells, strict=True)
    ]


class _Running:
    """The process of one cell, in a session of its own so that the terminal's Ctrl-C spares it."""

    def __init__(self, folder: Path, cell: Cell) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        value = {"label": cell.label, "plan": cell.plan.to_json(), "development": cell.development}
        write_json(folder / PLAN, value)
        self._log: IO[bytes] = (folder / LOG).open("wb")
        self._started = time.monotonic()
        self._asked = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cell", str(folder)],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        if self._process.poll() is None:
            return False
        self._log.close()
        return True

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def ask_to_stop(self) -> None:
        if not self._asked:  # asked twice, it would end at once and lose its round
            self._process.terminate()
            self._asked = True

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@cache
def _data_print(data: str, root: str | None, options: str) -> str:
    """Return the fingerprint of a dataset: other data under the same name are another cell."""
    import json

    return Plan(data, root, json.loads(options)).corpus().fingerprint()


@cache
def _code_print(method: str) -> str:
    from crossbit import methods

    return code_digest(methods.get(method))


def _figures(path: Path) -> str:
    values = Report.load(path).map
    return ", ".join(f"{name} {value.expected:.3f}" for name, value in values.items())


def _last_line(path: Path) -> str:
    lines = (path / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
