"""A tenth of the labels on three data sets: does the game help? Paired over seeds."""

from __future__ import annotations

import argparse

from benchmarks import CELLS
from benchmarks.forms import Form, among, method_of
from benchmarks.options import grid_options
from benchmarks.tables import (
    RESULTS,
    Json,
    comparison,
    footer,
    publish,
    result,
)
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = [
    "BITS",
    "DATASETS",
    "FORMS",
    "LABELLED",
    "PAIRS",
    "SEEDS",
    "experiment",
    "options",
    "render",
    "run",
]

DATASETS = ("wikipedia", "glyphs", "mirflickr")
LABELLED, BITS, SEEDS = 0.1, 64, (0, 1, 2, 3, 4)
# One set of queries per data set, whatever the seed: settings are tuned on other rows alone.
QUERY_SEED = 12345

FORMS: dict[str, Form] = {
    "Dis": ("dis", {}),
    "Dis, memory": ("dis", {"kernel_head": "auto"}),
    "Dis+": ("displus", {}),
    "SCH-GAN, no picks": ("schgan", {"adversarial_weight": 0.0}),
    "SCH-GAN": ("schgan", {}),
}
# Differences to test: the first minus the second.
PAIRS = [
    ("SCH-GAN", "Dis+"),
    ("SCH-GAN", "SCH-GAN, no picks"),
    ("SCH-GAN", "Dis"),
    ("SCH-GAN", "Dis, memory"),
]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--datasets", nargs="+", help=f"of {', '.join(DATASETS)}")
    parser.add_argument("--forms", nargs="+", help=f"of {', '.join(FORMS)}")


def run(chosen: argparse.Namespace) -> None:
    """Run the grid and publish the tables."""
    datasets = among(chosen.datasets, DATASETS, "dataset")
    labels = among(chosen.forms, tuple(FORMS), "form")
    # Seeds are outermost: a grid that is stopped early has paired whatever it has.
    cells = [
        Trial(label, experiment(dataset, chosen.root, FORMS[label], seed))
        for seed in chosen.seeds or SEEDS
        for dataset in datasets
        for label in labels
    ]
    reports = run_grid(cells, CELLS, jobs=chosen.jobs)
    pairs = [pair for pair in PAIRS if set(pair) <= set(labels)]
    whole = not (chosen.seeds or chosen.datasets or chosen.forms)
    publish(result("semisupervised", reports, pairs), render, whole=whole, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    found = comparison(value)
    parts = [
        "# A tenth of the labels\n",
        f"{BITS} bits; {LABELLED:.0%} of the labels, of which a fifth chooses the model and the "
        "rest trains it; all other training pairs without labels. Every seed draws other labels, "
        "the same for all runs; the queries are the same for all seeds, and no setting was tuned "
        "on them ([how](tune.md)). ± is the standard deviation over seeds.\n",
        found.summary_table(),
    ]
    if found.differences:
        parts += [
            "## Paired differences\n",
            "An interval above zero means that the first is better than the second over draws of "
            "labels like these.\n",
            found.difference_table(),
        ]
    parts += ["## Where the figures come from\n", footer(value)]
    return "\n".join(parts)


def experiment(
    dataset: str, root: str | None, form: Form, seed: int, labelled: float = LABELLED
) -> ExperimentConfig:
    """Return the plan of one run: the seed draws labels and validation rows, and trains."""
    method, settings = method_of(form)
    return ExperimentConfig(
        data=dataset,
        root=None if dataset == "glyphs" else root,  # it is built in and reads no files
        split_seed=seed,
        query_seed=QUERY_SEED,
        labelled=labelled,
        method=method,
        settings={**settings, "bits": BITS, "seed": seed},
    ).resolved()
