"""What the process of a trial does: fit, evaluate in every coding, keep the reports."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, CrossbitError, DataError
from crossbit.evaluation.evaluate import evaluate
from crossbit.evaluation.export import save_report
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.fit import fit_run
from crossbit.runs.folder import RunFolder
from crossbit.splits import Split, make_split

__all__ = ["development_split", "main"]

STOPPED = 130
QUERIES = 0.1  # of the rows, to choose settings by


def main(folder: Path) -> int:
    """Run the trial described in `folder`/trial.json, from its checkpoint if there is one.

    One fit serves every coding of the database that the method offers: the first one's report
    stands in the folder, the others' below it.
    """
    trial = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
    experiment = ExperimentConfig.from_json(trial["experiment"])
    run = RunFolder(folder)
    with _alone(folder):
        resumed, started = run.resumable, time.monotonic()
        if not fit_run(
            run,
            experiment,
            resume=True,
            reporter=Lines(),
            make_split=development_split if trial["development"] else ExperimentConfig.split,
        ):
            return STOPPED
        # After a resume only a part of the time was seen.
        seconds = {} if resumed else {"fit": round(time.monotonic() - started, 2)}
        if trial["development"] and "split" not in vars(run):  # fitted before, and then killed
            run.data = development_split(experiment, experiment.corpus()).corpus
        hasher, split = run.hasher, run.split
        first, *others = hasher.database_codings
        # The first one's report comes last: it says that the trial is finished.
        for coding in (*others, first):
            try:
                report = evaluate(hasher, split, label=trial["label"], coding=coding, n_jobs=1)
            except DataError as error:
                if coding != "train":
                    raise
                print(f"no train codes: {error}", flush=True)
                continue
            report = dataclasses.replace(report, seconds={**report.seconds, **seconds})
            save_report(report, folder if coding == first else folder / coding, html=False)
    return 0


def development_split(
    experiment: ExperimentConfig, corpus: Corpus, queries: float = QUERIES
) -> Split:
    """Return a split like the experiment's, of the rows that its queries are to find."""
    rows = corpus.take(experiment.split(corpus).database_rows)
    return make_split(
        rows,
        "random",
        experiment.split_seed,
        queries=queries,
        labelled=experiment.labelled,
        validation=experiment.validation,
    )


class Lines:
    """Progress as lines of JSON on standard output: the trial's log, which the grid reads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __call__(self, event: dict[str, Any]) -> None:
        print(json.dumps(event, default=str), flush=True)

    def say(self, text: str) -> None:
        """Print a line of text."""
        print(text, flush=True)


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


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except CrossbitError as error:
        sys.exit(str(error))
