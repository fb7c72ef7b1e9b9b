"""`crossbit synthesise`: draw synthetic pictures of every class with a run's generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossbit.cli.options import Run, Threads, use_threads
from crossbit.errors import ConfigError

__all__ = ["command"]


def command(
    run: Run,
    to: Annotated[Path, typer.Option(help="The PNG file to write.")],
    columns: Annotated[int, typer.Option(min=1, help="Pictures of each class.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise they are drawn from.")] = 0,
    threads: Threads = None,
) -> None:
    """Draw synthetic pictures of every class with a run's generator.

    For runs of dshgan, which learn from such pictures: a row for each class, nothing picked.

    \b
    Examples:
      crossbit synthesise runs/mnist --to digits.png
      crossbit synthesise runs/cifar10 --to grid.png --columns 20 --seed 3
    """
    from crossbit.evaluation.synthetic import Synthesises, synthetic_sheet
    from crossbit.files import replace_file
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    hasher = RunFolder(run).hasher
    names = hasher.trained.get("classes", ())
    if not isinstance(hasher, Synthesises):
        raise ConfigError(f"{hasher.name} draws no pictures; fit with --method dshgan")
    sheet = synthetic_sheet(hasher, names, columns=columns, seed=seed)
    with replace_file(to) as stream:
        stream.write(sheet)
    typer.echo(f"{hasher.classes} classes of {columns} pictures in {to}")
