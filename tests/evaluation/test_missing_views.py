"""Evaluation with missing views: who cannot ask is not counted, who lacks the view is not found."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from crossbit.bench.results import _curves
from crossbit.corpus import Corpus
from crossbit.errors import DataError
from crossbit.evaluation import compare, evaluate, gallery, save_report
from crossbit.evaluation.tables import facts
from crossbit.splits import Split, make_split

VIEWS = ("image", "text")


@pytest.fixture
def holes(build) -> Split:
    """A third lacks the text, every fifth of the others the picture."""
    whole = build[0]()
    there = {"text": np.arange(160) % 3 > 0}
    there["image"] = (np.arange(160) % 5 > 0) | ~there["text"]
    raw = dict(whole.raw)
    views = {view: np.array(whole[view]) for view in VIEWS}
    for view, mask in there.items():
        views[view][~mask] = 1e3  # would be far off, if anyone looked
    corpus = Corpus(views, labels=whole.labels, name="holes", raw=raw, present=there)
    return make_split(corpus, queries=40)


def average_precisions(hasher, split: Split, a: str, b: str) -> list[float]:
    """AP of each query that has view a, ties by expectation: every pair compared by itself."""
    query, database = split.query, split.database
    labels = query.require_labels().toarray(), database.require_labels().toarray()
    answers = np.flatnonzero(database.has(b))
    found = []
    for q in np.flatnonzero(query.has(a)):
        own = hasher.project(query[a][q : q + 1], a)[0] > 0
        by_distance: dict[int, list[bool]] = {}
        for j in answers:
            other = hasher.project(database[b][j : j + 1], b)[0] > 0
            shared = bool((labels[0][q] & labels[1][j]).any())
            by_distance.setdefault(int((own != other).sum()), []).append(shared)
        value, seen, hits = 0.0, 0, 0
        for distance in sorted(by_distance):
            group = by_distance[distance]
            n, r = len(group), sum(group)
            for place in range(1, n + 1):  # expected precision at a relevant item of this place
                before = (place - 1) * (r - 1) / (n - 1) if n > 1 else 0.0
                value += r / n * (hits + before + 1) / (seen + place)
            seen, hits = seen + n, hits + r
        found.append(value / hits if hits else 0.0)
    return found


def test_figures_are_those_of_the_items_that_have_the_views(holes, build) -> None:
    hasher = build[1](bits=16, noise=0.3).fit(holes.train)
    report = evaluate(hasher, holes)
    for a, b in permutations(VIEWS, 2):
        expected = average_precisions(hasher, holes, a, b)
        found = report.directions[f"{a}->{b}"]
        assert found.map.expected == pytest.approx(np.mean(expected), abs=1e-9)
        np.testing.assert_array_equal(np.isnan(found.query_ap), ~holes.query.has(a))
        np.testing.assert_allclose(found.query_ap[holes.query.has(a)], expected)
        assert 0.4 < found.map.expected < 0.99
        largest = found.ranking.places.max()
        assert largest == holes.database.has(b).sum()


def test_a_report_says_what_is_missing_and_comes_back(holes, build, tmp_path) -> None:
    report = evaluate(build[1](bits=16).fit(holes.train), holes)
    text = dict(facts(report))
    asked, found = ((~part.has("text")).sum() for part in (holes.query, holes.database))
    assert text["Without text"] == (
        f"{asked} queries do not ask by it, {found} database items are not found through it"
    )
    assert "Without image" in text
    left_out = len(holes.train) - len(holes.train.with_views(*VIEWS))
    assert text["Not learnt from"] == f"{left_out} training rows that lack a view"
    first, second = (list(found.precision_at) for found in report.directions.values())
    assert first == second
    save_report(report, tmp_path)
    again = type(report).load(tmp_path)
    for name, direction in report.directions.items():
        np.testing.assert_array_equal(again.directions[name].query_ap, direction.query_ap)


def test_a_report_of_whole_items_says_nothing_of_it(split, hasher) -> None:
    report = evaluate(hasher, split)
    assert not [name for name, _ in facts(report) if name.startswith(("Without", "Not learnt"))]
    assert not np.isnan(report.directions["image->text"].query_ap).any()


def test_runs_are_paired_by_the_queries_that_ask(holes, build) -> None:
    """The mean over directions is, for every query, over those it asks in."""
    a, b = (
        replace(evaluate(build[1](bits=16, noise=noise).fit(holes.train), holes), label=label)
        for label, noise in (("a", 0.0), ("b", 1.0))
    )
    found = {item.direction: item.paired for item in compare([a, b], [("a", "b")]).differences}
    values = {
        label: np.array(
            [report.directions[f"{x}->{y}"].query_ap for x, y in permutations(VIEWS, 2)]
        )
        for label, report in (("a", a), ("b", b))
    }
    for k, direction in enumerate(a.directions):
        asks = holes.query.has(VIEWS[k])
        difference = [x - y for x, y in zip(values["a"][k], values["b"][k], strict=True)]
        assert found[direction].pairs == asks.sum() < 40
        assert found[direction].mean == pytest.approx(np.array(difference)[asks].mean())
    mean = [
        np.mean([x for x in values["a"][:, q] if x == x])
        - np.mean([x for x in values["b"][:, q] if x == x])
        for q in range(40)
    ]
    assert found["mean"].pairs == 40
    assert found["mean"].mean == pytest.approx(np.mean(mean))


def test_curves_of_seeds_with_databases_of_different_sizes_have_a_mean(holes, build) -> None:
    """Seeds draw other queries, and so leave other numbers of items to be found."""
    splits = [make_split(holes.corpus, seed=seed, queries=40) for seed in range(3)]
    reports = [evaluate(build[1](bits=16, noise=0.5).fit(part.train), part) for part in splits]
    found = _curves(reports)
    for name, first in reports[0].directions.items():
        curves = [report.directions[name].ranking for report in reports]
        assert len({curve.places[-1] for curve in curves}) == 3
        for kind in "precision", "recall":
            assert len(found[name][kind]) == len(first.ranking.places)
            for place, value in zip(first.ranking.places, found[name][kind], strict=True):
                each = [np.interp(place, c.places, getattr(c, kind)) for c in curves]
                assert value == pytest.approx(np.mean(each), abs=6e-4)  # three digits


@pytest.mark.parametrize("part", ["query", "database"])
def test_a_view_that_nothing_has_cannot_be_judged(build, part) -> None:
    whole = build[0]()
    parts = make_split(whole, queries=20)
    gone = np.zeros(160, dtype=bool)
    gone[getattr(parts, f"{part}_rows")] = True
    holes = Corpus(whole.views, labels=whole.labels, name="shapes", present={"text": ~gone})
    hasher = build[1](bits=16).fit(parts.train)
    words = "none of the 20 queries" if part == "query" else "none of the 140 database items"
    with pytest.raises(DataError, match=f"{words} of shapes has the view 'text'"):
        evaluate(hasher, replace(parts, corpus=holes))


def test_the_gallery_shows_what_is_there(holes, build, monkeypatch) -> None:
    drawn: list[Any] = []
    module = sys.modules["crossbit.evaluation.gallery"]
    draw = module._draw
    monkeypatch.setattr(module, "_draw", lambda shown: (drawn.append(shown), draw(shown))[1])
    hasher = build[1](bits=16).fit(holes.train)
    assert gallery(hasher, holes, queries=3, per_query=60).startswith(b"\x89PNG")
    query = holes.query
    whole = {str(query.raw_item("text", k)) for k in np.flatnonzero(query.has("image"))}
    for name, rows in drawn[0]:
        assert len(rows) == 3
        for row in rows:
            if name == "text → image":
                assert row.query in whole
            assert len(row.items) == 60
            assert all(item is not None for item in row.items)
    lacking = np.flatnonzero(~query.has("text"))[:2]
    drawn.clear()
    gallery(hasher, holes, rows=lacking.tolist(), per_query=2)
    assert [name for name, _ in drawn[0]] == ["image → text"]
