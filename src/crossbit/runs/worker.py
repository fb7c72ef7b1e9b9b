"""What the process of a cell does: fit, evaluate in every coding, keep the reports."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, CrossbitError, DataError
from crossbit.evaluation.evaluate import evaluate
from crossbit.evaluation.export import save_report
from crossbit.interrupt import stop_on_interrupt
from crossbit.methods.base import FitRun, Hasher
from crossbit.runs.config import Plan
from crossbit.splits import Split, make_split

__all__ = ["development_split", "main"]

CHECKPOINT = "checkpoint"
STOPPED = 130
QUERIES = 0.1  # of the rows, to choose settings by


def main(folder: Path) -> int:
    """Run the cell described in `folder`/cell.json, from its checkpoint if there is one.

    One fit serves every coding of the database that the method offers: the first one's report
    stands in the folder, the others' below it.
    """
    cell = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    plan = Plan.from_json(cell["plan"])
    control = FitRun(folder=folder, resume=True, report=_say)
    with _alone(folder), stop_on_interrupt(control.stop, lambda text: print(text, flush=True)):
        resumed = (folder / CHECKPOINT).exists()
        split = plan.split(plan.corpus())
        if cell["development"]:
            split = development_split(split, plan)
        hasher = plan.hasher()
        started = time.monotonic()
        hasher.fit(_train(hasher, split), validation=split.validation, run=control)
        if control.stop.is_set():
            return STOPPED
        # After a resume only a part of the time was seen.
        seconds = {} if resumed else {"fit": round(time.monotonic() - started, 2)}
        first, *others = hasher.database_codings
        # The first one's report comes last: it says that the cell is finished.
        for coding in (*others, first):
            try:
                report = evaluate(hasher, split, label=cell["label"], coding=coding)
            except DataError as error:
                if coding != "train":
                    raise
                print(f"no train codes: {error}", flush=True)
                continue
            report = dataclasses.replace(report, seconds={**report.seconds, **seconds})
            save_report(report, folder if coding == first else folder / coding, html=False)
        shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
    return 0


def _train(hasher: Hasher, split: Split) -> Corpus:
    """Return the training rows; a method that needs no labels gets to see none."""
    if "labels" in hasher.requires:
        return split.train
    return split.train.hide_labels(np.zeros(len(split.train), dtype=bool))


def development_split(split: Split, plan: Plan, queries: float = QUERIES) -> Split:
    """Return a split like the plan's of the rows that the plan's queries are to find."""
    rows = split.corpus.take(split.database_rows)
    return make_split(
        rows,
        "random",
        plan.split_seed,
        queries=queries,
        labelled=plan.labelled,
        validation=plan.validation,
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it however this process ends."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another process is at work in {folder}; wait for it, or end it"
            ) from None
        yield


def _say(event: dict[str, Any]) -> None:
    print(json.dumps(event, default=str), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except CrossbitError as error:
        sys.exit(str(error))
