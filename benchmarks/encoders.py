"""What pictures are encoded by: statistics of pixels beside a network learnt on ImageNet."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks import CELLS
from benchmarks.forms import Form, method_of
from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, comparison, footer, publish, result
from crossbit import datasets
from crossbit.datasets.source import CorpusItems
from crossbit.errors import DataError
from crossbit.features.efficientnet import EfficientNetEncoder
from crossbit.features.extraction import extract
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = [
    "BITS",
    "ENCODERS",
    "FORMS",
    "LABELLED",
    "PAIRS",
    "SEEDS",
    "experiment",
    "options",
    "render",
    "run",
]

LABELLED, BITS, SEEDS = 0.1, 64, (0, 1, 2)
QUERY_SEED = 12345  # one set of queries, whatever the seed: settings are tuned on other rows alone
FORMS: dict[str, Form] = {"Dis": ("dis", {}), "Dis+": ("displus", {}), "SCH-GAN": ("schgan", {})}
PAIRS = [("SCH-GAN", "Dis+"), ("SCH-GAN", "Dis")]
STATISTICS = "mirflickr"
FEATURES = CELLS.parent / "features"
NETWORK = "mirflickr-efficientnet"
ENCODERS = {
    STATISTICS: "GIST and colours",
    NETWORK: "EfficientNet-Lite0, of 64 x 64 pixels",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)


def run(chosen: argparse.Namespace) -> None:
    """Encode the pictures where that is not done, run the grid, and publish the table."""
    encoded = _encoded(chosen.root)
    _check_rows(
        [experiment(data, chosen.root, FORMS["Dis"], 0) for data in (STATISTICS, str(encoded))]
    )
    # Seeds are outermost: a grid that is stopped early has paired whatever it has.
    cells = [
        Trial(label, experiment(data, chosen.root, form, seed))
        for seed in chosen.seeds or SEEDS
        for data in (STATISTICS, str(encoded))
        for label, form in FORMS.items()
    ]
    reports = run_grid(cells, CELLS, jobs=chosen.jobs)
    publish(result("encoders", reports, PAIRS), render, whole=not chosen.seeds, folder=RESULTS)


def experiment(data: str, root: str | None, form: Form, seed: int) -> ExperimentConfig:
    """Return the plan of one run: the seed draws labels and validation rows, and trains."""
    method, settings = method_of(form)
    return ExperimentConfig(
        data=data,
        root=root if data == STATISTICS else None,
        recipe=STATISTICS,  # a folder would be split by another
        split_seed=seed,
        query_seed=QUERY_SEED,
        labelled=LABELLED,
        method=method,
        settings={**settings, "bits": BITS, "seed": seed},
    ).resolved()


def render(value: Json) -> str:
    """Return the result as Markdown."""
    found = comparison(value)
    return "\n".join(
        [
            "# What pictures are encoded by\n",
            f"MIRFlickr, {BITS} bits, {LABELLED:.0%} of the labels, the same tags, queries and "
            f'labels for both. "{STATISTICS}": GIST (512) and a colour histogram (64) of 128 x 128 '
            f'pixels. "{NETWORK}": the 1,280 outputs of EfficientNet-Lite0, learnt on ImageNet, of '
            "the pictures at 64 x 64 pixels (`crossbit extract mirflickr --image efficientnet`). "
            "± is the standard deviation over seeds.\n",
            found.summary_table(),
            "## Paired differences\n",
            found.difference_table(),
            "## Where the figures come from\n",
            footer(value),
        ]
    )


def _check_rows(experiments: list[ExperimentConfig]) -> None:
    """Raise DataError unless both have the same queries, labels and validation rows."""
    rows = [
        [split.query_rows, split.labelled_rows, split.validation_rows]
        for split in (each.split(each.corpus()) for each in experiments)
    ]
    if not all(map(np.array_equal, *rows)):
        raise DataError("the encoders were given different rows; remove runs/bench/features")


def _encoded(root: str | None) -> Path:
    """Return a folder of the pictures as a network sees them, and of the same tags as before."""
    corpus = datasets.load(STATISTICS, root)
    encoders = {"image": EfficientNetEncoder(), "text": corpus.encoders["text"]}

    def tell(done: int, total: int, speed: float) -> None:
        print(f"\rencoding {done:,}/{total:,}, {speed:.0f} a second", end="", flush=True)

    extract(CorpusItems(corpus), encoders, FEATURES / NETWORK, report=tell)
    print()
    return FEATURES / NETWORK
