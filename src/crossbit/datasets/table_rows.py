"""Cells: the rows of a table of your own pairs one by one, and what its cells mean."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossbit.errors import DataError

__all__ = ["Row", "is_blank", "picture_file", "read_rows", "split_labels", "text_of"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
Row = tuple[int, dict[str, Any]]  # line number, cells by column


def read_rows(path: Path) -> Iterator[Row]:
    """Return the rows of a .csv, .tsv or .jsonl file as they are read; memory does not grow.

    Raises
    ------
    DataError
        If a line cannot be read; names it.
    """
    return _jsonl(path) if path.suffix.lower() == ".jsonl" else _separated(path)


def text_of(path: Path, row: Row, column: str) -> str:
    """Return a cell as text; whole numbers are text, too."""
    number, cells = row
    value = cells.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise DataError(f"{path}, line {number}: {column} must be text, got {value!r:.40}")
    return value


def is_blank(cell: Any) -> bool:
    """Return whether there is nothing in a cell."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def picture_file(path: Path, row: Row, column: str, home: Path) -> Path:
    """Return the file that a cell names, below the resolved folder `home`; it need not exist.

    Raises
    ------
    DataError
        If it lies outside.
    """
    name = text_of(path, row, column)
    file = (home / name).resolve()
    if not file.is_relative_to(home):
        raise DataError(
            f"{path}, line {row[0]}: the picture {name} lies outside {home}; give its folder "
            "with the option images"
        )
    return file


def split_labels(cell: Any) -> list[str]:
    """Return the labels in a cell: a list, or text with | or ; between them."""
    if cell is None:
        return []
    parts = cell if isinstance(cell, list) else str(cell).replace(";", "|").split("|")
    return [str(part).strip() for part in parts if str(part).strip()]


def _separated(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=SEPARATORS[path.suffix.lower()], strict=True)
            for cells in reader:
                if None in cells or None in cells.values():
                    raise DataError(
                        f"{path}, line {reader.line_num}: expected "
                        f"{len(reader.fieldnames or ())} cells as in the header, got another "
                        "number; put texts that hold the separator into double quotes"
                    )
                yield reader.line_num, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); save it as UTF-8 text") from error


def _jsonl(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                cells = json.loads(line)
                if not isinstance(cells, dict):
                    raise DataError(f"{path}, line {number}: expected an object, got {line:.40}")
                yield number, cells
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not valid JSON ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read ({error}); save it as UTF-8 text") from error
