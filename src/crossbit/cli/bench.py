"""`crossbit bench`: a grid of methods, data, lengths and seeds, and the tables made of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import numbers, portion

if TYPE_CHECKING:
    from crossbit.bench.render import Sheet
    from crossbit.runs.trial import Trial

__all__ = ["command"]

INTERRUPTED, FAILED = 130, 1


def command(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG",
            help="TOML file with [grid] (data, methods, bits, seeds), [split], [split.DATA] and "
            "[settings.METHOD]; flags override it.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="A dataset, a folder or a table; repeatable.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="See `crossbit methods`; repeatable.")
    ] = None,
    bits: Annotated[str | None, typer.Option(help="Code lengths, such as 16,32,64,128.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds of labels and training, such as 0,1,2.")
    ] = None,
    labelled: Annotated[
        str | None,
        typer.Option(help="Labels to learn and choose from: a count, a fraction, or all."),
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The grid of the SCH-GAN paper, on the data there are.")
    ] = False,
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of the datasets' files; else CROSSBIT_DATA."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results; runs/bench/NAME if not given.")
    ] = None,
    trials: Annotated[
        Path, typer.Option(help="Folder of what is finished, shared by all grids.")
    ] = Path("runs/bench/trials"),
    jobs: Annotated[
        int | None, typer.Option(help="Trials at a time, one thread each; all cores if not given.")
    ] = None,
    keep_models: Annotated[
        bool,
        typer.Option(
            "--keep-models",
            help="Keep the weights of every trial; else of the best on each data set alone.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the trials, run none.")] = False,
) -> None:
    """Compare methods over data, code lengths and seeds.

    Each trial of the grid is one fit with its evaluation. A finished trial is never run again, as
    long as its settings, its data and the code behind it are the same: Ctrl-C, and the same
    command goes on. Writes results.csv, results.json, tables.md, tables.tex, the figures as SVG
    and PNG, and report.html.

    All methods share one split for each seed, the same features and one evaluation; a row that
    broke a rule of comparison is marked, and wins nothing.

    \b
    Examples:
      crossbit bench --data wikipedia --method displus --method schgan --bits 16,64 --seeds 0,1
      crossbit bench --data glyphs --method dis --method schgan --labelled 0.1
      crossbit bench grid.toml --jobs 4 --out results/grid
      crossbit bench --paper --root data --dry-run
    """
    from crossbit.bench.publish import sheets, write_results
    from crossbit.bench.request import PAPER, Request
    from crossbit.bench.results import finished, gather
    from crossbit.cli.live import GridView
    from crossbit.errors import ConfigError
    from crossbit.runs.grid import UnfinishedError, keep_best_models, run_grid

    if paper and config is not None:
        raise ConfigError(f"--paper is a grid of its own; leave {config} out, or --paper")
    request = Request.read(
        PAPER if paper else config,
        data=data,
        methods=method,
        bits=numbers(bits, "--bits", "16,32"),
        seeds=numbers(seeds, "--seeds", "0,1,2"),
        labelled=portion(labelled, "labelled"),
        root=None if root is None else str(root),
    )
    grid, skipped = request.trials()
    for item in skipped:
        typer.echo(f"left out: {item.what} ({item.why})", err=True)
    if dry_run:
        _list(grid, trials)
        return
    failure = None
    at_once = _cores() if jobs is None else jobs
    with GridView(grid, trials, at_once) as view:
        try:
            run_grid(grid, trials, jobs=at_once, say=view.say, watch=view)
        except UnfinishedError as error:
            failure = error
    folder = out or Path("runs/bench") / request.name
    value = gather(request, grid, skipped, trials, command=_spelt())
    write_results(value, finished(grid, trials), folder)
    for sheet in sheets(value):
        _show(sheet)
    typer.echo(f"report in {folder / 'report.html'}; tables, figures and data beside it")
    for name, path in ({} if keep_models else keep_best_models(grid, trials)).items():
        typer.echo(f"best of {name} by validation: crossbit search {_shown(path)}")
    if failure is not None:
        typer.echo(str(failure), err=True)
        raise typer.Exit(INTERRUPTED if failure.stopped else FAILED)


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _list(grid: list[Trial], folder: Path) -> None:
    from crossbit.runs.grid import load_reports

    for trial in grid:
        state = "finished" if load_reports(folder / trial.key) else "to run"
        typer.echo(f"{trial.key}  {state:<8}  {trial}")
    typer.echo(f"{len(grid)} trials")


def _show(sheet: Sheet) -> None:
    """Print a table without its spreads, which would not fit."""
    from crossbit.cli.tables import print_table

    heads = [_initials(name) for name, span in sheet.groups for _ in range(span)]
    columns = [f"{over} {name}".strip() for over, name in zip(heads, sheet.columns, strict=True)]
    kept = [at for at, name in enumerate(columns) if name != "learns from"]
    rows = []
    for line in sheet.lines:
        texts = [entry.text + entry.mark for entry in line.entries]
        texts += [""] * (len(columns) - len(texts))
        rows.append([texts[at] for at in kept])
    typer.echo(f"\n{sheet.title}")
    figures = range(sheet.words - (len(columns) - len(kept)), len(kept))
    print_table([columns[at] for at in kept], rows, numbers=figures)
    for mark, text in sheet.notes:
        typer.echo(f"{mark} {text}")


def _initials(direction: str) -> str:
    """Return "i→t" for "image → text": many columns stand on one line."""
    return "→".join(view[:1] for view in direction.split(" → "))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spelt() -> str:
    """Return the command as it was given, for the record."""
    arguments: list[Any] = sys.argv[1:]
    return shlex.join(["crossbit", *arguments])
