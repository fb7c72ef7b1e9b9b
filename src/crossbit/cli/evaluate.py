"""`crossbit evaluate`: measure a run on its own split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossbit.cli.options import AsJson, Root, Run, Threads, numbers, use_threads

if TYPE_CHECKING:
    from crossbit.evaluation import Report

__all__ = ["command", "table"]


def command(
    run: Run,
    ks: Annotated[str, typer.Option(help="Cuts for MAP@k, such as 50,100.")] = "",
    radius: Annotated[int, typer.Option(help="Hamming radius of the look-up.")] = 2,
    coding: Annotated[
        str,
        typer.Option(
            help="How the database is coded, where the method offers it: single (from the searched "
            "view alone), fused (from all views) or train (codes learnt in training)."
        ),
    ] = "single",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; RUN/report if not given.")
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
    threads: Threads = None,
) -> None:
    """Measure a run on its held-out queries.

    Writes report.json, .csv, .md and .html. MAP is the expected value over the orders of items
    at equal distance, with the worst and the best order beside it.

    \b
    Examples:
      crossbit evaluate runs/glyphs
      crossbit evaluate runs/wiki --ks 50,100 --out reports/wiki
    """
    import json

    from crossbit.evaluation import evaluate, save_report
    from crossbit.evaluation.tables import facts
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    cuts = numbers(ks, "--ks", "50,100") or []
    source = RunFolder(run, root)
    report = evaluate(
        source.hasher, source.split, ks=cuts, radius=radius, coding=coding, n_jobs=threads
    )
    folder = out or run / "report"
    save_report(report, folder)
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False))
        return
    table([report])
    for name, text in facts(report):
        typer.echo(f"{name}: {text}")
    typer.echo(f"report in {folder / 'report.html'}")


def table(reports: list[Report]) -> None:
    """Print reports side by side, one row per run and direction."""
    from crossbit.cli.tables import print_table
    from crossbit.evaluation.tables import arrow

    head = ["run", "bits", "direction", "MAP", "worst", "best"]
    cuts = sorted({k for report in reports for found in report.map_at.values() for k in found})
    head += [f"MAP@{k}" for k in cuts] + ["P@50", f"P@radius {reports[0].radius}", "random"]
    rows = []
    for report in reports:
        for name, found in report.directions.items():
            values: list[float | None] = [found.map.expected, found.map.worst, found.map.best]
            values += [found.map_at[k].expected for k in cuts]
            values += [next(iter(found.precision_at.values())), report.p_radius[name]]
            values.append(found.random_map)
            cells = ["–" if value is None else f"{value:.3f}" for value in values]
            rows.append([report.label, str(report.bits), arrow(name), *cells])
    print_table(head, rows, numbers=range(3, len(head)))
