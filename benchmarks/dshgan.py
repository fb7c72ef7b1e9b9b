"""DSH-GAN beside the same network on real pictures alone, a tenth of the labels, and its price."""

from __future__ import annotations

import argparse

from benchmarks import CELLS
from benchmarks.dshgan_pictures import judge_pictures, speed
from benchmarks.forms import Form, among, method_of
from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, comparison, footer, publish, result, table
from crossbit.errors import ConfigError
from crossbit.files import replace_file
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = ["BITS", "DATASETS", "FORMS", "PAIRS", "SEEDS", "experiment", "options", "render", "run"]

LABELLED, BITS, SEEDS = 0.1, (24, 32, 48), (0, 1, 2)
QUERY_SEED = 12345  # one set of queries, whatever the seed: settings are tuned on other rows alone
# What is known of the pictures goes into every form alike.
DATASETS: dict[str, Json] = {
    "mnist": {"channels": 24, "generator_channels": 24, "shift": 2, "bfloat16": True},
    "cifar10": {"mirror": True, "shift": 2, "warmup_epochs": 60, "bfloat16": True},
}
OURS, REAL = "DSH-GAN", "real pictures alone"
FIRST = "stage 1, then real pictures alone"
NEVER = 1e-9  # a share of synthetic pictures that none is drawn by, though stage 1 is played
FORMS: dict[str, Form] = {
    OURS: ("dshgan", {}),
    REAL: ("dshgan", {"synthetic": 0.0}),
    f"{REAL}, twice as long": ("dshgan", {"synthetic": 0.0, "epochs": 30}),
    FIRST: ("dshgan", {"synthetic": NEVER}),
}
PAIRS = [(OURS, label) for label in FORMS if label != OURS]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--datasets", nargs="+", help=f"of {', '.join(DATASETS)}")
    parser.add_argument("--forms", nargs="+", help=f"of {', '.join(FORMS)}")
    parser.add_argument("--bits", type=int, nargs="+", help=f"of {', '.join(map(str, BITS))}")
    parser.add_argument(
        "--development", action="store_true", help="on development rows; results stay unwritten"
    )


def run(chosen: argparse.Namespace) -> None:
    """Run the grid, judge the synthetic pictures, time the game, and publish all three."""
    datasets = among(chosen.datasets, tuple(DATASETS), "dataset")
    labels = among(chosen.forms, tuple(FORMS), "form")
    if set(chosen.bits or ()) - set(BITS):
        raise ConfigError(f"bits must be of {', '.join(map(str, BITS))}")
    seeds = chosen.seeds or SEEDS
    # Seeds are outermost: a grid that is stopped early has paired whatever it has. Then bits, so
    # that stage 1, which all lengths share, is there when the next length asks for it.
    cells = [
        Trial(
            label,
            experiment(dataset, chosen.root, FORMS[label], bits, seed),
            development=chosen.development,
        )
        for seed in seeds
        for bits in chosen.bits or BITS
        for dataset in datasets
        for label in labels
    ]
    reports = run_grid(cells, CELLS, jobs=chosen.jobs)
    pairs = [pair for pair in PAIRS if set(pair) <= set(labels)]
    value = result("dshgan", reports, pairs)
    judged = {
        dataset: judge_pictures(experiment(dataset, chosen.root, FORMS[OURS], min(BITS), seeds[0]))
        for dataset in datasets
    }
    value |= {
        "pictures": {dataset: facts for dataset, (facts, _) in judged.items()},
        "speed": [
            speed(experiment(dataset, chosen.root, FORMS[OURS], min(BITS), seeds[0]))
            for dataset in datasets
        ],
    }
    partly = chosen.seeds or chosen.datasets or chosen.forms or chosen.bits or chosen.development
    publish(value, render, whole=not partly, folder=RESULTS)
    for dataset, (_, sheet) in judged.items():
        with replace_file((CELLS.parent if partly else RESULTS) / f"dshgan_{dataset}.png") as file:
            file.write(sheet)


def experiment(
    dataset: str, root: str | None, form: Form, bits: int, seed: int
) -> ExperimentConfig:
    """Return the plan of one run: the seed draws the labels, and trains."""
    method, settings = method_of(form)
    return ExperimentConfig(
        data=dataset,
        root=root,
        split_seed=seed,
        query_seed=QUERY_SEED,
        labelled=LABELLED,
        validation=0,  # nothing is chosen: all rounds, on all of the labels
        method=method,
        settings={**DATASETS[dataset], **settings, "bits": bits, "seed": seed},
    ).resolved()


def render(value: Json) -> str:
    """Return the result as Markdown."""
    found = comparison(value)
    first = (
        f'"{FIRST}" starts with what the network learnt against the generator from all pictures, '
        "and sees no synthetic one in its triplets. "
        if any(item["label"] == FIRST for item in value["summaries"])
        else ""
    )
    parts = [
        "# DSH-GAN\n",
        f"Image to image, {LABELLED:.0%} of the labels; all other pictures of the database without "
        "labels, the queries in no form. Every seed draws other labels, the same for all runs; the "
        "queries are the same for all seeds, and no setting was tuned on them. "
        f'"{REAL}" is the same network with the same steps, triplets, classes and variations of '
        f"the pictures, but no generator, no adversary and no unlabelled picture. {first}± is the "
        "standard deviation over seeds.\n",
        found.summary_table(),
    ]
    if found.differences:
        parts += [
            "## Paired differences\n",
            "An interval above zero means that the first is better than the second over draws of "
            "labels like these.\n",
            found.difference_table(),
        ]
    parts += ["## Synthetic pictures\n", _pictures(value["pictures"])]
    parts += ["## What the game costs\n", _speed(value["speed"])]
    parts += ["## Where the figures come from\n", footer(value)]
    return "\n".join(parts)


def _pictures(pictures: dict[str, Json]) -> str:
    rows = [
        [dataset, f"{row['judge']:.1%}", f"{row['synthetic']:.1%}", f"{row['spread']:.0%}"]
        for dataset, row in pictures.items()
    ]
    shown = "\n".join(
        f"![Synthetic pictures of every class of {dataset}](dshgan_{dataset}.png)\n"
        for dataset in pictures
    )
    columns = ["data", "judge on real pictures", "judge on synthetic ones", "variety"]
    return (
        "The judge is a classifier of the network's form that never saw a synthetic picture: "
        "trained on all real pictures that are no queries, with all of their labels. On the "
        "queries it is as good as the second column says; the third is the share of synthetic "
        "pictures that it takes for the class that they were drawn of. Variety is the deviation "
        "of pixels within a class, synthetic by real: near 0 a generator draws one picture a "
        "class.\n\n" + table(columns, rows) + "\n" + shown
    )


def _speed(rows: list[Json]) -> str:
    names = list(rows[0]["seconds"])

    def cell(row: Json, name: str) -> str:
        rate, plain = row["pictures_a_second"][name], row["pictures_a_second"][names[0]]
        return f"{rate:,.0f}" if name == names[0] else f"{rate:,.0f} (1 / {plain / rate:.1f})"

    cells = [[row["dataset"], *(cell(row, name) for name in names)] for row in rows]
    return (
        "Pictures a second that the network learns from, on one thread, by turns in one run "
        "(median); in brackets, as a part of the plain loop's. That classifies real pictures by "
        "the same network and optimiser, as many a step as stage 2; all else is what `fit` does. A "
        "step of stage 1 holds one of the generator; in stage 2 it learns only if asked to. Passes "
        "are in single precision but where the column says so.\n\n" + table(["data", *names], cells)
    )
