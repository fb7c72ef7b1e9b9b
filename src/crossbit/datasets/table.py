"""Your own pairs: a CSV, TSV or JSON-lines table of picture paths, texts and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crossbit.corpus import Corpus, Encoder
from crossbit.datasets.pictures import Pictures
from crossbit.datasets.table_rows import (
    Row,
    is_blank,
    picture_file,
    read_rows,
    split_labels,
    text_of,
)
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.bow import BagOfWords
from crossbit.features.pixels import Pixels

__all__ = ["load"]


def load(
    path: Path,
    images: str = "",
    image_column: str = "image",
    text_column: str = "text",
    labels_column: str = "labels",
    id_column: str = "id",
    size: int = 32,
    min_count: int = 1,
) -> Corpus:
    """Return the rows of a table as a corpus, with pixel and bag-of-words features.

    A column that the table lacks is left out, but there must be an image or a text column. A blank
    cell in one of them, or a JSON null, means that the item lacks that view.

    Parameters
    ----------
    path : Path
        .csv or .tsv with a header line, or .jsonl with one object per line; UTF-8.
    images : str
        Folder that picture paths start from; the table's own folder if not given. Pictures
        outside it are refused.
    image_column, text_column, labels_column, id_column : str
        Names of the columns. Labels are separated by ``|`` or ``;`` (or a JSON list); an empty
        cell is an unlabelled row. Ids are row numbers if there is no such column.
    size : int
        Pictures become size x size red, green and blue values, 3 size**2 numbers.
    min_count : int
        Leave out words that are in fewer texts.

    Raises
    ------
    DataError
        If the table or a picture cannot be read; names the lines.
    ConfigError
        If a column that was asked for by name is not there.
    """
    rows = list(read_rows(path))
    if not rows:
        raise DataError(f"{path} has no rows; it needs at least one item")
    columns = list(dict.fromkeys(key for _, cells in rows for key in cells))
    asked = {
        "image": image_column,
        "text": text_column,
        "labels": labels_column,
        "id": id_column,
    }
    for meaning, column in asked.items():
        if column not in columns and column != meaning:
            raise ConfigError(f"{path} has no column {column!r}{suggest(column, columns)}")
    if image_column not in columns and text_column not in columns:
        raise DataError(
            f"{path} has neither a column {image_column!r} nor {text_column!r}, only "
            f"{', '.join(columns)}; name yours with image_column and text_column"
        )
    views: dict[str, Any] = {}
    encoders: dict[str, Encoder] = {}
    raw: dict[str, Any] = {}
    named = {"image": image_column, "text": text_column}
    present = _present(path, rows, {v: column for v, column in named.items() if column in columns})
    if "image" in present:
        given = np.flatnonzero(present["image"])
        home = Path(images) if images else path.parent
        files = _files(path, [rows[k] for k in given], image_column, home)
        pixels = encoders["image"] = Pixels(size)
        views["image"] = np.zeros((len(rows), pixels.width), dtype=np.float32)
        views["image"][given] = pixels(files)
        source = dict(zip(given.tolist(), files, strict=True))
        raw["image"] = Pictures(len(rows), source.get)
    if "text" in present:
        raw["text"] = [
            text_of(path, row, text_column) if given else ""
            for row, given in zip(rows, present["text"], strict=True)
        ]
        encoders["text"] = BagOfWords.fit(raw["text"], min_count=min_count)
        views["text"] = encoders["text"](raw["text"])
    # Where the table has no such column, every row is without labels.
    labels, label_names = _labels([cells.get(labels_column) for _, cells in rows])
    ids = [text_of(path, row, id_column) for row in rows] if id_column in columns else None
    return Corpus(
        views=views,
        ids=None if ids is None else np.array(ids, dtype=np.str_),
        labels=labels,
        name=path.stem,
        label_names=label_names,
        encoders=encoders,
        raw=raw,
        present=present,
    )


def _present(path: Path, rows: list[Row], columns: dict[str, str]) -> dict[str, np.ndarray]:
    """Return which rows have something in the columns, (n,) bool by view."""
    present = {
        view: np.array([not is_blank(cells.get(column)) for _, cells in rows])
        for view, column in columns.items()
    }
    empty = np.flatnonzero(~np.any(list(present.values()), axis=0))
    if len(empty):
        more = f" and in {len(empty) - 1:,} more lines" if len(empty) > 1 else ""
        both = " and ".join(columns.values())
        raise DataError(
            f"{path}, line {rows[empty[0]][0]}: {both} {'are' if len(columns) > 1 else 'is'} "
            f"blank{more}, so there is no item; fill in a cell or remove the line"
        )
    for view, given in present.items():
        if not given.any():
            raise DataError(
                f"{path}: the column {columns[view]!r} is blank in every line; remove it, or name "
                f"another with {view}_column"
            )
    return present


def _files(path: Path, rows: list[Row], column: str, root: Path) -> list[Path]:
    """Return the picture of every row, none of which is blank; reports missing ones at once."""
    home = root.resolve()
    if not home.is_dir():
        raise DataError(f"there is no folder of images {root}; check the option images")
    files, missing = [], []
    for row in rows:
        file = picture_file(path, row, column, home)
        if not file.is_file():
            missing.append(f"{text_of(path, row, column)} (line {row[0]})")
        files.append(file)
    if missing:
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        raise DataError(
            f"{path}: {len(missing):,} of {len(rows):,} pictures are missing under {home}: "
            f"{', '.join(missing[:3])}{more}; correct the paths or give their folder with the "
            "option images"
        )
    return files


def _labels(cells: list[Any]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    rows = [split_labels(cell) for cell in cells]
    names = sorted({name for row in rows for name in row})
    if not names:
        return None, ()
    column = {name: j for j, name in enumerate(names)}
    matrix = np.zeros((len(rows), len(names)), dtype=bool)
    for k, row in enumerate(rows):
        matrix[k, [column[name] for name in row]] = True
    return matrix, tuple(names)
