"""Items: raw images and texts one by one, and a first look through all of them."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from crossbit.errors import DataError

__all__ = ["Item", "Source", "Survey", "look_through", "path_of", "texts_of"]


class Item(NamedTuple):
    """One raw item; None where it lacks something."""

    id: str | int
    image: Any = None  # a path, the bytes of a file, or an array
    text: str | None = None
    labels: Sequence[str] | None = None  # None: not labelled


class Source(Protocol):
    """Where items come from; they can be gone through again and again, in one order."""

    @property
    def label_names(self) -> Sequence[str]:
        """The labels in the order of columns; empty: those of the items, in alphabetical order."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """Return the items one by one, without holding them all."""
        ...

    def about(self) -> dict[str, Any]:
        """Return what the items are, with a checksum, as JSON: other items, another text."""
        ...


class Survey(NamedTuple):
    """What a first look through all items says."""

    items: int
    labels: list[str]
    ids: str


def look_through(source: Source, views: Collection[str]) -> Survey:
    """Count the items and check what would be found out too late otherwise.

    Raises
    ------
    DataError
        If there are no items, none has one of the `views`, or an id is used twice.
    """
    prints = array("q")  # of ids: eight bytes each, where the ids themselves may not fit
    given: Counter[str] = Counter()
    labels: set[str] = set()
    kinds: set[type] = set()
    for item in source:
        prints.append(hash(item.id))
        kinds.add(type(item.id))
        labels.update(item.labels or ())
        given["image"] += item.image is not None
        given["text"] += item.text is not None
    if not prints:
        raise DataError("there are no items")
    for view in views:
        if not given[view]:
            raise DataError(f"no item has {'an image' if view == 'image' else 'a text'}")
    if len(kinds) > 1:
        raise DataError("the ids must be all whole numbers or all strings")
    values, counts = np.unique(np.frombuffer(prints, dtype=np.int64), return_counts=True)
    if (counts > 1).any():
        _check_repeated(source, set(values[counts > 1].tolist()))
    names = list(source.label_names) or sorted(labels)
    return Survey(len(prints), names, "int64" if kinds == {int} else "string")


def texts_of(source: Source) -> Iterator[str]:
    """Return the texts of the items that have one: what a vocabulary is made of."""
    return (item.text for item in source if item.text is not None)


def path_of(item: Item) -> str | None:
    """Return the path of an item's picture, if it is a file."""
    return str(item.image) if isinstance(item.image, str | os.PathLike) else None


def _check_repeated(source: Source, suspects: set[int]) -> None:
    seen = set()
    for item in source:
        if hash(item.id) in suspects:
            if item.id in seen:
                raise DataError(f"the id {item.id!r} is used twice; ids must be unique")
            seen.add(item.id)
