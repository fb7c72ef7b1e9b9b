"""Carry out a plan in a run folder, so that a mistake or a stop never costs a finished run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import crossbit
from crossbit.interrupt import stop_on_interrupt
from crossbit.progress import Progress
from crossbit.runs.config import Plan
from crossbit.runs.folder import CHECKPOINT, FINISHED, TRAINING, RunFolder, check_target

__all__ = ["fit_run"]


def fit_run(
    run: RunFolder,
    plan: Plan,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> bool:
    """Fit `plan` in the folder of `run`, with progress on stderr; return whether it is finished.

    Parameters
    ----------
    resume : bool
        Go on with the run in the folder if there is one; a finished one is left as it is.
    overwrite : bool
        Replace the run in the folder.

    Raises
    ------
    CrossbitError
        For anything wrong with the plan, the data or the folder; the folder is as it was then.
    """
    from crossbit.methods.base import FitRun
    from crossbit.splits import Split

    plan = plan.settled()
    if not check_target(run, plan, resume=resume, overwrite=overwrite):
        return True
    corpus = plan.corpus() if run.data is None else run.data
    going_on = run.record is not None and not overwrite
    split = Split.load(run.path / "split.json", corpus) if going_on else plan.split(corpus)
    hasher = plan.hasher()
    facts = {"split_hash": split.hash, "version": crossbit.__version__}
    started = time.monotonic()
    with _safely(run, overwrite), Progress(plan.method) as progress:
        split.save(run.path / "split.json")
        run.write(plan, TRAINING, **facts)
        control = FitRun(folder=run.path, resume=going_on, report=progress)
        with stop_on_interrupt(control.stop, progress.say):
            hasher.fit(split.train, validation=split.validation, run=control)
        if control.stop.is_set() and run.resumable:
            return False
        hasher.save(run.path)
        seconds = round(time.monotonic() - started, 1)
        run.write(plan, FINISHED, **facts, seconds=seconds, fingerprint=hasher.fingerprint)
    _remove(run.path / CHECKPOINT)
    return True


@contextmanager
def _safely(run: RunFolder, overwrite: bool) -> Iterator[None]:
    """Set an old run aside until the new one has a model or a checkpoint of its own."""
    aside = run.path.with_name(f".{run.path.name}.replaced")
    if overwrite and run.record is not None:
        _remove(aside)
        run.path.rename(aside)
    fresh = run.record is None
    try:
        yield
    except BaseException:
        if fresh and not run.resumable:
            _remove(run.path)
            if aside.exists():
                aside.rename(run.path)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
