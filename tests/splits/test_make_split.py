"""make_split: recipes, label budgets, and rows that must not be learnt from."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from crossbit import Corpus, make_split
from crossbit.errors import ConfigError, DataError
from crossbit.splits import recipes


def corpus_of(n: int, classes: int = 5, unlabelled: float = 0.0, seed: int = 0) -> Corpus:
    random = np.random.default_rng(seed)
    labels = np.eye(classes, dtype=bool)[np.arange(n) % classes]
    labels[random.random(n) < unlabelled] = False
    text = sparse.random(n, 30, density=0.2, random_state=seed, format="csr", dtype=np.float32)
    return Corpus({"image": random.normal(size=(n, 4)), "text": text}, labels=labels)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(60, 200),
    seed=st.integers(0, 2**40),
    queries=st.one_of(st.none(), st.integers(1, 20), st.floats(0.05, 0.4)),
    labelled=st.one_of(st.none(), st.integers(0, 20), st.floats(0.01, 1.0)),
    validation=st.one_of(st.none(), st.just(0), st.floats(0.1, 0.4)),
    unlabelled=st.sampled_from([0.0, 0.3]),
)
def test_parts_are_disjoint_and_the_budget_is_exact(
    n, seed, queries, labelled, validation, unlabelled
):
    corpus = corpus_of(n, unlabelled=unlabelled)
    split = make_split(corpus, seed=seed, queries=queries, labelled=labelled, validation=validation)
    train, query, held = (
        set(rows.tolist()) for rows in (split.train_rows, split.query_rows, split.validation_rows)
    )
    assert not train & query
    assert not train & held
    assert not query & held
    assert train | held == set(split.database_rows.tolist()) == set(range(n)) - query
    assert corpus.labelled[split.query_rows].all()

    wanted = 0.1 if queries is None else queries
    assert len(query) == (wanted if isinstance(wanted, int) else max(1, round(wanted * n)))
    eligible = int(corpus.labelled.sum()) - len(query)
    budget = 1.0 if labelled is None else labelled
    if isinstance(budget, float):
        budget = max(1, round(budget * eligible))
    assert len(split.labelled_rows) + len(held) == budget
    assert len(held) == round((0.2 if validation is None else validation) * budget)
    assert split.train.labelled.sum() == len(split.labelled_rows)
    assert split.train.require_labels().nnz == len(split.labelled_rows)


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=15)
def test_same_seed_same_split_and_another_seed_another(seed):
    corpus = corpus_of(100)
    first, again = (make_split(corpus, seed=seed, labelled=0.3) for _ in range(2))
    assert first.hash == again.hash
    assert first.hash != make_split(corpus, seed=seed + 1, labelled=0.3).hash
    assert first.hash != make_split(corpus, seed=seed, labelled=0.4).hash


def test_a_query_seed_keeps_the_queries_while_the_seed_draws_other_labels():
    corpus = corpus_of(300)
    first, second = (make_split(corpus, seed=s, labelled=60, query_seed=9) for s in (1, 2))
    np.testing.assert_array_equal(first.query_rows, second.query_rows)
    assert not np.array_equal(first.labelled_rows, second.labelled_rows)
    assert first.hash != second.hash
    alone = make_split(corpus, seed=9)
    np.testing.assert_array_equal(first.query_rows, alone.query_rows)
    assert make_split(corpus, seed=9, query_seed=9).hash == alone.hash


def test_smaller_budgets_are_nested_and_keep_the_queries():
    corpus = corpus_of(400)
    splits = [
        make_split(corpus, seed=7, labelled=share, validation=0) for share in (0.05, 0.2, 1.0)
    ]
    for small, large in pairwise(splits):
        np.testing.assert_array_equal(small.query_rows, large.query_rows)
        assert set(small.labelled_rows) <= set(large.labelled_rows)


def test_budget_follows_the_classes_and_reaches_every_one():
    sizes = [300, 150, 40, 6, 4]
    classes = np.repeat(np.arange(5), sizes)
    corpus = Corpus(
        {"image": np.random.default_rng(0).normal(size=(500, 3))}, labels=np.eye(5)[classes]
    )
    split = make_split(corpus, seed=3, queries=0, labelled=50, validation=0)
    taken = np.bincount(classes[split.labelled_rows], minlength=5)
    assert taken.sum() == 50
    assert (taken >= 1).all()
    np.testing.assert_allclose(taken[:3], [30, 15, 4], atol=1)
    few = make_split(corpus, seed=3, queries=0, labelled=5, validation=0)
    np.testing.assert_array_equal(np.bincount(classes[few.labelled_rows]), np.ones(5))


def test_validation_is_paid_from_the_budget_and_shows_its_labels():
    split = make_split(corpus_of(200), labelled=50)
    assert len(split.validation_rows) == 10
    assert len(split.labelled_rows) == 40
    assert split.validation.labelled.all()
    assert split.database.labelled.all()
    assert split.query.labelled.all()
    assert make_split(corpus_of(200), labelled=0).validation is None


def test_copies_of_queries_stay_out_of_training_but_in_the_database():
    base = corpus_of(100)
    twice = np.concatenate([np.arange(100), np.arange(100)])
    corpus = Corpus(
        {view: base[view][twice] for view in base.views}, labels=base.require_labels()[twice]
    )
    split = make_split(corpus, queries=20, seed=1)
    learnt = np.concatenate([split.train_rows, split.validation_rows])
    assert not set(learnt % 100) & set(split.query_rows % 100)
    kept_apart = 200 - len(split.query_rows) - len(learnt)
    assert split.duplicates_dropped == split.summary()["duplicates_dropped"] == kept_apart > 0
    assert len(split.database_rows) == 180


def test_rows_that_agree_in_one_view_only_are_kept():
    base = corpus_of(50)
    corpus = Corpus(
        {"image": np.ones((50, 3)), "text": base["text"].toarray() + np.arange(50)[:, None]},
        labels=base.labels,
    )
    assert make_split(corpus).duplicates_dropped == 0


def test_queries_come_from_labelled_rows_only():
    corpus = corpus_of(100, unlabelled=0.8)
    labelled = int(corpus.labelled.sum())
    split = make_split(corpus, queries=labelled - 1, labelled=1, validation=0)
    assert corpus.labelled[split.query_rows].all()
    with pytest.raises(DataError, match="have labels to judge them"):
        make_split(corpus, queries=labelled + 1)


def test_a_corpus_without_labels_can_train_but_not_be_evaluated():
    corpus = Corpus({"image": np.random.default_rng(0).normal(size=(30, 3))})
    with pytest.raises(DataError, match="queries=0 trains without evaluation"):
        make_split(corpus)
    split = make_split(corpus, queries=0)
    assert len(split.train) == 30
    assert len(split.query) == 0


def test_works_on_a_subset_of_a_corpus():
    corpus = corpus_of(120)
    subset = corpus.take(np.arange(20, 100))
    split = make_split(subset, queries=10, labelled=20)
    assert set(split.query.ids) <= set(subset.ids)
    assert set(split.train.ids) <= set(subset.ids)


def test_wikipedia_recipe_takes_the_published_rows():
    n = 2866
    views = {"image": np.random.default_rng(0).normal(size=(n, 2))}
    labels = np.eye(10)[np.arange(n) % 10]
    corpus = Corpus(views, labels=labels, name="wikipedia")
    split = make_split(corpus, "wikipedia", labelled=0.1)
    np.testing.assert_array_equal(split.query_rows, np.arange(2173, n))
    np.testing.assert_array_equal(split.database_rows, np.arange(2173))
    assert len(split.labelled_rows) + len(split.validation_rows) == 217
    with pytest.raises(ConfigError, match="693"):
        make_split(corpus, "wikipedia", queries=100)
    with pytest.raises(DataError, match="use the recipe 'random'"):
        make_split(Corpus(views, labels=labels, name="mine"), "wikipedia")


def test_mirflickr_recipe_asks_with_five_percent():
    assert len(make_split(corpus_of(200), "mirflickr").query_rows) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "wikipedai"}, "did you mean 'wikipedia'"),
        ({"queries": 1.5}, "fraction"),
        ({"query_seed": -1}, "query_seed must be a whole number"),
        ({"query_seed": 0.5}, "query_seed must be a whole number"),
        ({"queries": -1}, "negative"),
        ({"queries": 1000}, "only 100 rows"),
        ({"queries": True}, "count"),
        ({"labelled": "10%"}, "count"),
        ({"labelled": 99}, "only 90 labelled rows"),
        ({"labelled": float("nan")}, "fraction"),
        ({"labelled": 10, "validation": 10}, "leave some to train on"),
        ({"queries": 100}, "ask for fewer"),
        ({"seed": -1}, "whole number"),
        ({"seed": 0.5}, "whole number"),
    ],
)
def test_bad_requests_are_one_clear_sentence(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_split(corpus_of(100), **options)
    assert "\n" not in str(caught.value)


def test_recipes_are_listed():
    assert recipes() == ["mirflickr", "random", "wikipedia"]
