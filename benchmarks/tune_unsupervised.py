"""How the settings of the networks that see no label were chosen: as many trials for each."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, head, publish
from benchmarks.trials import FINALISTS, TRIALS, Search, sections
from benchmarks.unsupervised import DATASETS
from benchmarks.unsupervised import experiment as plan_at
from crossbit.runs.config import ExperimentConfig

__all__ = ["SEARCH", "options", "render", "run"]

BITS = 64
# What the settings were before.
START: dict[str, Json] = {
    "ugach": {
        "init_std": 0.5,
        "positive_rate": 0.02,
        "adversarial_weight": 0.5,
        "temperature": 0.3,
        "neighbours": 5,
        "lr": 1e-3,
    },
    "ucch": {
        "init_std": 1.0,
        "contrast_weight": 0.5,
        "temperature": 0.9,
        "negatives": 4096,
        "activation": "relu",
        "lr": 2e-3,
    },
}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    "ugach": {
        "init_std": (0.3, 0.5, 1.0),
        "positive_rate": (0.01, 0.02, 0.05, 0.1),
        "adversarial_weight": (0.25, 0.5, 1.0, 2.0),
        "temperature": (0.2, 0.3, 0.45),
        "neighbours": (5, 10),
        "lr": (5e-4, 1e-3, 2e-3),
    },
    "ucch": {
        "init_std": (0.3, 0.5, 1.0),
        "contrast_weight": (0.3, 0.5, 0.7),
        "temperature": (0.3, 0.6, 0.9),
        "negatives": (1024, 4096),
        "activation": ("relu", "cosine", "tanh"),
        "lr": (5e-4, 1e-3, 2e-3),
    },
}


def experiment(
    dataset: str, root: str | None, form: tuple[str, Json], seed: int
) -> ExperimentConfig:
    """Return the plan of one fit; no label trains it, labels judge its development queries."""
    return plan_at(dataset, root, form, BITS, seed)


SEARCH = Search(START, SPACES, DATASETS, experiment)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)


def run(chosen: argparse.Namespace) -> None:
    """Run all trials on one development split, the best on another, and publish the ranking."""
    value = head("tune_unsupervised") | {"trials": SEARCH.run(chosen)}
    publish(value, render, whole=True, folder=RESULTS)


def render(value: Json) -> str:
    """Return the trials as Markdown, the best of each method first."""
    parts = [
        "# How the settings of networks without labels were chosen\n",
        f"{TRIALS} trials for each method, the first with the settings as they were, the others "
        f"drawn at random around them; MAP at {BITS} bits, the mean of both directions over "
        f"{', '.join(DATASETS)}. Trained without any label, judged by the labels of development "
        "queries, on splits of the rows that the test queries search: no trial sees a test query. "
        f"The best {FINALISTS} and the first were tried on a second development split; the best "
        "mean of both is the default now.\n",
        *sections(value),
    ]
    return "\n".join(parts)
