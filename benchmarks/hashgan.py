"""HashGAN on pictures and tags: does the game of attention help? Paired over seeds."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks import CELLS
from benchmarks.forms import Form, among, method_of
from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, comparison, footer, publish, result, table
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = ["BITS", "FORMS", "SEEDS", "experiment", "options", "render", "run", "shares"]

BITS, SEEDS = (16, 32, 64), (0, 1, 2)
# One set of queries, whatever the seed: settings are tuned on other rows alone.
QUERY_SEED = 12345
GAME, STILL, WITHOUT = "HashGAN", "HashGAN, no game", "HashGAN, no attention"
FORMS: dict[str, Form] = {
    WITHOUT: ("hashgan", {"attention": False}),
    STILL: ("hashgan", {"generator_lr": 0.0, "adversarial_weight": 0.0}),
    GAME: ("hashgan", {}),
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--bits", type=int, nargs="+", help=f"of {', '.join(map(str, BITS))}")
    parser.add_argument("--forms", nargs="+", help=f"of {', '.join(FORMS)}")


def run(chosen: argparse.Namespace) -> None:
    """Run the grid and publish the tables."""
    labels = among(chosen.forms, tuple(FORMS), "form")
    # Seeds are outermost: a grid that is stopped early has paired whatever it has.
    cells = [
        Trial(label, experiment(chosen.root, FORMS[label], bits, seed))
        for seed in chosen.seeds or SEEDS
        for bits in chosen.bits or BITS
        for label in labels
    ]
    reports = run_grid(cells, CELLS, jobs=chosen.jobs)
    pairs = [(GAME, other) for other in (WITHOUT, STILL) if {GAME, other} <= set(labels)]
    value = result("hashgan", reports, pairs)
    for entry, report in zip(value["runs"], reports, strict=True):
        entry["attended"] = report.trained["attended"]
    whole = not (chosen.seeds or chosen.bits or chosen.forms)
    publish(value, render, whole=whole, folder=RESULTS)


def experiment(root: str | None, form: Form, bits: int, seed: int) -> ExperimentConfig:
    """Return the plan of one run: the seed draws validation rows, and trains."""
    method, settings = method_of(form)
    return ExperimentConfig(
        data="mirflickr",
        root=root,
        options={"image": "pixels"},
        split_seed=seed,
        query_seed=QUERY_SEED,
        method=method,
        settings={**settings, "bits": bits, "seed": seed},
    ).resolved()


def shares(value: Json) -> list[Json]:
    """Return the mean attended share of each view over seeds, by form and bits."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for entry in value["runs"]:
        found.setdefault((entry["label"], entry["bits"]), []).append(entry["attended"])
    return [
        {"label": label, "bits": bits}
        | {view: float(np.mean([part[view] for part in parts])) for view in parts[0]}
        for (label, bits), parts in found.items()
    ]


def render(value: Json) -> str:
    """Return the result as Markdown."""
    found = comparison(value)
    parts: list[str] = [
        "# HashGAN: the game of attention\n",
        "MIRFlickr's pictures, 64 x 64 pixels, and their tags, all rows labelled, a fifth of them "
        "to choose the round by. All forms are one network, with as many steps and the same "
        "settings. Without the game masks stay as they start, and hash functions are not trained "
        "on what is left out; without attention they see whole maps. Every seed draws other "
        "validation rows, the same for all; the queries are the same for all seeds, and no setting "
        "was tuned on them. ± is the standard deviation over seeds.\n",
        found.summary_table(),
    ]
    if found.differences:
        parts += [
            "## Paired differences\n",
            "An interval above zero means that the first is better than the second over seeds "
            "like these.\n",
            found.difference_table(),
        ]
    parts += [
        "## What is attended\n",
        "Mean share of a picture's 8 x 8 positions, and of a text's features, that training rows "
        "attend to.\n",
        _share_table(value),
        "## Where the figures come from\n",
        footer(value),
    ]
    return "\n".join(parts)


def _share_table(value: Json) -> str:
    rows: list[dict[str, Any]] = shares(value)
    views = [name for name in rows[0] if name not in ("label", "bits")]
    cells = [[row["label"], str(row["bits"]), *(f"{row[v]:.1%}" for v in views)] for row in rows]
    return table(["run", "bits", *views], cells)
