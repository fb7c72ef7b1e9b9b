"""Fit an experiment in a run folder, so that a mistake or a stop never costs a finished run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

import crossbit
from crossbit.interrupt import stop_on_interrupt
from crossbit.progress import Progress
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.folder import CHECKPOINT, FINISHED, TRAINING, RunFolder, check_target

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher
    from crossbit.splits import Split

__all__ = ["Reporter", "fit_run"]


class Reporter(Protocol):
    """Hears of the progress of a fit, as `crossbit.progress.Progress` does; used as a context."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: Any) -> None: ...
    def __call__(self, event: dict[str, Any]) -> None:
        """Take the figures of an epoch."""
        ...

    def say(self, text: str) -> None:
        """Show a line of text."""
        ...


def fit_run(
    run: RunFolder,
    experiment: ExperimentConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
    make_split: Callable[[ExperimentConfig, Corpus], Split] = ExperimentConfig.split,
) -> bool:
    """Fit an experiment in the folder of `run`; return whether it is finished.

    `crossbit fit`, the demo and every trial of a grid are fitted here, so that any of them can be
    evaluated, searched and served.

    Parameters
    ----------
    resume : bool
        Go on with the run in the folder if there is one; a finished one is left as it is.
    overwrite : bool
        Replace the run in the folder.
    reporter : Reporter, optional
        Progress on standard error if not given.
    make_split : callable
        Divides the corpus; by default as the configuration says.

    Raises
    ------
    CrossbitError
        For anything wrong with configuration, data or folder; the folder is as it was then.
    """
    from crossbit.methods.base import FitRun
    from crossbit.splits import Split

    experiment = experiment.resolved()
    if not check_target(run, experiment, resume=resume, overwrite=overwrite):
        return True
    corpus = experiment.corpus() if run.data is None else run.data
    going_on = run.record is not None and not overwrite
    if going_on:
        split = Split.load(run.path / "split.json", make_split(experiment, corpus).corpus)
    else:
        split = make_split(experiment, corpus)
    hasher = experiment.hasher()
    info = {"split_hash": split.hash, "version": crossbit.__version__}
    started = time.monotonic()
    with _safely(run, overwrite), reporter or Progress(experiment.method) as progress:
        split.save(run.path / "split.json")
        run.write(experiment, TRAINING, **info)
        control = FitRun(folder=run.path, resume=going_on, report=progress)
        with stop_on_interrupt(control.stop, progress.say):
            hasher.fit(_train(hasher, split), validation=split.validation, run=control)
        if control.stop.is_set() and run.resumable:
            return False
        hasher.save(run.path)
        seconds = round(time.monotonic() - started, 1)
        run.write(experiment, FINISHED, **info, seconds=seconds, fingerprint=hasher.fingerprint)
    _remove(run.path / CHECKPOINT)
    run.hasher, run.split = hasher, split  # what was fitted just now need not be read again
    return True


def _train(hasher: Hasher, split: Split) -> Corpus:
    """Return the training rows; a method that needs no labels gets to see none."""
    if "labels" in hasher.requires:
        return split.train
    return split.train.hide_labels(np.zeros(len(split.train), dtype=bool))


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
            if (run.path / "trial.json").exists():  # a grid's folder, which holds the log
                for name in ("run.json", "split.json"):
                    _remove(run.path / name)
            else:
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
