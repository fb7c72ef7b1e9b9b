"""Split: leak checks, the manifest on disk, and the hash."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from crossbit import Corpus, make_split
from crossbit.errors import DataError, LeakError
from crossbit.splits import Split
from crossbit.splits.duplicates import row_hashes
from crossbit.splits.split import _parse, _ranges

N = 40


@pytest.fixture
def corpus() -> Corpus:
    random = np.random.default_rng(0)
    image = random.normal(size=(N, 3)).astype(np.float32)
    image[30] = image[2]  # row 30 is a copy of row 2 in both views, row 31 of row 3 in one
    image[31] = image[3]
    text = sparse.csr_matrix(random.integers(0, 3, size=(N, 8)).astype(np.float32))
    text = text.tolil()
    text[30] = text[2]
    return Corpus(
        {"image": image, "text": text.tocsr()},
        ids=np.array([f"item-{k}" for k in range(N)]),
        labels=np.eye(4)[np.arange(N) % 4],
        name="little",
    )


def split_of(corpus: Corpus, **changes) -> Split:
    parts = {
        "train_rows": np.arange(10, 25),
        "labelled_rows": np.arange(10, 15),
        "validation_rows": np.arange(25, 30),
        "query_rows": np.arange(10),
        "database_rows": np.arange(10, N),
    }
    return Split(corpus=corpus, recipe="random", seed=0, options={}, **{**parts, **changes})


def test_train_shows_the_labels_of_labelled_rows_only(corpus):
    split = split_of(corpus)
    np.testing.assert_array_equal(split.train.labelled, np.arange(15) < 5)
    assert split.train.union(split.validation).labelled.sum() == 10
    assert split.query.labelled.all()
    assert split.database.labelled.all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_rows": np.arange(9, 25)}, r"row 9 \(id item-9\) is a query and also in train"),
        ({"validation_rows": np.array([4, 25])}, r"row 4 \(id item-4\) is a query"),
        ({"train_rows": np.arange(10, 27)}, r"row 25 .* both in train and in validation"),
        ({"train_rows": np.r_[10:25, 30]}, r"row 30 \(id item-30\) is in train and equals a query"),
        ({"validation_rows": np.r_[25, 30]}, r"row 30 .* is in validation and equals a query"),
        ({"database_rows": np.arange(5, N)}, r"row 5 \(id item-5\) \(and 4 more\).* find itself"),
    ],
)
def test_leaks_are_refused_and_named(corpus, changes, message):
    with pytest.raises(LeakError, match=message):
        split_of(corpus, **changes)


def test_a_row_that_equals_a_query_in_one_view_is_no_leak(corpus):
    assert 31 in split_of(corpus, train_rows=np.r_[10:25, 31]).train_rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labelled_rows": np.array([39])}, "row 39 .* is labelled but not in train"),
        ({"train_rows": np.array([10, N]), "labelled_rows": np.array([10])}, "row 40"),
        ({"query_rows": np.array([-1])}, "row -1"),
        ({"train_rows": np.array([10, 11, 11])}, "row 11 twice"),
        ({"train_rows": np.array([1.5])}, "row numbers"),
        ({"train_rows": np.array([], dtype=int), "labelled_rows": []}, "at least one training"),
    ],
)
def test_contradictions_are_refused(corpus, changes, message):
    with pytest.raises(DataError, match=message):
        split_of(corpus, **changes)


def test_transductive_allows_queries_in_the_unlabelled_pool_only(corpus):
    split = split_of(corpus, train_rows=np.r_[0:25, 30], transductive=True)
    assert split.summary()["transductive"] is True
    assert split.hash != split_of(corpus).hash
    for labelled in ([0], [30]):
        with pytest.raises(LeakError):
            split_of(
                corpus,
                train_rows=np.r_[0:25, 30],
                labelled_rows=np.array(labelled),
                transductive=True,
            )


def test_save_and_load_give_the_same_split(corpus, tmp_path):
    split = make_split(corpus, seed=5, labelled=0.5)
    split.save(tmp_path / "split.json")
    loaded = Split.load(tmp_path / "split.json", corpus)
    assert loaded.summary() == split.summary()
    for part in ("train", "labelled", "validation", "query", "database"):
        np.testing.assert_array_equal(
            getattr(loaded, f"{part}_rows"), getattr(split, f"{part}_rows")
        )


def test_an_edited_manifest_is_refused(corpus, tmp_path):
    path = tmp_path / "split.json"
    split_of(corpus).save(path)
    manifest = json.loads(path.read_text())
    manifest["rows"]["train"] = "10-25"
    manifest["rows"]["validation"] = "26-29"
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="was edited"):
        Split.load(path, corpus)
    manifest["rows"]["train"] = "9-24"
    path.write_text(json.dumps(manifest))
    with pytest.raises(LeakError, match="row 9"):
        Split.load(path, corpus)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a readable split"),
        ("[]", "not a readable split"),
        ('{"format": 1}', "not a readable split"),
        ('{"format": 99, "corpus": {}}', "has format 99, this version reads 1; upgrade crossbit"),
    ],
)
def test_a_damaged_manifest_is_one_sentence(corpus, tmp_path, content, message):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=message):
        Split.load(tmp_path / "split.json", corpus)


def test_a_missing_manifest_and_another_corpus_are_named(corpus, tmp_path):
    with pytest.raises(DataError, match="there is no split file"):
        Split.load(tmp_path / "none.json", corpus)
    split_of(corpus).save(tmp_path / "split.json")
    with pytest.raises(DataError, match="was made for little with 40 rows"):
        Split.load(tmp_path / "split.json", corpus.take(np.arange(39)))


@given(st.sets(st.integers(0, 60)))
def test_ranges_say_the_rows_exactly(rows):
    ordered = np.array(sorted(rows), dtype=np.int64)
    np.testing.assert_array_equal(_parse(_ranges(ordered)), ordered)


def test_row_prints_agree_exactly_where_rows_do():
    random = np.random.default_rng(1)
    values = random.integers(0, 2, size=(3000, 12)).astype(np.float32)
    values[values == 0] = np.where(random.random((values == 0).sum()) < 0.5, 0.0, -0.0)
    _, naive = np.unique(values + 0.0, axis=0, return_inverse=True)
    for view in values, sparse.csr_matrix(values):
        _, found = np.unique(row_hashes(Corpus({"x": view})), return_inverse=True)
        assert len(np.unique(found)) == len(np.unique(naive))
        assert len({*zip(found.tolist(), naive.tolist(), strict=True)}) == len(np.unique(naive))


def test_row_prints_do_not_depend_on_how_a_sparse_row_is_stored():
    plain = sparse.csr_matrix(np.array([[0, 2, 0, 1]], dtype=np.float32))
    odd = sparse.csr_matrix(
        (np.array([1, 1, 0, 1], np.float32), np.array([3, 1, 0, 1]), np.array([0, 4])), shape=(1, 4)
    )
    assert row_hashes(Corpus({"x": plain})) == row_hashes(Corpus({"x": odd}))


def test_row_prints_tell_the_views_apart():
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    assert row_hashes(Corpus({"x": a, "y": b})) != row_hashes(Corpus({"x": b, "y": a}))
