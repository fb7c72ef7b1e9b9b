"""Sheet: a table of figures before it is written in any language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["MISSING", "Entry", "Line", "Sheet"]


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    Attributes
    ----------
    text : str
        A figure, or words.
    beside : str
        What stands beside it in smaller type: a spread or an interval.
    bold : bool
    mark : str
        What is raised behind it.
    """

    text: str
    beside: str = ""
    bold: bool = False
    mark: str = ""


MISSING = Entry("–")


@dataclass(frozen=True)
class Line:
    """One row: of a block's title alone, of measured figures, or of published ones."""

    kind: Literal["block", "ours", "published"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes
    ----------
    name : str
        For labels and file names.
    title, caption : str
    groups : list of (str, int)
        Heads over several columns each, over all columns in order; "" for none.
    columns : list of str
    lines : list of Line
    words : int
        So many columns at the left hold words, not figures.
    notes : list of (mark, str)
        Footnotes.
    """

    name: str
    title: str
    caption: str
    groups: list[tuple[str, int]]
    columns: list[str]
    lines: list[Line]
    words: int
    notes: list[tuple[str, str]] = field(default_factory=list)
