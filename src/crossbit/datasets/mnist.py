"""MNIST: handwritten digits of 28 x 28 pixels, from the original idx files."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.corpus import Corpus
from crossbit.datasets.dataset_paths import locate
from crossbit.errors import DataError
from crossbit.features.pixels import Pixels

__all__ = ["load"]

SIZE, CLASSES = 28, 10
IMAGES, LABELS = "{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"
PARTS = ("train", "t10k")
UNSIGNED = b"\0\0\x08"  # the start of an idx file of bytes; the number of axes follows
PUBLISHED = "http://yann.lecun.com/exdb/mnist/ (LeCun, Cortes and Burges)"


def load(root: str | Path | None = None) -> Corpus:
    """Return the digits, view image: (n, 784) in 0..1, ink 1 and paper 0, one label each.

    The 60,000 training digits where their files are present, then the 10,000 test digits. Ids are
    row numbers.

    Raises
    ------
    DataError
        If files are missing, damaged or of another layout.
    """
    test = tuple(form.format("t10k") for form in (IMAGES, LABELS))
    try:
        folder = locate("mnist", "mnist", test, PUBLISHED, root)
    except DataError as missing:
        try:
            folder = locate("mnist", "mnist_t10k", test, PUBLISHED, root)
        except DataError:
            raise missing from None
    there = [part for part in PARTS if (folder / IMAGES.format(part)).is_file()]
    images = np.concatenate([_idx(folder / IMAGES.format(part), (SIZE, SIZE)) for part in there])
    classes = np.concatenate([_idx(folder / LABELS.format(part), ()) for part in there])
    if len(images) != len(classes) or classes.max() >= CLASSES:
        raise DataError(
            f"{folder} has {len(classes):,} labels, up to {classes.max()}, for {len(images):,} "
            f"digits; get all files from {PUBLISHED}"
        )
    # As ink: a digit that somebody writes black on white is then the same as a white one on black.
    pixels = Pixels(SIZE, colour=False, ink=True)
    raw: dict[str, Any] = {"image": images}
    return Corpus(
        views={"image": pixels(images)},
        labels=np.eye(CLASSES, dtype=bool)[classes],
        name="mnist",
        label_names=[str(digit) for digit in range(CLASSES)],
        encoders={"image": pixels},
        raw=raw,
    )


def _idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the bytes of an idx file, (n, *shape) uint8."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); get it from {PUBLISHED}") from error
    axes = len(shape) + 1
    sizes = tuple(int.from_bytes(data[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes))
    if data[:4] != UNSIGNED + bytes([axes]) or sizes[1:] != shape:
        raise DataError(f"{path} is no idx file of items of shape {shape}; get it from {PUBLISHED}")
    if len(data) != 4 + 4 * axes + int(np.prod(sizes)) or not sizes[0]:
        raise DataError(f"{path} is cut off or empty; get it from {PUBLISHED}")
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * axes).reshape(sizes)
