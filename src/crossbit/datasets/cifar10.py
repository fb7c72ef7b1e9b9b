"""CIFAR-10: photographs of 32 x 32 pixels in ten classes, from the published files or a subset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crossbit.corpus import Corpus
from crossbit.datasets.archive import read_arrays
from crossbit.datasets.dataset_paths import locate
from crossbit.datasets.pictures import Pictures
from crossbit.errors import DataError
from crossbit.features.pixels import Pixels

__all__ = ["load"]

SIZE, COLOURS, CLASSES = 32, 3, 10
RECORD = 1 + SIZE * SIZE * COLOURS  # bytes: the label, then all red, all green, all blue values
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST, NAMES = "test_batch.bin", "batches.meta.txt"
SUBSET = "cifar10_train_jpg32.npz"
ARRAYS = ("jpeg_offsets", "jpeg_bytes", "label", "class_names")
PUBLISHED = (
    "https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, Learning Multiple Layers of Features "
    "from Tiny Images, 2009), the binary version"
)


def load(root: str | Path | None = None) -> Corpus:
    """Return the photographs, view image: (n, 3,072) in 0..1, one label each.

    Read from the published binary version (``cifar-10-batches-bin``: the 50,000 of the five
    batches, then the 10,000 of test_batch.bin where it is present), else from a file of JPEGs,
    `SUBSET`. Ids are row numbers. 12 kB a photograph.

    Raises
    ------
    DataError
        If files are missing, damaged or of another layout.
    """
    try:
        folder = locate("cifar10", "cifar-10-batches-bin", (*TRAIN, NAMES), PUBLISHED, root)
    except DataError as missing:
        try:
            folder = locate("cifar10", "cifar10_subset", (SUBSET,), PUBLISHED, root)
        except DataError:
            raise missing from None
        found = _subset(folder / SUBSET)
    else:
        found = _batches(folder)
    pictures, classes, names = found
    pixels = Pixels(SIZE)
    return Corpus(
        views={"image": pixels(pictures)},
        labels=np.eye(CLASSES, dtype=bool)[classes],
        name="cifar10",
        label_names=names,
        encoders={"image": pixels},
        raw={"image": pictures},
    )


def _batches(folder: Path) -> tuple[Any, np.ndarray, list[str]]:
    """Return pictures (n, 32, 32, 3) uint8, classes (n,) and their names."""
    try:
        names = (folder / NAMES).read_text(encoding="utf-8").split()
    except UnicodeDecodeError as error:
        raise DataError(f"{folder / NAMES} is damaged ({error}); get it again") from error
    if len(names) != CLASSES:
        raise DataError(f"{folder / NAMES} names {len(names)} classes, not {CLASSES}")
    parts = []
    for name in (*TRAIN, *((TEST,) if (folder / TEST).is_file() else ())):
        data = np.fromfile(folder / name, dtype=np.uint8)
        if not len(data) or len(data) % RECORD:
            raise DataError(
                f"{folder / name} has {len(data):,} bytes, no multiple of {RECORD:,}; get the "
                f"binary version from {PUBLISHED}"
            )
        parts.append(data.reshape(-1, RECORD))
    records = np.concatenate(parts)
    _check(records[:, 0], folder)
    planes = records[:, 1:].reshape(-1, COLOURS, SIZE, SIZE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0], names


def _subset(path: Path) -> tuple[Any, np.ndarray, list[str]]:
    found = read_arrays(path, ARRAYS)
    offsets, data, classes = found["jpeg_offsets"], found["jpeg_bytes"], found["label"]
    if len(offsets) != len(classes) + 1 or len(found["class_names"]) != CLASSES:
        raise DataError(f"{path} has {len(classes):,} labels for {len(offsets) - 1:,} pictures")
    _check(classes, path)
    pictures = Pictures(len(classes), lambda k: data[offsets[k] : offsets[k + 1]].tobytes())
    return pictures, classes, [str(name) for name in found["class_names"]]


def _check(classes: np.ndarray, path: Path) -> None:
    if not np.isin(classes, np.arange(CLASSES)).all():
        raise DataError(f"{path} should hold classes 0..{CLASSES - 1}; get it from {PUBLISHED}")
