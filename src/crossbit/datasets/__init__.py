"""Datasets: one file each, found by name; a folder or table of your own is found by its path."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from crossbit.errors import ConfigError, DataError, suggest

if TYPE_CHECKING:
    from crossbit.corpus import Corpus

__all__ = ["describe", "load", "names", "reads_files"]

# name: (loader, the line that `crossbit datasets` prints)
NAMED = {
    "cifar10": (
        "crossbit.datasets.cifar10:load",
        "CIFAR-10 photographs of 32x32 pixels in 10 classes, no texts (needs files)",
    ),
    "glyphs": (
        "crossbit.datasets.glyphs:load",
        "5,575 characters of DejaVu Sans as 32x32 pictures, with their Unicode names (built in)",
    ),
    "mfeat": (
        "crossbit.datasets.mfeat:load",
        "2,000 handwritten digits in three views: fourier, karhunen, pixels (needs files)",
    ),
    "mirflickr": (
        "crossbit.datasets.mirflickr:load",
        "MIRFlickr-25K photographs (576 statistics, or pixels) with tags, 24 labels (needs files)",
    ),
    "mnist": (
        "crossbit.datasets.mnist:load",
        "MNIST handwritten digits of 28x28 pixels in 10 classes, no texts (needs files)",
    ),
    "wikipedia": (
        "crossbit.datasets.wikipedia:load",
        "2,866 Wikipedia pictures (SIFT words) and texts (topics), 10 categories (needs files)",
    ),
}
FOLDER = "crossbit.datasets.folder:load"
FOLDERS = {  # by what lies in them
    "features.json": "crossbit.datasets.shards:load",
    "img_emb": "crossbit.datasets.clip_retrieval:load",
    "text_emb": "crossbit.datasets.clip_retrieval:load",
}
TABLES = dict.fromkeys((".csv", ".tsv", ".jsonl"), "crossbit.datasets.table:load")


def names() -> list[str]:
    """Return the names of all datasets that Crossbit knows."""
    return sorted(NAMED)


def describe(name: str) -> str:
    """Return one line about a dataset."""
    if name not in NAMED:
        raise ConfigError(f"there is no dataset {name!r}{suggest(name, NAMED)}")
    return NAMED[name][1]


def reads_files(name: str) -> bool:
    """Return whether a dataset is a known one whose files lie below a root."""
    return name in NAMED and "root" in inspect.signature(_loader(NAMED[name][0])).parameters


def load(name: str | Path, root: str | Path | None = None, **options: Any) -> Corpus:
    """Return a dataset as a corpus.

    Parameters
    ----------
    name : str or Path
        A known name (see `names`), a folder of arrays or of extracted features, or a .csv, .tsv
        or .jsonl table.
    root : path, optional
        Folder of a known dataset's files; the environment variable CROSSBIT_DATA if not given.
    **options
        Passed to the dataset's own `load`; text is turned into the option's type.

    Raises
    ------
    ConfigError
        For an unknown name or option; suggests the nearest.
    DataError
        If files are missing or damaged.
    """
    key = str(name)
    address = NAMED[key][0] if key in NAMED else _own(key)
    loader = _loader(address)
    values = _options(loader, key, options)
    if key not in NAMED:
        if root is not None:
            raise ConfigError(f"root goes with a named dataset; {key} is a path and needs none")
        return loader(Path(key), **values)
    if root is not None:
        if "root" not in inspect.signature(loader).parameters:
            raise ConfigError(f"{key} is built in and reads no files; leave root out")
        values["root"] = root
    return loader(**values)


def _loader(address: str) -> Callable[..., Corpus]:
    module, _, attribute = address.partition(":")
    loader: Callable[..., Corpus] = getattr(import_module(module), attribute)
    return loader


def _own(name: str) -> str:
    """Return the loader for a path."""
    path = Path(name)
    if path.is_dir():
        return next((loader for file, loader in FOLDERS.items() if (path / file).exists()), FOLDER)
    if path.is_file():
        if path.suffix.lower() in TABLES:
            return TABLES[path.suffix.lower()]
        raise ConfigError(f"{name} is no table that can be read; give a .csv, .tsv or .jsonl file")
    if os.sep in name or "/" in name or path.suffix:
        raise DataError(f"there is no file or folder {name}; check the path")
    raise ConfigError(
        f"there is no dataset {name!r}{suggest(name, NAMED)} (or the path of a folder or table)"
    )


def _options(loader: Callable[..., Corpus], name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as keywords for `loader`, text turned into numbers where it wants them."""
    hints = get_type_hints(loader)
    known = [key for key in inspect.signature(loader).parameters if key not in ("root", "path")]
    values = {}
    for key, value in options.items():
        if key not in known:
            hint = suggest(key, known) if known else "; it has no options"
            raise ConfigError(f"the dataset {name} has no option {key!r}{hint}")
        try:
            values[key] = int(value) if hints[key] is int else value
        except (TypeError, ValueError):
            raise ConfigError(f"{key} of {name} must be a whole number, got {value!r}") from None
    return values
