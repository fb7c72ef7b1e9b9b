"""Your own features: a folder of arrays, one file per view, with labels and ids beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.errors import DataError

__all__ = ["load"]

NO_VIEWS = ("ids", "labelled", "labels")


def load(path: Path) -> Corpus:
    """Return the arrays in a folder as a corpus; row k of every file is the same item.

    - ``image.npy``, ``text.npy``, ...: every .npy file is a view named after it, (n, d) numbers,
      memory-mapped; float32 is used as it lies on disk. A .npz file is a scipy sparse matrix. A
      row of nothing but NaN means that the item lacks the view (and the array is then copied into
      memory).
    - ``labels.npy`` (optional): class numbers (n,), -1 = unlabelled; or (n, c) of 0 and 1, where
      a row of zeros, or one with -1, is unlabelled. ``labels.npz``: (n, c), sparse.
    - ``labelled.npy`` (optional): (n,) bool, which rows carry labels.
    - ``ids.txt`` (optional): one unique id per line.

    Raises
    ------
    DataError
        If a file cannot be read or the files do not fit together.
    """
    arrays = _arrays(path)
    views = {name: _read(file) for name, file in arrays.items() if name not in NO_VIEWS}
    if not views:
        raise DataError(
            f"{path} holds no features; put image.npy and text.npy (or text.npz) into it, "
            "one row per item, or make them from pictures with `crossbit extract`"
        )
    labels: Any = None
    names: tuple[str, ...] = ()
    if "labels" in arrays:
        labels, names = _labels(arrays["labels"])
    labelled = _mask(arrays["labelled"]) if "labelled" in arrays else None
    ids = _ids(path / "ids.txt") if (path / "ids.txt").is_file() else None
    try:
        return Corpus(
            views=views,
            ids=ids,
            labels=labels,
            labelled=labelled,
            name=path.resolve().name,
            label_names=names,
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _arrays(path: Path) -> dict[str, Path]:
    """Return the array files by name, the views image and text first."""
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir(), key=lambda f: (f.stem not in ("image", "text"), f.name)):
        if file.suffix in (".npy", ".npz") and file.is_file():
            if file.stem in found:
                raise DataError(
                    f"{path} holds both {found[file.stem].name} and {file.name}; keep one"
                )
            found[file.stem] = file
    return found


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".npz":
            return sparse.csr_matrix(sparse.load_npz(file))
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy, scipy and zipfile each raise their own for a damaged file
        kind = (
            "sparse matrix, as scipy.sparse.save_npz"
            if file.suffix == ".npz"
            else "array, as numpy.save"
        )
        raise DataError(
            f"{file} cannot be read ({error}); it must be a {kind} writes it, without objects"
        ) from error


def _labels(file: Path) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    found = _read(file)
    if file.suffix == ".npz":
        if not np.isin(found.data, (0, 1)).all():
            raise DataError(f"{file} must hold 0 and 1: row k, column j = item k has label j")
        return found.astype(bool), ()
    values = np.asarray(found)
    whole = values.dtype.kind in "biu" or (
        values.dtype.kind == "f" and bool((values == np.round(values)).all())
    )
    if not whole or values.ndim not in (1, 2):
        raise DataError(
            f"{file} must hold class numbers (n,) or a matrix (n, c) of 0 and 1, got "
            f"{values.dtype} {values.shape}"
        )
    if values.ndim == 2:
        if not np.isin(values, (-1, 0, 1)).all():
            raise DataError(f"{file} must hold 0 and 1; class numbers go into an (n,) array")
        known = (values >= 0).all(axis=1) if values.dtype.kind in "if" else np.True_
        return sparse.csr_matrix((values > 0) & np.reshape(known, (-1, 1))), ()
    if (values < -1).any():
        row = int(np.flatnonzero(values < -1)[0])
        raise DataError(f"{file} has class {values[row]} in row {row}; use -1 for unlabelled")
    rows = np.flatnonzero(values >= 0)
    classes, columns = np.unique(values[rows].astype(np.int64), return_inverse=True)
    ones = np.ones(len(rows), dtype=bool)
    matrix = sparse.csr_matrix((ones, (rows, columns)), shape=(len(values), max(1, len(classes))))
    return matrix, tuple(map(str, classes))


def _mask(file: Path) -> np.ndarray:
    mask = np.asarray(_read(file))
    if mask.ndim != 1 or not np.isin(mask, (0, 1)).all():
        raise DataError(
            f"{file} must hold one true or false per item, got {mask.dtype} {mask.shape}"
        )
    return mask.astype(bool)


def _ids(file: Path) -> np.ndarray:
    try:
        ids = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error}); save it as UTF-8") from error
    return np.array(ids, dtype=np.str_)
