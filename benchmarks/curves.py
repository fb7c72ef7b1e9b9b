"""How many labels: MAP from one in a hundred to all of them, five methods on three data sets."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence

from benchmarks import CELLS
from benchmarks.curves_page import OURS, percent, render
from benchmarks.curves_plot import draw
from benchmarks.forms import Form, able, among
from benchmarks.options import grid_options
from benchmarks.outcomes import Outcome, finish
from benchmarks.seeds import check_splits
from benchmarks.semisupervised import BITS, SEEDS, experiment
from benchmarks.tables import RESULTS, Json, head, publish, run_of
from crossbit.bench.results import short_name
from crossbit.errors import ConfigError
from crossbit.files import replace_file
from crossbit.methods.base import DATABASE_CODINGS
from crossbit.runs.trial import Trial

__all__ = ["DATASETS", "FORMS", "FRACTIONS", "grid", "options", "render", "result", "run"]

DATASETS = ("wikipedia", "mirflickr", "glyphs")
# Of the rows that are no queries; with their point, for `labelled` takes a whole number as a count.
FRACTIONS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
FORMS: dict[str, Form] = {
    OURS: ("schgan", {}),
    "Dis": ("dis", {}),
    "Dis+": ("displus", {}),
    "DCMH": ("dcmh", {}),
    "SePH": ("seph", {}),
}
CODING = "single"  # SePH has others, which compare with none of these

Place = tuple[Trial, float]  # a cell and its fraction


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--datasets", nargs="+", help=f"of {', '.join(DATASETS)}")
    parser.add_argument("--forms", nargs="+", help=f"of {', '.join(FORMS)}")
    parser.add_argument(
        "--fractions", type=float, nargs="+", help=f"of {', '.join(map(str, FRACTIONS))}"
    )


def run(chosen: argparse.Namespace) -> None:
    """Run what is not finished yet, and publish table and picture."""
    datasets = among(chosen.datasets, DATASETS, "dataset")
    labels = among(chosen.forms, tuple(FORMS), "form")
    fractions = chosen.fractions or FRACTIONS
    if set(fractions) - set(FRACTIONS):
        raise ConfigError(f"fractions must be of {', '.join(map(str, FRACTIONS))}")
    forms, left_out = able({label: FORMS[label] for label in labels})
    for item in left_out:
        print(f"left out: {item['what']} ({item['why']})")
    places = grid(datasets, forms, fractions, chosen.seeds or SEEDS, chosen.root)
    outcomes, failure = finish([cell for cell, _ in places], CELLS, jobs=chosen.jobs)
    value = result(outcomes, [fraction for _, fraction in places], list(forms), left_out)
    whole = not (chosen.seeds or chosen.datasets or chosen.forms or chosen.fractions)
    publish(value, render, whole=whole, folder=RESULTS)
    if whole:
        with replace_file(RESULTS / "curves.svg") as stream:
            stream.write(draw(value))
    if failure is not None:
        raise failure


def grid(
    datasets: Sequence[str],
    forms: Mapping[str, Form],
    fractions: Sequence[float],
    seeds: Sequence[int],
    root: str | None,
) -> list[Place]:
    """Return the cells: seeds outermost, then fractions, so that a part has whole curves."""
    return [
        (
            Trial(f"{label}, {percent(part)} labels", experiment(dataset, root, form, seed, part)),
            part,
        )
        for seed in seeds
        for part in fractions
        for dataset in datasets
        for label, form in forms.items()
    ]


def result(
    outcomes: Sequence[Outcome],
    fractions: Sequence[float],
    labels: Sequence[str],
    left_out: Sequence[Mapping[str, str]] = (),
) -> Json:
    """Return every run with its fraction of labels, and what there is none of."""
    runs, settings, refused, unfinished = [], {}, [], []
    definition = "nothing is measured yet"
    for outcome, fraction in zip(outcomes, fractions, strict=True):
        cell, label = outcome.cell, outcome.cell.label.rpartition(", ")[0]
        place = {"label": label, "dataset": short_name(cell.experiment.data), "fraction": fraction}
        report = outcome.reports.get(CODING)
        if report is not None:
            definition = report.map_definition
            runs.append(run_of(dataclasses.replace(report, label=label)) | {"fraction": fraction})
            kept = {k: v for k, v in report.settings.items() if k not in ("bits", "seed")}
            settings[label] = {"method": report.method, "settings": kept}
        elif outcome.refusal:
            refused.append({"what": str(cell), "why": outcome.refusal} | place)
        else:
            unfinished.append(str(cell))
    check_splits(runs, "dataset", "seed", "fraction")
    experiments = [outcome.cell.experiment for outcome in outcomes]
    return head("curves") | {
        "map": definition,
        "coding": [DATABASE_CODINGS[CODING]],
        "bits": BITS,
        "datasets": list(dict.fromkeys(short_name(made.data) for made in experiments)),
        "labels": list(labels),
        "fractions": sorted(set(fractions)),
        "seeds": sorted({made.split_seed for made in experiments}),
        "left_out": list(left_out),
        "refused": refused,
        "unfinished": unfinished,
        "settings": settings,
        "runs": runs,
    }
