"""The grid of the SCH-GAN paper's tables, as `crossbit bench --paper` runs it, published here."""

from __future__ import annotations

import argparse

from benchmarks import CELLS
from benchmarks.options import grid_options
from benchmarks.tables import RESULTS, Json, publish
from crossbit.bench.publish import markdown_page
from crossbit.bench.request import PAPER, Request
from crossbit.bench.results import gather
from crossbit.runs.grid import UnfinishedError, run_grid

__all__ = ["options", "render", "run"]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    grid_options(parser)


def run(chosen: argparse.Namespace) -> None:
    """Run what is not finished yet, and publish the tables."""
    request = Request.read(PAPER, root=chosen.root, seeds=chosen.seeds)
    cells, skipped = request.trials()
    for item in skipped:
        print(f"left out: {item.what} ({item.why})")
    failure = None
    try:
        run_grid(cells, CELLS, jobs=chosen.jobs)
    except UnfinishedError as error:
        failure = error  # what is finished is published, and the tables name the rest
    value = gather(request, cells, skipped, CELLS, command="crossbit bench --paper")
    publish(value | {"benchmark": "paper"}, render, whole=not chosen.seeds, folder=RESULTS)
    if failure is not None:
        raise failure


def render(value: Json) -> str:
    """Return the tables as Markdown."""
    return markdown_page(value)
