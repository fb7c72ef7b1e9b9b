"""No label at all: UGACH beside every unsupervised method, at four lengths on two data sets."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache

from benchmarks import CELLS
from benchmarks.forms import Form, able, among, method_of
from benchmarks.options import grid_options
from benchmarks.outcomes import Outcome, finish
from benchmarks.seeds import check_splits
from benchmarks.tables import RESULTS, Json, head, publish, run_of
from benchmarks.unsupervised_page import OURS, render
from crossbit.bench.request import PAPER, Request
from crossbit.bench.results import short_name
from crossbit.methods.base import DATABASE_CODINGS
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.trial import Trial

__all__ = ["BITS", "DATASETS", "FORMS", "SEEDS", "experiment", "options", "render", "result", "run"]

DATASETS = ("wikipedia", "mirflickr")
BITS, SEEDS = (16, 32, 64, 128), (0, 1, 2, 3, 4)
FORMS: dict[str, Form] = {
    "CVH": ("cvh", {}),
    "PDH": ("pdh", {}),
    "CMFH": ("cmfh", {}),
    "CCQ": ("ccq", {}),
    "UCCH": ("ucch", {}),
    "UCCH, memory": ("ucch", {"kernel_head": "auto"}),
    OURS: ("ugach", {}),
}
ONLY = {"UCCH, memory": ("wikipedia",)}  # beyond 4,096 rows there is no kernel head


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--datasets", nargs="+", help=f"of {', '.join(DATASETS)}")
    parser.add_argument("--bits", type=int, nargs="+", help=f"of {', '.join(map(str, BITS))}")
    parser.add_argument("--forms", nargs="+", help=f"of {', '.join(FORMS)}")


def run(chosen: argparse.Namespace) -> None:
    """Run what is not finished yet, and publish the tables."""
    datasets = among(chosen.datasets, DATASETS, "dataset")
    labels = among(chosen.forms, tuple(FORMS), "form")
    forms, left_out = able({label: FORMS[label] for label in labels})
    for item in left_out:
        print(f"left out: {item['what']} ({item['why']})")
    # Seeds are outermost: a grid that is stopped early has paired whatever it has.
    cells = [
        Trial(label, experiment(dataset, chosen.root, form, bits, seed))
        for seed in chosen.seeds or SEEDS
        for bits in chosen.bits or BITS
        for dataset in datasets
        for label, form in forms.items()
        if dataset in ONLY.get(label, DATASETS)
    ]
    outcomes, failure = finish(cells, CELLS, jobs=chosen.jobs)
    value = result(outcomes, left_out)
    whole = not (chosen.seeds or chosen.datasets or chosen.bits or chosen.forms)
    publish(value, render, whole=whole, folder=RESULTS)
    if failure is not None:
        raise failure


def experiment(
    dataset: str, root: str | None, form: Form, bits: int, seed: int
) -> ExperimentConfig:
    """Return the plan of one run, on the splits of the paper's grid, whose cells it shares.

    Labels that those splits name are hidden from methods that do not need them.
    """
    method, settings = method_of(form)
    settings = {name: part for name, part in settings.items() if name not in ("bits", "seed")}
    request = dataclasses.replace(_paper(), root=root, settings={method: settings})
    return request.experiment(dataset, method, bits, seed)


def result(outcomes: Sequence[Outcome], left_out: Sequence[Mapping[str, str]] = ()) -> Json:
    """Return every run in every coding of the database, and what there is none of."""
    runs, settings = [], {}
    for outcome in outcomes:
        for coding, report in outcome.reports.items():
            named = dataclasses.replace(report, label=outcome.cell.label)
            runs.append(run_of(named) | {"coding": coding})
            kept = {k: v for k, v in report.settings.items() if k not in ("bits", "seed")}
            settings[outcome.cell.label] = {"method": report.method, "settings": kept}
    check_splits(runs, "dataset", "seed")
    experiments = [outcome.cell.experiment for outcome in outcomes]
    definitions = [r.map_definition for outcome in outcomes for r in outcome.reports.values()]
    return head("unsupervised") | {
        "map": definitions[0] if definitions else "nothing is measured yet",
        "coding": [
            text for c, text in DATABASE_CODINGS.items() if any(r["coding"] == c for r in runs)
        ],
        "datasets": list(dict.fromkeys(short_name(made.data) for made in experiments)),
        "labels": list(dict.fromkeys(outcome.cell.label for outcome in outcomes)),
        "bits": sorted({made.settings["bits"] for made in experiments}),
        "seeds": sorted({made.split_seed for made in experiments}),
        "left_out": list(left_out),
        "refused": [{"what": str(o.cell), "why": o.refusal} for o in outcomes if o.refusal],
        "unfinished": [str(o.cell) for o in outcomes if not (o.reports or o.refusal)],
        "settings": settings,
        "runs": runs,
    }


@cache
def _paper() -> Request:
    return Request.read(PAPER)
