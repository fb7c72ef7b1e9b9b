"""cifar10: both layouts give the same pictures, and what broken files say."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossbit import datasets, make_split
from crossbit.errors import DataError

N = 4  # in a batch
NAMES = [f"class{k}" for k in range(10)]
DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")


def pictures(n: int) -> np.ndarray:
    """Return pictures whose pixel at (row, column) says which it is, in which picture."""
    values = np.zeros((n, 32, 32, 3), dtype=np.uint8)
    values[..., 0] = np.arange(n)[:, None, None]
    values[..., 1] = np.arange(32)[:, None]
    values[..., 2] = np.arange(32)
    return values


@pytest.fixture
def folder(tmp_path) -> Path:
    """The published layout: a byte of label, then the red, green and blue plane of each."""
    path = Path(tmp_path / "cifar-10-batches-bin")
    path.mkdir()
    every = pictures(6 * N)
    for number, name in enumerate(
        [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
    ):
        rows = slice(number * N, (number + 1) * N)
        planes = every[rows].transpose(0, 3, 1, 2).reshape(N, -1)
        labels = (np.arange(6 * N)[rows] % 10).astype(np.uint8)
        np.hstack([labels[:, None], planes]).tofile(path / name)
    (path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return path


def test_the_published_batches_are_read_in_order_and_upright(folder):
    for root in folder, folder.parent:
        corpus = datasets.load("cifar10", root=root)
        assert corpus.dims == {"image": 3072}
        np.testing.assert_allclose(
            corpus["image"].reshape(-1, 32, 32, 3), pictures(6 * N) / 255, atol=1e-6
        )
        np.testing.assert_array_equal(corpus.require_labels().indices, np.arange(6 * N) % 10)
        assert list(corpus.label_names) == NAMES
        again = corpus.encoders["image"]([corpus.raw_item("image", 7)])
        np.testing.assert_array_equal(again[0], corpus["image"][7])
    (folder / "test_batch.bin").unlink()
    assert len(datasets.load("cifar10", root=folder)) == 5 * N


def test_the_subset_is_decoded(tmp_path):
    files = []
    for k in range(12):
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (20 * k, 0, 0)).save(stream, "JPEG")
        files.append(np.frombuffer(stream.getvalue(), np.uint8))
    path = tmp_path / "cifar10_train_jpg32.npz"
    arrays = {
        "jpeg_offsets": np.cumsum([0, *map(len, files)]),
        "jpeg_bytes": np.concatenate(files),
        "label": np.arange(12) % 10,
        "class_names": np.array(NAMES),
    }
    np.savez(path, **arrays)
    corpus = datasets.load("cifar10", root=tmp_path)
    red = corpus["image"].reshape(-1, 32, 32, 3)[:, 16, 16, 0]
    np.testing.assert_allclose(red, 20 * np.arange(12) / 255, atol=0.02)
    assert corpus.raw_item("image", 3).shape == (32, 32, 3)
    np.savez(path, **arrays | {"label": np.full(12, 10)})
    with pytest.raises(DataError, match=r"should hold classes 0\.\.9"):
        datasets.load("cifar10", root=tmp_path)
    np.savez(path, **arrays | {"label": np.arange(5)})
    with pytest.raises(DataError, match="5 labels for 12 pictures"):
        datasets.load("cifar10", root=tmp_path)


def test_missing_and_damaged_files_are_named_with_place_and_source(folder, tmp_path):
    with pytest.raises(DataError, match=r"looked for data_batch_1\.bin.*cs\.toronto\.edu"):
        datasets.load("cifar10", root=tmp_path / "none")
    (folder / "data_batch_3.bin").write_bytes(bytes(3072))
    with pytest.raises(DataError, match=r"data_batch_3\.bin has 3,072 bytes, no multiple of 3,073"):
        datasets.load("cifar10", root=folder)
    (folder / "batches.meta.txt").write_text("cat dog")
    with pytest.raises(DataError, match="names 2 classes, not 10"):
        datasets.load("cifar10", root=folder)


@pytest.mark.skipif(
    not (DATA / "cifar10_subset").is_dir(), reason="CROSSBIT_DATA with cifar10_subset/ is not set"
)
def test_the_real_pictures_have_their_labels():
    """Ships and aeroplanes are blue, deer and frogs are not: a shift of the labels would show."""
    corpus = datasets.load("cifar10")
    assert len(corpus) == 15000
    np.testing.assert_array_equal(corpus.require_labels().sum(axis=0).A1, 1500)
    red, _, blue = corpus["image"].reshape(15000, -1, 3).mean(axis=1).T
    bluer = {
        name: float((blue - red)[corpus.require_labels().indices == k].mean())
        for k, name in enumerate(corpus.label_names)
    }
    assert min(bluer["ship"], bluer["airplane"]) > 0 > max(bluer["deer"], bluer["frog"])
    split = make_split(corpus, queries=200, labelled=0.1)
    assert not np.isin(split.query_rows, split.train_rows).any()
