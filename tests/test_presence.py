"""Items that lack views: how that is said, what is refused, and that a corpus keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from crossbit import arrays
from crossbit.arrays import fill_missing, present_rows
from crossbit.corpus import Corpus
from crossbit.errors import DataError, LeakError
from crossbit.splits import make_split
from crossbit.splits.duplicates import row_hashes

N = 7
LACKING = np.array([False, True, False, False, True, False, False])


def features(width: int = 3, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, width)).astype(dtype)


def holes(width: int = 3, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    found = features(width, seed, dtype)
    found[LACKING] = np.nan
    return found


def labelled_corpus() -> Corpus:
    """Text is missing twice, image once more, by both ways of saying so."""
    image = np.arange(N) != 2
    return Corpus(
        {"image": features(), "text": holes(4, 1), "audio": features(2, 2)},
        labels=np.eye(N, dtype=bool)[:, :4],
        present={"image": image},
    )


# -- rows of NaN and masks ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_nothing_but_nan_become_zeros(dtype, monkeypatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 2)
    found, mask = fill_missing(holes(dtype=dtype))
    np.testing.assert_array_equal(mask, ~LACKING)
    assert found.dtype == np.float32
    assert not found[LACKING].any()
    expected = features(dtype=dtype)[~LACKING].astype(np.float32)
    np.testing.assert_array_equal(found[~LACKING], expected)


@pytest.mark.parametrize(
    "value",
    [features(), np.ones((N, 2), dtype=int), sparse.csr_matrix(features()), np.ones(N)],
    ids=["floats", "integers", "sparse", "not a matrix"],
)
def test_features_without_holes_are_not_copied(value) -> None:
    found, mask = fill_missing(value)
    assert found is value
    assert mask is None


def test_a_nan_among_numbers_is_still_refused() -> None:
    for column in 0, 1:
        broken = holes()
        broken[3, column] = np.nan
        with pytest.raises(DataError, match=r"text features hold NaN .*first in row 3"):
            Corpus({"image": features(), "text": broken})


def test_a_memory_map_stays_on_disk_unless_it_has_holes(tmp_path) -> None:
    np.save(tmp_path / "whole.npy", features())
    np.save(tmp_path / "holes.npy", holes())
    maps = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("whole", "holes")}
    corpus = Corpus(maps)
    assert isinstance(corpus.views["whole"], np.memmap)
    assert not isinstance(corpus.views["holes"], np.memmap)
    np.testing.assert_array_equal(corpus.has("holes"), ~LACKING)


def test_nan_rows_masks_and_lists_say_the_same() -> None:
    image = features(2, 5)
    filled = np.where(LACKING[:, None], np.float32(0), features())
    told = Corpus({"image": image, "text": filled}, present={"text": ~LACKING})
    shown = [
        Corpus({"image": image, "text": holes()}),
        Corpus({"image": image, "text": holes().tolist()}),
        Corpus({"image": image, "text": holes()}, present={"text": np.ones(N, dtype=bool)}),
    ]
    assert list(told.present) == ["text"]
    for corpus in shown:
        assert corpus.fingerprint() == told.fingerprint()
        np.testing.assert_array_equal(corpus.has("text"), told.has("text"))


def test_a_mask_that_is_all_true_is_none() -> None:
    assert not Corpus({"image": features()}, present={"image": np.ones(N, dtype=bool)}).present
    assert present_rows({}, {"image": None}, N) == {}


NOBODY = np.zeros(N, dtype=bool)


@pytest.mark.parametrize(
    ("present", "words"),
    [
        ({"txet": ~LACKING}, "unknown view 'txet'; did you mean 'text'"),
        ({"text": LACKING[:-1]}, r"present\['text'\] .* \(7,\), got bool \(6,\)"),
        ({"text": LACKING.astype(int)}, r"got int64 \(7,\)"),
        ({"text": NOBODY}, "no item has the view 'text'"),
        ({"text": ~LACKING, "image": LACKING}, None),
        ({"text": ~LACKING, "image": np.arange(N) > 1}, "1 items have no view at all .* row 1"),
        ({"text": np.arange(N) > 2, "image": np.arange(N) > 1}, "2 items have no view .* row 0"),
    ],
)
def test_masks_that_cannot_be(present, words) -> None:
    views = {"image": features(), "text": features(4)}
    if words is None:
        Corpus(views, present=present)
        return
    with pytest.raises(DataError, match=words):
        Corpus(views, present=present)


def test_one_view_of_nan_rows_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 items have no view at all \(first in row 1\)"):
        Corpus({"image": holes()})
    with pytest.raises(DataError, match="features have no columns"):
        Corpus({"image": np.empty((N, 0))})


# -- a corpus keeps it -------------------------------------------------------------------------


def test_subsets_keep_what_is_missing() -> None:
    corpus = labelled_corpus()
    rows = np.array([4, 2, 0, 1])
    part = corpus.take(rows)
    np.testing.assert_array_equal(part.has("text"), [False, True, True, False])
    np.testing.assert_array_equal(part.has("image"), [True, False, True, True])
    assert part.has("audio").all()
    np.testing.assert_array_equal(part.with_views("text").ids, [2, 0])
    np.testing.assert_array_equal(part.with_views("text", "image").ids, [0])
    assert part.with_views("audio") is part
    joined = corpus.take([1, 5]).union(corpus.take([2, 4]))
    np.testing.assert_array_equal(joined.ids, [1, 2, 4, 5])
    np.testing.assert_array_equal(joined.has("text"), [False, True, False, True])
    hidden = part.hide_labels(np.array([True, False, False, False]))
    np.testing.assert_array_equal(hidden.has("text"), part.has("text"))
    with pytest.raises(DataError, match="no view 'txt'; did you mean 'text'"):
        corpus.has("txt")


def test_a_raw_item_that_is_missing_is_none() -> None:
    corpus = Corpus(
        {"image": features(), "text": holes()}, raw={"text": [f"text {k}" for k in range(N)]}
    )
    assert corpus.take([1, 2]).raw_item("text", 0) is None
    assert corpus.take([1, 2]).raw_item("text", 1) == "text 2"


def test_the_print_tells_holes_apart_and_leaves_whole_corpora_alone() -> None:
    whole = Corpus({"image": features(), "text": features(4)})
    # Made before views could be missing: splits of old runs are checked against such prints.
    assert whole.fingerprint().startswith("f922c121d4f8")
    prints = {whole.fingerprint()}
    for k in range(N):
        prints.add(Corpus(whole.views, present={"text": np.arange(N) != k}).fingerprint())
        prints.add(Corpus(whole.views, present={"image": np.arange(N) != k}).fingerprint())
    assert len(prints) == 1 + 2 * N
    missing = Corpus(whole.views, present={"text": ~LACKING})
    assert missing.with_views("text").fingerprint() != missing.take(LACKING).fingerprint()


# -- splits ------------------------------------------------------------------------------------


def test_equal_rows_are_those_that_have_the_same_and_lack_the_same() -> None:
    """What stands in place of a missing view, zeros or not, makes no row equal or different."""
    image = np.ones((N, 2), dtype=np.float32)
    text = np.arange(2.0 * N, dtype=np.float32).reshape(N, 2)
    text[:2] = 0.0
    corpus = Corpus({"image": image, "text": text}, present={"text": np.arange(N) < 5})
    prints = row_hashes(corpus)
    assert prints[0] == prints[1]  # the same empty text
    assert prints[5] == prints[6]  # both without
    assert len(set(prints.tolist())) == N - 2
    other = Corpus({"image": text, "text": image}, present={"image": np.arange(N) < 5})
    assert len({*prints[5:].tolist(), *row_hashes(other)[5:].tolist()}) == 2


def test_a_query_that_equals_a_training_row_but_for_what_both_lack_is_a_leak() -> None:
    image = np.repeat(np.arange(20.0), 2)[:, None].astype(np.float32)
    text = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.ones((40, 1), dtype=bool)
    there = np.arange(40) >= 10
    corpus = Corpus({"image": image, "text": text}, labels=labels, present={"text": there})
    parts = make_split(corpus, queries=20)
    pairs = (parts.query_rows ^ 1)[parts.query_rows < 10]
    alone = pairs[~np.isin(pairs, parts.query_rows)]
    assert len(alone) == parts.duplicates_dropped > 0
    assert not np.isin(alone, parts.train_rows).any()
    with pytest.raises(LeakError):
        replace(parts, train_rows=parts.database_rows)


def test_the_summary_counts_what_is_missing_in_each_part() -> None:
    corpus = Corpus(
        {"image": features(), "text": holes()}, labels=np.ones((N, 1), dtype=bool), name="c"
    )
    parts = make_split(corpus, queries=2)
    lacking = parts.summary()["lacking"]
    assert list(lacking) == ["text"]
    for part in "train", "query", "database", "validation", "labelled":
        assert lacking["text"][part] == LACKING[getattr(parts, f"{part}_rows")].sum()
    whole = Corpus({"image": features()}, labels=np.ones((N, 1), dtype=bool))
    assert "lacking" not in make_split(whole, queries=2).summary()
