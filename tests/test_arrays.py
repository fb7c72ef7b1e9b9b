"""Features, ids and labels as people bring them: one reader, the right value or one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from crossbit.arrays import as_features, check_labels
from crossbit.corpus import Corpus
from crossbit.errors import DataError

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


class Frame:
    """What a frame or a series of pandas shows of itself."""

    def __init__(self, values: Any, index: Any, columns: Any = None) -> None:
        self.values, self.index = np.asarray(values), Index(index)
        if columns is not None:
            self.columns = columns

    def to_numpy(self) -> np.ndarray:
        return self.values


class Index:
    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def to_numpy(self) -> np.ndarray:
        return self.values


@pytest.mark.parametrize(
    "value",
    [
        X.tolist(),
        X.astype(">f8"),
        np.asfortranarray(X),
        torch.from_numpy(X).requires_grad_(),
        torch.from_numpy(X).double(),
        Frame(X, range(4)),
    ],
    ids=["list", "big-endian", "fortran", "gradient", "double", "frame"],
)
def test_dense_numbers_of_any_kind_are_taken(value: Any) -> None:
    features = as_features(value, "image")
    assert isinstance(features, np.ndarray)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, X)


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "lil_matrix"])
def test_sparse_numbers_of_any_format_are_taken(kind: str) -> None:
    features = as_features(getattr(sparse, kind)(X), "text")
    assert isinstance(features, sparse.csr_matrix)
    np.testing.assert_array_equal(features.toarray(), X)


def test_half_precision_of_torch_is_taken() -> None:
    half = torch.from_numpy(X).bfloat16()
    np.testing.assert_array_equal(as_features(half, "image"), half.float().numpy())


@pytest.mark.parametrize(
    "value",
    [[[1.0, 2.0], [3.0]], X.astype(complex), [["a"]], X[0], X[:, :0], sparse.csr_matrix((3, 0))],
    ids=["ragged", "complex", "text", "one row", "no columns", "no sparse columns"],
)
def test_what_holds_no_features_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="image"):
        as_features(value, "image")


TABLE = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (TABLE, ()),
        (TABLE.astype(float), ()),
        (TABLE.astype(int).tolist(), ()),
        (sparse.coo_array(TABLE), ()),
        (np.array([0, 1, np.nan, 2]), ()),
        (["a", "b", None, "c"], ("a", "b", "c")),
        (np.array(["a", "b", "", "c"]), ("a", "b", "c")),
        ([["a"], ["b"], [], ["c"]], ("a", "b", "c")),
        (Frame(TABLE, range(4), columns=["x", "y", "z"]), ("x", "y", "z")),
        (torch.from_numpy(TABLE), ()),
    ],
)
def test_labels_are_read_in_every_form(labels: Any, names: tuple[str, ...]) -> None:
    matrix, labelled, found = check_labels(labels, None, 4)
    assert matrix is not None
    np.testing.assert_array_equal(matrix.toarray(), TABLE)
    assert labelled.tolist() == [True, True, False, True]
    assert found == names


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, -1, 2], "row 2 holds -1"),
        ([0.5, 1, 2, 3], "row 0 holds 0.5"),
        (2 * TABLE, "row 0 holds 2"),
        (sparse.csr_matrix(2.0 * TABLE), "row 0 holds 2"),
        ([[0, 1], [2], [], [1]], r"row 0 holds \[0, 1\]"),
        (TABLE[:3], "labels have 3 rows, the views have 4"),
        (np.zeros((4, 2, 2)), "n lists of names"),
    ],
)
def test_other_labels_are_refused_with_the_row(labels: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_labels(labels, None, 4)


def test_years_as_class_numbers_make_no_wide_matrix() -> None:
    matrix, _, names = check_labels([20_240, 20_250, 20_240, 20_260], None, 4)
    assert matrix is not None
    assert matrix.shape == (4, 3)
    assert names == ("20240", "20250", "20260")


@pytest.mark.parametrize("labelled", [[0, 1, 2, 3], [True, False], ["yes"] * 4])
def test_the_mask_of_labelled_rows_is_a_mask(labelled: Any) -> None:
    with pytest.raises(DataError, match="one true or false per item"):
        check_labels(TABLE, labelled, 4)


def test_the_index_of_a_frame_gives_ids_and_must_agree() -> None:
    order, other = ["b", "a", "d", "c"], ["a", "b", "c", "d"]
    corpus = Corpus({"image": Frame(X, order), "text": X}, labels=Frame([0, 1, 2, 0], order))
    assert corpus.ids.tolist() == order
    with pytest.raises(DataError, match="different indexes"):
        Corpus({"image": Frame(X, order)}, labels=Frame([0, 1, 2, 0], other))
    with pytest.raises(DataError, match="different indexes"):
        Corpus({"image": Frame(X, order), "text": Frame(X, other)})
    with pytest.raises(DataError, match="2 label_names for 3 labels"):
        Corpus({"image": X}, labels=TABLE, label_names=["a", "b"])
