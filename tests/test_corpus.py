"""A subset shows its own rows alone: features, labels, ids, raw items and what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.errors import DataError
from crossbit.splits import make_split

N, CLASSES = 12, 3
RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(N, 4)).astype(np.float32)
TEXT = sparse.csr_matrix(RNG.poisson(0.5, size=(N, 5)).astype(np.float32))
LABELS = RNG.random((N, CLASSES)) < 0.5
LABELLED = np.arange(N) % 4 != 0
IDS = np.array([f"item {k}" for k in range(N)])
PRESENT = np.arange(N) % 5 != 0
TEXTS = [f"words {k}" for k in range(N)]


class Files:
    """Raw items behind files, as data sets give them."""

    def __len__(self) -> int:
        return N

    def source(self, position: int) -> str:
        return f"{position}.png"

    def __getitem__(self, position: int) -> Any:
        raise AssertionError("a picture was decoded")


def corpus() -> Corpus:
    return Corpus(
        {"image": IMAGE, "text": TEXT},
        ids=IDS,
        labels=LABELS,
        labelled=LABELLED,
        name="things",
        raw={"image": Files(), "text": TEXTS},  # type: ignore[dict-item]
        present={"text": PRESENT},
    )


def check(part: Corpus, rows: np.ndarray, seen: np.ndarray) -> None:
    """Compare everything that a subset shows with plain indexing."""
    np.testing.assert_array_equal(part["image"], IMAGE[rows])
    np.testing.assert_array_equal(part.views["text"].toarray(), TEXT[rows].toarray())
    np.testing.assert_array_equal(part.ids, IDS[rows])
    np.testing.assert_array_equal(part.labelled, seen)
    labels = part.labels
    assert labels is not None
    np.testing.assert_array_equal(labels.toarray(), LABELS[rows] & seen[:, None])
    np.testing.assert_array_equal(part.present["text"], PRESENT[rows])
    np.testing.assert_array_equal(part.has("text"), PRESENT[rows])
    assert list(part.raw["text"]) == [TEXTS[row] for row in rows]
    assert [part.raw["image"].source(k) for k in range(len(rows))] == [f"{r}.png" for r in rows]  # type: ignore[attr-defined]
    assert len(part) == len(rows)


@given(rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=N), data=st.data())
def test_a_subset_of_a_subset_shows_its_own_rows(rows: list[int], data: st.DataObject) -> None:
    first = corpus().take(rows)
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=N))
    check(first[places], np.array(rows)[places], LABELLED[np.array(rows)[places]])


@given(rows=st.sets(st.integers(0, N - 1), min_size=1), data=st.data())
def test_hidden_labels_are_not_shown_wherever_one_looks(
    rows: set[int], data: st.DataObject
) -> None:
    chosen = np.array(sorted(rows))
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen))))
    check(corpus().take(chosen).hide_labels(keep), chosen, LABELLED[chosen] & keep)


@given(a=st.sets(st.integers(0, N - 1), min_size=1), b=st.sets(st.integers(0, N - 1), min_size=1))
def test_a_union_has_the_rows_of_both_once(a: set[int], b: set[int]) -> None:
    whole = corpus()
    joined = whole.take(sorted(a)).union(whole.take(sorted(b)))
    rows = np.array(sorted(a | b))
    check(joined, rows, LABELLED[rows])


@pytest.mark.parametrize("key", [slice(None, 10), slice(3, 9, 2), np.arange(N) % 2 == 0, [5, 1]])
def test_items_are_sliced_like_an_array(key: Any) -> None:
    rows = np.arange(N)[key]
    check(corpus()[key], rows, LABELLED[rows])


def test_one_item_is_asked_for_as_a_list() -> None:
    with pytest.raises(DataError, match=r"take corpus\[\[3\]\]"):
        corpus()[3]  # type: ignore[call-overload]


def test_the_training_part_of_a_split_holds_nothing_of_the_queries() -> None:
    views = {"image": RNG.normal(size=(60, 4)), "text": RNG.normal(size=(60, 3))}
    labels = np.eye(60, dtype=bool)  # a label of its own tells whose it is
    parts = make_split(Corpus(views, labels=labels), "random", 0, queries=20, labelled=20)
    shown = parts.train.require_labels()
    assert shown.shape[0] == len(parts.train) == len(parts.train.labelled)
    assert not np.isin(shown.indices, parts.query_rows).any()
    assert set(shown.indices) == set(parts.labelled_rows)
    assert not np.isin(parts.train.ids, parts.query_rows).any()
    assert parts.train.views["image"].shape[0] == len(parts.train)


def test_a_subset_shares_its_features() -> None:
    whole = corpus()
    assert np.shares_memory(whole[2:9]["image"], whole["image"])
    assert list(whole[:3].views) == ["image", "text"]
    assert "audio" not in whole.views
    with pytest.raises(KeyError):
        whole.views["audio"]


def test_a_corpus_says_in_one_line_what_it_holds() -> None:
    text = repr(corpus()[:8])
    assert text == "Corpus('things', 8 items, {image: 4, text: 5}, 3 labels on 6)"
    assert "no labels" in repr(Corpus({"image": IMAGE}))
    page = Corpus({"image": IMAGE}, name="<b>&")._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<td>image</td><td>4</td><td>12</td>" in page
