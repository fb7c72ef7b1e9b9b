"""The process of one trial, seen from the grid: started, watched, asked to stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from crossbit.files import write_json

if TYPE_CHECKING:
    from crossbit.runs.trial import Trial

__all__ = ["LOG", "PLAN", "WorkerProcess"]

LOG, PLAN = "log.txt", "trial.json"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)
TAIL = 4096  # bytes of a log that hold its last event


class WorkerProcess:
    """A running trial, in a session of its own so that the terminal's Ctrl-C spares it."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        value = {
            "label": trial.label,
            "experiment": trial.experiment.to_json(),
            "development": trial.development,
        }
        write_json(folder / PLAN, value)
        self.folder, self.trial = folder, trial
        self._log: IO[bytes] = (folder / LOG).open("wb")
        self._started = time.monotonic()
        self._asked = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crossbit.runs.worker", str(folder)],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        if self._process.poll() is None:
            return False
        self._log.close()
        return True

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self._started

    @property
    def last_line(self) -> str:
        """The last line of the log: of a trial that failed, why."""
        with (self.folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it ended without a word"

    @property
    def event(self) -> dict[str, Any]:
        """The last event of training: stage, round, rounds, ...; empty before the first."""
        try:
            event = json.loads(self.last_line)
        except ValueError:
            return {}
        return event if isinstance(event, dict) else {}

    def ask_to_stop(self) -> None:
        """Let it end its round, once: asked twice, it would end at once and lose the round."""
        if not self._asked:
            self._process.terminate()
            self._asked = True

    def end(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        self._log.close()
