"""Wikipedia with all labels: three networks beside the authors' classical code."""

from __future__ import annotations

import argparse

from benchmarks import CELLS
from benchmarks.options import grid_options
from benchmarks.reference import BITS, CEILING, CLASSICAL
from benchmarks.tables import (
    RESULTS,
    Json,
    comparison,
    direction_title,
    figure,
    footer,
    mean,
    publish,
    result,
    table,
)
from crossbit.errors import ConfigError, suggest
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

__all__ = ["options", "render", "run"]

SEEDS = (0, 1, 2)
LABEL = "SCH-GAN"
METHODS: dict[str, tuple[str, dict[str, str]]] = {
    LABEL: ("schgan", {}),
    "Dis+": ("displus", {}),
    "Dis": ("dis", {}),
    "Dis, memory": ("dis", {"kernel_head": "auto"}),
}
CODING = "per view, by a network that was trained on the database's labels"
DIRECTIONS = tuple(CEILING)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)
    parser.add_argument("--bits", type=int, nargs="+", help=f"of {', '.join(map(str, BITS))}")
    parser.add_argument("--methods", nargs="+", help=f"of {', '.join(METHODS)}")


def run(chosen: argparse.Namespace) -> None:
    """Run the grid and publish the tables."""
    labels = chosen.methods or list(METHODS)
    for label in labels:
        if label not in METHODS:
            raise ConfigError(f"there is no run {label!r}{suggest(label, METHODS)}")
    seeds, lengths = chosen.seeds or SEEDS, chosen.bits or BITS
    cells = [
        Trial(
            label,
            ExperimentConfig(
                data="wikipedia",
                root=chosen.root,
                recipe="wikipedia",
                split_seed=seed,
                method=METHODS[label][0],
                settings={"bits": bits, "seed": seed, **METHODS[label][1]},
            ).resolved(),
        )
        for seed in seeds
        for bits in lengths
        for label in labels
    ]
    reports = run_grid(cells, CELLS, jobs=chosen.jobs)
    pairs = [(LABEL, label) for label in labels if label != LABEL and LABEL in labels]
    whole = not (chosen.seeds or chosen.bits or chosen.methods)
    publish(result("wikipedia", reports, pairs), render, whole=whole, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown: a table for each direction, then the paired differences."""
    parts = ["# Wikipedia, all labels\n"]
    for direction in DIRECTIONS:
        parts += [f"## {direction_title(direction)}\n", _table(value, direction)]
    parts.append(
        f"✓: {LABEL} is above this figure; ✗: it is not. ± is the standard deviation over seeds. "
        "The rows above the networks are the authors' MATLAB code, run under Octave on the same "
        "data. Codes that are learnt in training, or coded by a network that was trained on the "
        "database's labels, carry those labels; compare them with each other. One RBF-SVM per "
        "view, with the database coded by its true labels, reaches "
        f"{CEILING['image->text']:.2f} from image to text and {CEILING['text->image']:.2f} from "
        "text to image: what these features hold. How the codes of fully labelled rows are "
        "chosen, on rows that no test queries: [tune_all.md](tune_all.md).\n"
    )
    if value["differences"]:
        found = comparison(value)
        parts += ["## Paired differences\n", found.difference_table()]
    parts += ["## Where the figures come from\n", footer(value)]
    return "\n".join(parts)


def _table(value: Json, direction: str) -> str:
    lengths = sorted({item["bits"] for item in value["summaries"]})
    ours = {bits: mean(value, "wikipedia", LABEL, bits, direction) for bits in lengths}

    def marked(text: str, of: float, bits: int) -> str:
        own = ours[bits]
        return (
            text
            if own is None
            else f"{text} {'✓' if round(own['mean'], 3) > round(of, 3) else '✗'}"
        )

    rows = []
    for row in CLASSICAL:
        figures = dict(zip(BITS, row.direction(direction), strict=True))
        cells = [
            marked(f"{figures[b]:.3f}", figures[b], b) if b in figures else "–" for b in lengths
        ]
        rows.append([row.label, row.coding, *cells, ""])
    for label in dict.fromkeys(item["label"] for item in reversed(value["summaries"])):
        cells = []
        for bits in lengths:
            found = mean(value, "wikipedia", label, bits, direction)
            text = figure(found)
            if label == LABEL:
                cells.append(f"**{text}**")
            else:
                cells.append(marked(text, found["mean"], bits) if found else text)
        seeds = max(s["seeds"] for s in value["summaries"] if s["label"] == label)
        rows.append([f"**{label}**" if label == LABEL else label, CODING, *cells, str(seeds)])
    columns = ["method", "database codes", *(f"{bits} bits" for bits in lengths), "seeds"]
    return table(columns, rows)
