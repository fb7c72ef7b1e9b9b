"""CCQ: its alternation, its greedy codes and its look-up tables against loops and closed forms."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from checkerboard import board

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.evaluation import evaluate
from crossbit.methods.base import FitRun
from crossbit.methods.classical.ccq import CCQ, LookupRanker
from crossbit.methods.classical.composite import RIDGE, greedy, quantised, restored
from crossbit.splits import make_split

ROUNDS = 12


@pytest.fixture(scope="module")
def rows() -> Corpus:
    return board(400, {"image": 24, "text": 16, "audio": 10}, noise=1.0)


@pytest.fixture(scope="module")
def hasher(rows: Corpus) -> CCQ:
    return CCQ(bits=16, rounds=ROUNDS, weight=2.0).fit(rows)


# -- composite quantisation --------------------------------------------------------------------


@pytest.mark.parametrize("books", [1, 3])
def test_the_objective_never_rises_and_is_that_of_the_formula(books: int, rows: Corpus) -> None:
    views = [rows[view].astype(float) for view in rows.views]
    weights, rng = [1.0, 0.5, 2.0], np.random.default_rng(0)
    values = []
    for value, words, codes in islice(quantised(views, weights, books, 8, rng), ROUNDS):
        values.append(value)
        # The best rotations of these codes can only be better than those of the round.
        sums = restored(codes, words)
        full = RIDGE * np.square(words).sum()
        for x, weight in zip(views, weights, strict=True):
            first, _, second = np.linalg.svd(x.T @ sums, full_matrices=False)
            full += weight * np.square(x - sums @ (first @ second).T).sum()
        assert full <= value * (1 + 1e-9)
        assert full > 0.9 * value
    assert (np.diff(values) <= 1e-9 * values[0]).all()
    assert values[-1] < 0.99 * values[0]


def test_greedy_codes_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    points, books = rng.normal(size=(30, 5)), rng.normal(size=(3, 256, 5))
    found = greedy(points, books)
    for point, code in zip(points, found, strict=True):
        left = point.copy()
        for book, word in zip(books, code, strict=True):
            assert np.linalg.norm(left - book, axis=1).argmin() == word
            left -= book[word]
        np.testing.assert_allclose(point - restored(code[None], books)[0], left, atol=1e-12)


# -- the method --------------------------------------------------------------------------------


def test_fused_codes_minimise_the_weighted_residual_of_all_views(hasher: CCQ, rows: Corpus) -> None:
    some = rows.take(np.arange(40))
    codes = hasher.encode_database(some, "text", "fused").packed
    views = [hasher.points(some[view], view).astype(float) for view in rows.views]
    for item in range(40):
        left = [points[item].copy() for points in views]
        for place, book in enumerate(hasher.books):
            far = [np.square(part - book).sum(axis=1) for part in left]
            total = far[0] + 2 * far[1] + 2 * far[2]
            assert total[codes[item, place]] <= total.min() * (1 + 1e-5)
            for part in left:
                part -= book[codes[item, place]]


@pytest.mark.parametrize("coding", CCQ.database_codings)
def test_tables_give_the_distances_of_what_codes_stand_for(
    hasher: CCQ, rows: Corpus, coding: str
) -> None:
    ranker = LookupRanker(hasher)
    points = ranker.queries(rows["image"][:7], "image")
    database = ranker.database(rows.take(np.tile(np.arange(400), 2)), "text", coding)
    found = ranker.distances(points, database)
    sums = restored(database.packed, hasher.books)
    wanted = np.square(points[:, None] - sums[None]).sum(-1) - np.square(points).sum(-1)[:, None]
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    np.testing.assert_array_equal(found[:, :400], found[:, 400:])  # equal codes are tied


def test_bits_are_the_numbers_of_codewords(hasher: CCQ, rows: Corpus) -> None:
    outputs = hasher.project(rows["text"], "text")
    assert set(np.unique(outputs)) == {-1, 1}
    codes = hasher.encode(rows["text"], "text")
    np.testing.assert_array_equal(
        codes.packed, greedy(hasher.points(rows["text"], "text"), hasher.books)
    )
    np.testing.assert_array_equal(codes.unpack(), outputs > 0)


def test_points_are_ridge_regressions_onto_the_train_codes(hasher: CCQ, rows: Corpus) -> None:
    sums = restored(hasher.encode_database(rows, "text", "train").packed, hasher.books)
    for view in rows.views:
        x = hasher._scaled(rows[view], view).astype(float)
        wanted = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ sums)
        np.testing.assert_allclose(hasher.points(rows[view], view), x @ wanted, atol=1e-4)


def test_points_have_no_more_dimensions_than_the_narrowest_view(rows: Corpus) -> None:
    assert CCQ(bits=8, rounds=1).fit(rows).books.shape == (1, 256, 8)
    assert CCQ(bits=32, rounds=1).fit(rows).books.shape == (4, 256, 10)


def test_rows_beyond_the_limit_are_sampled_and_progress_is_told(rows: Corpus) -> None:
    events: list[dict] = []
    few = CCQ(bits=8, most_rows=90, rounds=3).fit(rows, run=FitRun(report=events.append))
    assert few.trained["quantised"] == 90
    assert [(event["epoch"], event["epochs"]) for event in events] == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(DataError, match="310 of 400 database items were not trained on"):
        few.encode_database(rows, "text", "train")


def test_a_report_names_the_distance() -> None:
    parts = make_split(board(200), "random", queries=20, validation=0)
    report = evaluate(CCQ(bits=16, rounds=5).fit(parts.train), parts, coding="fused")
    assert report.ranking == "asymmetric distance to codewords"
    assert report.map["image->text"].expected > 0.9


def test_settings_out_of_range_are_refused() -> None:
    for setting in {"weight": 0.0}, {"rounds": 0}, {"most_rows": 0}:
        with pytest.raises(ConfigError, match="weight must be above 0, rounds and most_rows"):
            CCQ(**setting)
