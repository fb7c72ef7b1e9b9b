"""Write rows into an index with progress; Ctrl-C stops between two batches."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from crossbit.indexing.items import Rows

__all__ = ["write_rows"]


def write_rows(rows: Rows, address: str, *, replace: bool = False) -> None:
    """Write what the index at `address` lacks, or with `replace` everything, and say how much."""
    from crossbit.cli.progress import Progress
    from crossbit.index import open_index
    from crossbit.indexing.build import put_rows
    from crossbit.interrupt import stop_on_interrupt

    stop = threading.Event()
    with open_index(address, "w") as index, Progress("index") as progress:

        def report(done: int) -> None:
            progress({"stage": "items", "round": done, "rounds": len(rows)})

        def say(text: str) -> None:
            progress.say(text.replace("this round", "this batch"))

        with stop_on_interrupt(stop, say):
            written, there = put_rows(index, rows, replace=replace, report=report, stop=stop)
        total = len(index)
    if written + there < len(rows):
        typer.echo(
            f"stopped after {written + there:,} of {len(rows):,} items; run the same command "
            "again to go on",
            err=True,
        )
        raise typer.Exit(130)
    before = f", {there:,} were there before" if there else ""
    if rows.left_out:
        before += f", {rows.left_out:,} lack the view"
    typer.echo(f"{written:,} items of {rows.bits} bits written{before}; {total:,} in {address}")
