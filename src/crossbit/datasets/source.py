"""Sources of raw items: a table, a folder of pictures, or a dataset that keeps its raw items."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from crossbit import datasets
from crossbit.corpus import Corpus
from crossbit.datasets.table_rows import is_blank, picture_file, read_rows, split_labels, text_of
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.items import Item, Source
from crossbit.files import file_sha256, sha256

__all__ = ["CorpusItems", "PictureFolder", "TableItems", "open_source"]

PICTURES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))


def open_source(name: str | Path, root: str | Path | None = None, **options: Any) -> Source:
    """Return the raw items of a table, a folder of pictures or a known dataset.

    Parameters
    ----------
    name : str or Path
        A .csv, .tsv or .jsonl table, a folder, or the name of a dataset.
    root : path, optional
        As for `datasets.load`.
    **options
        Of a table (`TableItems`) or of the dataset.

    Raises
    ------
    ConfigError
        For unknown options, or a root where none is needed.
    DataError
        If there is nothing there.
    """
    path = Path(name)
    if root is not None and str(name) not in datasets.names():
        raise ConfigError(f"root goes with a named dataset; {name} is a path and needs none")
    if str(name) not in datasets.names() and path.is_dir():
        if options:
            raise ConfigError(f"a folder of pictures has no option {next(iter(options))!r}")
        return PictureFolder(path)
    if str(name) not in datasets.names() and path.suffix.lower() in datasets.TABLES:
        if not path.is_file():
            raise DataError(f"there is no file {path}; check the path")
        known = [field.name for field in dataclasses.fields(TableItems) if field.name != "path"]
        for key in options:
            if key not in known:
                raise ConfigError(f"a table has no option {key!r} here{suggest(key, known)}")
        return TableItems(path, **options)
    return CorpusItems(datasets.load(name, root, **options), options)


@dataclass
class TableItems:
    """The rows of a .csv, .tsv or .jsonl table; the options are those of `datasets.table.load`."""

    path: Path
    images: str = ""
    image_column: str = "image"
    text_column: str = "text"
    labels_column: str = "labels"
    id_column: str = "id"

    label_names: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        home = Path(self.images) if self.images else self.path.parent
        if not home.is_dir():
            raise DataError(f"there is no folder of images {home}; check the option images")
        self.home = home.resolve()

    def about(self) -> dict[str, Any]:
        """Return path, columns and a checksum of the table."""
        return {
            "kind": "table",
            "path": str(self.path.resolve()),
            "images": str(self.home),
            "columns": self._columns(),
            "sha256": file_sha256(self.path),
        }

    def __iter__(self) -> Iterator[Item]:
        columns = self._columns()
        seen: set[str] = set()
        for number, row in enumerate(read_rows(self.path)):
            cells = row[1]
            seen.update(cells)
            labels = split_labels(cells.get(columns["labels"]))
            yield Item(
                text_of(self.path, row, columns["id"]) if columns["id"] in cells else number,
                None
                if is_blank(cells.get(columns["image"]))
                else picture_file(self.path, row, columns["image"], self.home),
                None
                if is_blank(cells.get(columns["text"]))
                else text_of(self.path, row, columns["text"]),
                labels or None,
            )
        for meaning, column in columns.items():
            if seen and column not in seen and column != meaning:
                raise ConfigError(f"{self.path} has no column {column!r}{suggest(column, seen)}")

    def _columns(self) -> dict[str, str]:
        return {
            "image": self.image_column,
            "text": self.text_column,
            "labels": self.labels_column,
            "id": self.id_column,
        }


class PictureFolder:
    """The pictures below a folder, by path; a text beside one, a.txt beside a.jpg, is its text."""

    label_names: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.files = sorted(
            file
            for file in self.path.rglob("*")
            if file.suffix.lower() in PICTURES and file.is_file()
        )
        if not self.files:
            raise DataError(
                f"{path} holds no pictures ({', '.join(sorted(PICTURES))}); give their folder or a "
                ".csv, .tsv or .jsonl table"
            )

    def about(self) -> dict[str, Any]:
        """Return the path, and a checksum of names and sizes."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.relative_to(self.path)}\t{file.stat().st_size}\n".encode())
        return {"kind": "pictures", "path": str(self.path), "sha256": digest.hexdigest()}

    def __iter__(self) -> Iterator[Item]:
        for file in self.files:
            yield Item(file.relative_to(self.path).as_posix(), file, _text_beside(file))


class CorpusItems:
    """The raw items of a corpus, with its ids and labels.

    Raises
    ------
    DataError
        If it keeps neither images nor texts.
    """

    def __init__(self, corpus: Corpus, options: dict[str, Any] | None = None) -> None:
        if not {"image", "text"} & corpus.raw.keys():
            raise DataError(
                f"{corpus.name} keeps neither raw images nor raw texts, so there is nothing to "
                "extract from"
            )
        self.corpus, self.options = corpus, dict(options or {})
        self.label_names = tuple(map(str, corpus.label_names))

    def about(self) -> dict[str, Any]:
        """Return the name, and a checksum of ids and texts."""
        ids = "\n".join(map(str, self.corpus.ids.tolist()))
        texts = "\n".join(item.text or "" for item in self) if "text" in self.corpus.raw else ""
        return {
            "kind": "dataset",
            "name": self.corpus.name,
            "options": {key: str(value) for key, value in self.options.items()},
            "sha256": sha256(ids, "\0", texts),
        }

    def __iter__(self) -> Iterator[Item]:
        corpus = self.corpus
        ids = corpus.ids.tolist()
        labels = self._labels()
        for k, (key, names) in enumerate(zip(ids, labels, strict=True)):
            yield Item(key, self._raw("image", k), self._raw("text", k), names)

    def _raw(self, view: str, position: int) -> Any:
        items = self.corpus.raw.get(view)
        source = getattr(items, "source", None)  # a file or its bytes, not decoded
        if items is None or source is None:
            return self.corpus.raw_item(view, position)
        return source(position)

    def _labels(self) -> Iterator[Sequence[str] | None]:
        corpus = self.corpus
        if corpus.labels is None:
            yield from [None] * len(corpus)
            return
        matrix, names = corpus.require_labels(), self.label_names
        for k, labelled in enumerate(corpus.labelled.tolist()):
            columns = matrix.indices[matrix.indptr[k] : matrix.indptr[k + 1]].tolist()
            found = [names[column] if names else str(column) for column in columns]
            yield found if labelled else None


def _text_beside(file: Path) -> str | None:
    beside = file.with_suffix(".txt")
    if not beside.is_file():
        return None
    try:
        text = beside.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{beside} is not UTF-8 text ({error}); save it as UTF-8") from error
    return text or None
