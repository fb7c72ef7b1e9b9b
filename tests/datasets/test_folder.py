"""Your own folder of arrays: views, labels of every form, ids, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from crossbit import datasets
from crossbit.errors import DataError

N = 6


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "image.npy", np.arange(N * 4, dtype=np.float32).reshape(N, 4))
    text = sparse.csr_matrix(np.arange(N * 3).reshape(N, 3) % 4)
    sparse.save_npz(tmp_path / "text.npz", text)
    return tmp_path


def test_every_array_is_a_view_and_float32_stays_on_disk(folder):
    np.save(folder / "audio.npy", np.ones((N, 2), dtype=np.float64))
    (folder / "notes.txt").write_text("no view")
    corpus = datasets.load(folder)
    assert corpus.dims == {"image": 4, "text": 3, "audio": 2}
    assert corpus.name == folder.name
    assert isinstance(corpus.views["image"], np.memmap)
    assert sparse.issparse(corpus.views["text"])
    assert not corpus.labelled.any()
    np.testing.assert_array_equal(corpus.ids, np.arange(N))


def test_class_numbers_become_labels_and_minus_one_none(folder):
    np.save(folder / "labels.npy", np.array([30, -1, 10, 30, -1, 20]))
    corpus = datasets.load(folder)
    assert corpus.label_names == ("10", "20", "30")
    np.testing.assert_array_equal(corpus.labelled, [1, 0, 1, 1, 0, 1])
    expected = [[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_array_equal(corpus.require_labels().toarray(), expected)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_a_matrix_of_labels_in_any_type(folder, dtype):
    matrix = np.array([[1, 1], [0, 0], [0, 1], [1, 0], [1, 1], [0, 1]])
    np.save(folder / "labels.npy", matrix.astype(dtype))
    corpus = datasets.load(folder)
    np.testing.assert_array_equal(corpus.require_labels().toarray(), matrix)
    np.testing.assert_array_equal(corpus.labelled, [1, 0, 1, 1, 1, 1])


def test_a_row_with_minus_one_is_unlabelled(folder):
    np.save(folder / "labels.npy", np.array([[1, -1], [0, 1], [-1, -1], [1, 0], [0, 0], [1, 1]]))
    corpus = datasets.load(folder)
    np.testing.assert_array_equal(corpus.labelled, [0, 1, 0, 1, 0, 1])
    assert corpus.require_labels()[0].nnz == 0


def test_sparse_labels_mask_and_ids(folder):
    matrix = np.array([[1, 1], [0, 0], [0, 1], [1, 0], [1, 1], [0, 1]])
    sparse.save_npz(folder / "labels.npz", sparse.csr_matrix(matrix))
    np.save(folder / "labelled.npy", np.array([True, False, True, False, False, False]))
    (folder / "ids.txt").write_text("\n".join("abcdéf") + "\n", encoding="utf-8")
    corpus = datasets.load(folder)
    np.testing.assert_array_equal(corpus.labelled, [1, 0, 1, 0, 0, 0])
    assert corpus.require_labels().sum() == 3
    assert corpus.ids.tolist() == list("abcdéf")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("labels", np.array([0, 1, 2]), "labels have 3 rows"),
        ("labels", np.array([0, 1, 2, -2, 0, 0]), "class -2 in row 3"),
        ("labels", np.array([0.5] * N), "class numbers"),
        ("labels", np.full((N, 2), 7), "must hold 0 and 1"),
        ("labels", np.zeros((N, 2, 2), int), "class numbers"),
        ("labelled", np.array([1, 2, 0, 0, 0, 0]), "one true or false"),
        ("labelled", np.ones(N, bool), "marked as labelled but there are no labels"),
        ("audio", np.ones((N + 1, 2)), "image has 6, text has 6, audio has 7"),
        ("audio", np.full((N, 2), np.nan), "NaN"),
        ("audio", np.array(["a"] * N), "audio features must be"),
        ("audio", np.array([{}] * N, dtype=object), "without objects"),
        ("text", np.ones((N, 2)), "both text.npy and text.npz"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_the_folder(folder, name, value, message):
    np.save(folder / f"{name}.npy", value, allow_pickle=True)
    with pytest.raises(DataError, match=message) as caught:
        datasets.load(folder)
    assert str(folder) in str(caught.value)


def test_a_row_of_nothing_but_nan_lacks_the_view(folder):
    image = np.load(folder / "image.npy")
    image[[1, 4]] = np.nan
    np.save(folder / "image.npy", image)
    np.save(folder / "audio.npy", np.ones((N, 2), dtype=np.float32))
    corpus = datasets.load(folder)
    np.testing.assert_array_equal(corpus.has("image"), [1, 0, 1, 1, 0, 1])
    assert list(corpus.present) == ["image"]
    np.testing.assert_array_equal(corpus.with_views("image")["image"], image[[0, 2, 3, 5]])
    assert isinstance(corpus.views["audio"], np.memmap)
    image[2, 1] = np.nan
    np.save(folder / "image.npy", image)
    with pytest.raises(DataError, match=r"image features hold NaN .*first in row 2"):
        datasets.load(folder)


def test_wrong_ids_are_refused(folder):
    (folder / "ids.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="6 items need 6 ids, got 2"):
        datasets.load(folder)
    (folder / "ids.txt").write_text("a\nb\nc\nd\ne\nb\n")
    with pytest.raises(DataError, match="id b is used twice, in rows 1 and 5"):
        datasets.load(folder)
    (folder / "ids.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        datasets.load(folder)


def test_damaged_and_missing_arrays_are_refused(folder):
    (folder / "text.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"text\.npz cannot be read"):
        datasets.load(folder)
    (folder / "text.npz").unlink()
    (folder / "image.npy").write_bytes((folder / "image.npy").read_bytes()[:100])
    with pytest.raises(DataError, match=r"image\.npy cannot be read"):
        datasets.load(folder)
    (folder / "image.npy").unlink()
    with pytest.raises(DataError, match=r"put image\.npy and text\.npy"):
        datasets.load(folder)
