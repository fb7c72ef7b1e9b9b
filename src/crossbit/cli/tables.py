"""Tables on standard output."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["print_table"]


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()
) -> None:
    """Print rows under a head on stdout; the last column takes what width is left.

    Parameters
    ----------
    numbers : collection of int
        Columns to align at the right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, name in enumerate(head):
        table.add_column(name, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width: cut nothing off
        console.width = 200
    console.print(table)
