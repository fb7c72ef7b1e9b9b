"""The `crossbit` program: its commands, and how errors leave it."""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import crossbit
from crossbit.cli import (
    attention,
    bench,
    datasets,
    demo,
    encode,
    evaluate,
    extract,
    fit,
    index,
    methods,
    search,
    serve,
    synthesise,
)
from crossbit.errors import CrossbitError

__all__ = ["app", "main"]

USER_ERROR, INTERRUPTED = 2, 130


class Commands(TyperGroup):
    """Turns errors that a user can mend into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CrossbitError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(USER_ERROR) from error
        except OSError as error:
            if error.filename is None and error.errno != errno.ENOSPC:
                raise
            where = f": {error.filename}" if error.filename else ""
            typer.echo(f"error: {(error.strerror or str(error)).lower()}{where}", err=True)
            raise typer.Exit(USER_ERROR) from error
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    name="crossbit",
    help="Learned cross-modal hashing: images find texts and texts images, by short codes.",
    epilog="Start with `crossbit demo`. Every command explains itself: `crossbit fit --help`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
MODULES = (
    demo,
    extract,
    fit,
    encode,
    evaluate,
    attention,
    synthesise,
    bench,
    search,
    serve,
    datasets,
    methods,
)
for module in MODULES:
    app.command(module.__name__.rpartition(".")[2])(module.command)
app.add_typer(index.app, name="index")


def main() -> None:
    """Run the program on the command line's arguments."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crossbit {crossbit.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Hold the options that stand before a command."""
