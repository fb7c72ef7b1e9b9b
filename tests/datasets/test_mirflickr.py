"""mirflickr: alignment of features, tags, labels and pictures."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import sparse

from crossbit import datasets
from crossbit.errors import ConfigError, DataError

N, WORDS = 12, ["sky", "360°", "sea", "new-york", "dog"]
DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")


@pytest.fixture
def folder(tmp_path) -> Path:
    random = np.random.default_rng(0)
    tags = sparse.csr_matrix(random.integers(0, 2, size=(N, len(WORDS))))
    np.savez(
        tmp_path / "mirflickr_pairs.npz",
        image_id=np.arange(100, 100 + N, dtype=np.int32),
        gist512=random.random((N, 512)).astype(np.float16),
        rgbhist64=random.random((N, 64)).astype(np.float16),
        labels24=np.eye(24, dtype=np.uint8)[np.arange(N)],
        label_names=np.array([f"label{j}" for j in range(24)]),
        tags_indices=tags.indices.astype(np.int16),
        tags_indptr=tags.indptr,
        tags_shape=np.array(tags.shape),
    )
    (tmp_path / "tag_vocabulary_1386.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path


def add_pictures(folder: Path, ids: np.ndarray) -> None:
    files = []
    for k in range(N):
        stream = io.BytesIO()
        Image.new("RGB", (64, 64), (20 * k, 0, 0)).save(stream, "JPEG")
        files.append(np.frombuffer(stream.getvalue(), np.uint8))
    offsets = np.concatenate([[0], np.cumsum([len(f) for f in files])])
    np.savez(
        folder / "mirflickr_images_jpg64.npz",
        image_id=ids,
        jpeg_bytes=np.concatenate(files),
        jpeg_offsets=offsets,
    )


def test_rows_stay_aligned(folder):
    corpus = datasets.load("mirflickr", root=folder)
    assert corpus.dims == {"image": 576, "text": len(WORDS)}
    np.testing.assert_array_equal(corpus.ids, np.arange(100, 100 + N))
    np.testing.assert_array_equal(corpus.require_labels().indices, np.arange(N))
    pairs = np.load(folder / "mirflickr_pairs.npz")
    np.testing.assert_array_equal(corpus["image"][:, :512], pairs["gist512"])
    np.testing.assert_array_equal(corpus["image"][:, 512:], pairs["rgbhist64"])
    encoded = corpus.encoders["text"](corpus.raw["text"])
    np.testing.assert_array_equal(encoded.toarray(), corpus["text"].toarray())


def test_pictures_are_decoded_when_asked_for(folder):
    add_pictures(folder, np.arange(100, 100 + N))
    corpus = datasets.load("mirflickr", root=folder)
    picture = corpus.raw_item("image", 7)
    assert picture.shape == (64, 64, 3)
    assert abs(int(picture[5, 5, 0]) - 140) < 6
    assert len(corpus.raw["image"][2:5]) == 3
    with pytest.raises(IndexError):
        corpus.raw["image"][N]


def test_pictures_of_another_set_are_refused(folder):
    add_pictures(folder, np.arange(N))
    with pytest.raises(DataError, match="other pictures"):
        datasets.load("mirflickr", root=folder)


def test_the_pictures_may_be_the_view(folder):
    add_pictures(folder, np.arange(100, 100 + N))
    corpus = datasets.load("mirflickr", root=folder, image="pixels")
    assert corpus.dims == {"image": 64 * 64 * 3, "text": len(WORDS)}
    assert corpus.name == "mirflickr"  # so the recipe of its splits is the same
    for k in range(N):
        red = corpus["image"][k].reshape(64, 64, 3)[5, 5, 0]
        assert abs(float(red) - 20 * k / 255) < 0.025
        again = corpus.encoders["image"]([corpus.raw_item("image", k)])
        np.testing.assert_array_equal(again[0], corpus["image"][k])
    with pytest.raises(ConfigError, match="image of mirflickr is 'pixel'; did you mean 'pixels'"):
        datasets.load("mirflickr", root=folder, image="pixel")


def test_pixels_need_the_file_of_pictures(folder):
    with pytest.raises(DataError, match=r"looked for mirflickr_images_jpg64\.npz"):
        datasets.load("mirflickr", root=folder, image="pixels")


def test_broken_files_are_refused(folder):
    (folder / "tag_vocabulary_1386.txt").write_text("one\n")
    with pytest.raises(DataError, match="has 1 tags for 5 columns"):
        datasets.load("mirflickr", root=folder)
    path = folder / "mirflickr_pairs.npz"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match="cannot be read"):
        datasets.load("mirflickr", root=folder)
    np.savez(path, image_id=np.arange(3))
    with pytest.raises(DataError, match="lacks the arrays gist512"):
        datasets.load("mirflickr", root=folder)
    path.unlink()
    with pytest.raises(DataError, match=r"looked for mirflickr_pairs\.npz.*press\.liacs\.nl"):
        datasets.load("mirflickr", root=folder)


@pytest.mark.skipif(
    not (DATA / "mirflickr25k").is_dir(), reason="CROSSBIT_DATA with mirflickr25k/ is not set"
)
def test_the_real_tags_are_what_the_texts_encode_to():
    corpus = datasets.load("mirflickr")
    assert len(corpus) == 9265
    assert (corpus.encoders["text"](corpus.raw["text"]) != corpus["text"]).nnz == 0
