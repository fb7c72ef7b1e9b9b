"""The monitor: validation MAP is that of the codes, and a collapse is noticed."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from checkerboard import board

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.metrics import mean_average_precision
from crossbit.training.monitor import check_collapse, not_worse, validation_ap

BITS = 16


def project(corpus: Corpus, view: str) -> np.ndarray:
    """Random projections: codes of middling quality, with ties."""
    d = corpus.dims[view]
    return corpus[view] @ np.random.default_rng(d).normal(size=(d, BITS))


def expected_map(query: Corpus, database: Corpus, a: str, b: str) -> float:
    codes = Codes.pack(project(query, a) > 0), Codes.pack(project(database, b) > 0)
    labels = query.require_labels(), database.require_labels()
    return mean_average_precision(*hamming.histogram(*codes, *labels)).expected


@pytest.mark.parametrize("views", [("image", "text"), ("image", "text", "audio")])
def test_validation_ap_is_the_map_of_all_directions(views: tuple[str, ...]) -> None:
    corpus = board(dims={view: 10 + k for k, view in enumerate(views)}, noise=1.0)
    train, validation = corpus.take(np.arange(120)), corpus.take(np.arange(120, 160))
    values = [expected_map(validation, train, a, b) for a, b in permutations(views, 2)]
    found = validation_ap(project, validation, train)
    assert found.shape == (40,)
    assert found.mean() == pytest.approx(np.mean(values))
    assert 0.2 < found.mean() < 0.95  # else the figures would agree by being trivial


def test_unlabelled_training_rows_are_not_judged() -> None:
    corpus = board(noise=1.0)
    keep = np.arange(120) % 3 == 0
    shown = corpus.take(np.arange(120)).hide_labels(keep)
    validation = corpus.take(np.arange(120, 160))
    whole = corpus.take(np.arange(120))
    np.testing.assert_array_equal(
        validation_ap(project, validation, shown),
        validation_ap(project, validation, whole.take(keep)),
    )
    assert not np.array_equal(
        validation_ap(project, validation, shown), validation_ap(project, validation, whole)
    )


def test_a_single_view_is_searched_by_itself() -> None:
    corpus = board(dims={"image": 12}, noise=1.0)
    train, validation = corpus.take(np.arange(120)), corpus.take(np.arange(120, 160))
    found = validation_ap(project, validation, train)
    assert found.mean() == pytest.approx(expected_map(validation, train, "image", "image"))


def test_not_worse_is_paired_by_query() -> None:
    hard_and_easy = np.linspace(0, 1, 50)
    assert not_worse(hard_and_easy, hard_and_easy)
    assert not_worse(hard_and_easy + 0.01, hard_and_easy)
    # A small drop of every query is certain, however much the queries differ among themselves.
    assert not not_worse(hard_and_easy - 0.01, hard_and_easy)
    # The same drop on average, from queries that go up and down, is not.
    swing = np.where(np.arange(50) % 2, 0.3, -0.32)
    assert not_worse(hard_and_easy + swing, hard_and_easy)
    assert not not_worse(hard_and_easy + swing - 0.5, hard_and_easy)


def test_one_query_alone_has_no_error_to_hide_behind() -> None:
    assert not_worse(np.array([0.5]), np.array([0.5]))
    assert not not_worse(np.array([0.49]), np.array([0.5]))


def healthy(n: int = 200) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, BITS))


def test_healthy_codes_raise_no_alarm() -> None:
    assert check_collapse({"image": healthy(), "text": -healthy()}) is None


def test_collapse_is_noticed_in_the_view_that_has_it() -> None:
    collapsed = np.tile(healthy(2), (100, 1))
    found = check_collapse({"image": healthy(), "text": collapsed})
    assert found is not None
    assert "text codes have collapsed: 2 different ones for 200 items" in found


def test_a_code_for_each_class_is_no_collapse() -> None:
    ten = np.tile(healthy(10), (100, 1))
    assert "10 different ones for 1000 items" in str(check_collapse({"image": ten}))
    assert "10 different ones for 1000 items" in str(
        check_collapse({"image": ten}, n_label_sets=40)
    )
    assert check_collapse({"image": ten}, n_label_sets=10) is None
    assert (
        check_collapse({"image": ten}, n_label_sets=12) is None
    )  # two pairs of classes alike: not all is lost


def test_dead_bits_are_noticed() -> None:
    logits = healthy()
    logits[:, :4] = 1.0
    assert check_collapse({"image": logits}) is None  # a quarter is allowed
    logits[:, 4] = -1.0
    assert "5 of 16 image bits never change" in str(check_collapse({"image": logits}))


def test_saturation_is_noticed() -> None:
    assert check_collapse({"image": 20 * healthy()}) is None
    found = str(check_collapse({"image": 100 * healthy()}))
    assert "image sigmoids are saturated (median logit 6" in found


def test_a_handful_of_items_is_not_judged() -> None:
    assert check_collapse({"image": np.ones((15, BITS))}) is None
    assert check_collapse({"image": np.ones((16, BITS))}) is not None
