"""How the defaults were chosen: as many trials for every method, on rows that no test queries."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.options import grid_options
from benchmarks.semisupervised import BITS, DATASETS, LABELLED, experiment
from benchmarks.tables import RESULTS, Json, head, publish
from benchmarks.trials import FINALISTS, TRIALS, Search, sections

__all__ = ["SEARCH", "SPACES", "START", "options", "render", "run"]

_NETWORK = {"lr": (5e-4, 1e-3, 2e-3), "weight_decay": (1e-3, 1e-2, 1e-1)}
_PAIRS = _NETWORK | {
    "temperature": (0.15, 0.2, 0.3, 0.45, 0.6),
    "labelled_batch": (128, 256, 384),
    "labelled_weight": (0.5, 1.0, 2.0),
    "contrast_weight": (0.25, 0.5, 1.0, 2.0),
}
_PAIRS_START = {
    "lr": 1e-3,
    "weight_decay": 1e-2,
    "temperature": 0.3,
    "labelled_batch": 256,
    "labelled_weight": 1.0,
    "contrast_weight": 1.0,
}
# What the settings were before.
START: dict[str, Json] = {
    "dis": {"lr": 1e-3, "weight_decay": 1e-2, "margin": 1.0, "labelled_batch": 64},
    "displus": _PAIRS_START,
    "schgan": _PAIRS_START
    | {"adversarial_weight": 1.0, "policy_temperature": 1.0, "positives": 16},
}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    "dis": _NETWORK | {"margin": (0.5, 1.0, 2.0, 4.0), "labelled_batch": (32, 64, 96)},
    "displus": _PAIRS,
    "schgan": _PAIRS
    | {
        "adversarial_weight": (0.25, 0.5, 1.0, 2.0),
        "policy_temperature": (0.5, 1.0, 2.0),
        "positives": (8, 16, 32),
    },
}
SEARCH = Search(START, SPACES, DATASETS, experiment, fixed={"refit": False})


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)


def run(chosen: argparse.Namespace) -> None:
    """Run all trials on one development split, the best on another, and publish the ranking."""
    value = head("tune") | {"trials": SEARCH.run(chosen)}
    publish(value, render, whole=True, folder=RESULTS)


def render(value: Json) -> str:
    """Return the trials as Markdown, the best of each method first."""
    parts = [
        "# How the defaults were chosen\n",
        f"{TRIALS} trials for each method, the first with the settings as they were, the others "
        f"drawn at random around them; MAP at {BITS} bits with {LABELLED:.0%} of the labels, the "
        f"mean of both directions over {', '.join(DATASETS)}. Trained and judged on development "
        "splits of the rows that the test queries search: no trial sees a test query. The best "
        f"{FINALISTS} and the first were tried on a second development split; the best mean "
        "of both is the default now.\n",
        *sections(value),
    ]
    return "\n".join(parts)
