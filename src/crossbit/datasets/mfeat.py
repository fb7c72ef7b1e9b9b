"""UCI Multiple Features: 2,000 handwritten digits in three views."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossbit.corpus import Corpus
from crossbit.datasets.dataset_paths import locate
from crossbit.errors import DataError

__all__ = ["load"]

FILE = "uci_mfeat_FSH_1500_500.mat"
VIEWS = {"fourier": "I", "karhunen": "T", "pixels": "P"}  # view: its matrices in the file
WIDTHS = {"I": 76, "T": 64, "P": 240, "L": 1}
PARTS = {"tr": 1500, "te": 500}
DIGITS = 10
PUBLISHED = (
    "https://archive.ics.uci.edu/dataset/72/multiple+features (Duin, Multiple Features, UCI "
    "Machine Learning Repository 1998, CC BY 4.0), as the MATLAB file with a 1,500/500 split"
)


def load(root: str | Path | None = None) -> Corpus:
    """Return the 1,500 training digits of the file, then its 500 test digits.

    Views: fourier (76 coefficients of the outline), karhunen (64 Karhunen-Loeve coefficients),
    pixels (240 averages over 2 x 3 pixels, 0 to 6). One label each, the classes 1 to 10 as the
    file numbers them; ids are row numbers.

    Raises
    ------
    DataError
        If the file is missing, damaged or of other shapes.
    """
    path = locate("mfeat", "mfeat", (FILE,), PUBLISHED, root) / FILE
    found = _matrices(path)
    classes = found["L"].ravel()
    if not np.isin(classes, np.arange(1, DIGITS + 1)).all():
        raise DataError(f"{path} should hold classes 1..{DIGITS}; get the original {PUBLISHED}")
    labels = np.zeros((len(classes), DIGITS), dtype=bool)
    labels[np.arange(len(classes)), classes.astype(np.int64) - 1] = True
    return Corpus(
        views={view: found[key] for view, key in VIEWS.items()},
        labels=labels,
        name="mfeat",
        label_names=tuple(str(number) for number in range(1, DIGITS + 1)),
    )


def _matrices(path: Path) -> dict[str, np.ndarray]:
    """Return the matrices of both parts, one below the other, by their letter."""
    from scipy.io import loadmat

    shapes = {f"{key}_{part}": (n, d) for key, d in WIDTHS.items() for part, n in PARTS.items()}
    try:
        found = loadmat(path, variable_names=list(shapes))
    except Exception as error:  # scipy's reader raises many kinds for a damaged file
        raise DataError(
            f"{path} cannot be read as a MATLAB file ({type(error).__name__}: {error}); get the "
            f"original from {PUBLISHED}"
        ) from error
    for name, shape in shapes.items():
        has = found[name].shape if name in found else "nothing"
        if has != shape:
            raise DataError(
                f"{path} should hold {name} of shape {shape}, it has {has}; get the original from "
                f"{PUBLISHED}"
            )
    return {key: np.concatenate([found[f"{key}_{part}"] for part in PARTS]) for key in WIDTHS}
