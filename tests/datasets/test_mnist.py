"""mnist: idx files, and what broken ones say."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from digit_files import write_idx

from crossbit import datasets
from crossbit.errors import DataError

DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")


def digits(first: int, n: int) -> np.ndarray:
    """Return white dots on black, each picture's in a place of its own."""
    images = np.zeros((n, 28, 28), dtype=np.uint8)
    rows = np.arange(n)
    images[rows, 5 + (first + rows) // 10, 5 + (first + rows) % 10] = 255
    return images


@pytest.fixture
def folder(tmp_path) -> Path:
    path = Path(tmp_path / "mnist_t10k")
    path.mkdir()
    write_idx(path / "t10k-images-idx3-ubyte.gz", digits(20, 12))
    write_idx(path / "t10k-labels-idx1-ubyte.gz", np.arange(12) % 10)
    return path


def test_training_digits_come_first_where_they_are(folder):
    assert len(datasets.load("mnist", root=folder.parent)) == 12
    write_idx(folder / "train-images-idx3-ubyte.gz", digits(0, 20))
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.arange(20) % 10)
    corpus = datasets.load("mnist", root=folder)
    images = corpus["image"].reshape(-1, 28, 28)
    np.testing.assert_array_equal(images, digits(0, 32) / 255)
    np.testing.assert_array_equal(
        corpus.require_labels().indices, [*np.arange(20) % 10, *np.arange(12) % 10]
    )
    assert corpus.label_names[9] == "9"


def test_black_on_white_is_the_same_digit(folder):
    corpus = datasets.load("mnist", root=folder)
    black_on_white = 255 - corpus.raw_item("image", 3)
    np.testing.assert_array_equal(corpus.encoders["image"]([black_on_white])[0], corpus["image"][3])


def test_missing_and_damaged_files_are_named_with_place_and_source(folder, tmp_path):
    with pytest.raises(DataError, match=r"looked for t10k-images-idx3.*lecun"):
        datasets.load("mnist", root=tmp_path / "none")
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    write_idx(labels, np.arange(11) % 10)
    with pytest.raises(DataError, match="has 11 labels, up to 9, for 12 digits"):
        datasets.load("mnist", root=folder)
    write_idx(labels, np.zeros((12, 2)))
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.gz is no idx file of items"):
        datasets.load("mnist", root=folder)
    labels.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 12]) + bytes(11)))
    with pytest.raises(DataError, match="is cut off or empty"):
        datasets.load("mnist", root=folder)
    labels.write_bytes(labels.read_bytes()[:-6])
    with pytest.raises(DataError, match=r"cannot be read \(.*get it from http"):
        datasets.load("mnist", root=folder)


@pytest.mark.skipif(
    not (DATA / "mnist_t10k").is_dir(), reason="CROSSBIT_DATA with mnist_t10k/ is not set"
)
def test_the_real_digits_have_their_labels():
    """The nearest mean picture names most digits: a shift of the labels would show."""
    corpus = datasets.load("mnist")
    assert len(corpus) == 10000
    classes = corpus.require_labels().indices
    means = np.stack([corpus["image"][classes == k].mean(axis=0) for k in range(10)])
    nearest = (np.square(means).sum(axis=1) - 2 * corpus["image"] @ means.T).argmin(axis=1)
    assert (nearest == classes).mean() > 0.8
