"""What each part of the game adds: a form without it, beside the default, on development rows."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import CELLS, semisupervised, unsupervised
from benchmarks.forms import among
from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, comparison, footer, publish, result, table
from crossbit.evaluation.compare import MEAN, Comparison
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = ["FORMS", "experiment", "options", "render", "run"]

BITS = 64
SEEDS = (100, 101, 102)  # of development splits: no test query is seen
DATASETS = {"schgan": semisupervised.DATASETS, "ugach": unsupervised.DATASETS}
TITLES = {"schgan": "SCH-GAN", "ugach": "UGACH"}
GAME: dict[str, Json] = {
    "no picks": {"adversarial_weight": 0.0},
    "hinge, log(1 + e^f)": {"loss": "hinge", "reward": "log1pexp"},
    "no contrast": {"contrast_weight": 0.0},
    "no warm-up": {"warmup_epochs": 0},
    "no baseline": {"generator_loss": "policy_gradient"},
    "policy over picks": {"generator_loss": "regression"},
    "no memory": {"kernel_head": "never"},
    "tanh": {"activation": "tanh"},
}
# What a form changes in the defaults.
FORMS: dict[str, dict[str, Json]] = {
    "schgan": GAME | {"visible labels alone": {"relevance": "labels"}},
    "ugach": GAME | {"graph alone": {"relevance": "graph"}},
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--methods", nargs="+", help=f"of {', '.join(FORMS)}")


def run(chosen: argparse.Namespace) -> None:
    """Run the grid and publish the tables."""
    names = among(chosen.methods, tuple(FORMS), "method")
    cells = [
        Trial(label, experiment(method, dataset, chosen.root, changed, seed), development=True)
        for seed in chosen.seeds or SEEDS
        for method in names
        for dataset in DATASETS[method]
        for label, changed in _labelled(method).items()
    ]
    reports = run_grid(cells, CELLS, jobs=chosen.jobs)
    pairs = [
        (TITLES[method], label)
        for method in names
        for label in _labelled(method)
        if label != TITLES[method]
    ]
    whole = not (chosen.seeds or chosen.methods)
    publish(result("ablation", reports, pairs), render, whole=whole, folder=RESULTS)


def experiment(
    method: str, dataset: str, root: str | None, changed: Json, seed: int
) -> ExperimentConfig:
    """Return the plan of one form: SCH-GAN with a tenth of the labels, UGACH with none."""
    if method == "schgan":
        return semisupervised.experiment(dataset, root, (method, changed), seed)
    return unsupervised.experiment(dataset, root, (method, changed), BITS, seed)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    found = comparison(value)
    return "\n".join(
        [
            "# What each part of the game adds\n",
            f"{BITS} bits; SCH-GAN with a tenth of the labels, UGACH with none. Trained and judged "
            "on development splits of the rows that the test queries search: no test query is "
            "seen. A form changes one thing in the defaults; ± is the standard deviation over "
            "splits.\n",
            "## At a glance\n",
            "The default minus the form, mean of both directions, with the 95 % t interval over "
            "splits. Above zero the default is better.\n",
            *(_glance(found, method) for method in FORMS),
            "## Every form\n",
            found.summary_table(),
            "## What is lost without it\n",
            "The default minus the form; an interval above zero means that the part adds "
            "something, one below zero that it costs.\n",
            found.difference_table(),
            "## Where the figures come from\n",
            footer(value),
        ]
    )


def _glance(found: Comparison, method: str) -> str:
    """Return one row for each form of a method, one column for each data set."""
    title = TITLES[method]
    cells = {
        (item.against, item.dataset): f"{item.paired.mean:+.3f} [{item.paired.low:+.3f}, "
        f"{item.paired.high:+.3f}]"
        for item in found.differences
        if item.direction == MEAN and item.label == title
    }
    names = list(dict.fromkeys(dataset for _, dataset in cells))
    forms = list(dict.fromkeys(form for form, _ in cells))
    rows = [
        [form.removeprefix(f"{title}, "), *(cells.get((form, name), "–") for name in names)]
        for form in forms
    ]
    return table([f"{title} minus", *names], rows) if rows else ""


def _labelled(method: str) -> dict[str, dict[str, Any]]:
    title = TITLES[method]
    return {title: {}} | {f"{title}, {name}": part for name, part in FORMS[method].items()}
