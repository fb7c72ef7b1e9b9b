"""evaluate() against a naive loop over its own codes; its report on disk; what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import sys
import types

import numpy as np
import pytest

import crossbit
from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.evaluation import Report, evaluate, save_report
from crossbit.evaluation.provenance import code_version
from crossbit.splits import make_split


def naive_map(queries, database, q_labels, d_labels, shuffles: int = 300) -> float:
    """Mean over random tie orders of the MAP computed item by item."""
    rng = np.random.default_rng(0)
    scores = []
    for code, label in zip(queries.unpack(), q_labels, strict=True):
        distance = (code != database.unpack()).sum(axis=1)
        relevance = (d_labels & label).any(axis=1)
        order = np.lexsort(
            (rng.random((shuffles, len(distance))), np.tile(distance, (shuffles, 1)))
        )
        ranked = relevance[order]
        precision = np.cumsum(ranked, axis=1) / np.arange(1, len(distance) + 1)
        scores.append((precision * ranked).sum(axis=1).mean() / max(relevance.sum(), 1))
    return float(np.mean(scores))


def test_both_directions_agree_with_a_naive_loop_over_tie_orders(hasher, split):
    report = evaluate(hasher, split)
    assert list(report.map) == ["image->text", "text->image"]
    labels = [part.require_labels().toarray() for part in (split.query, split.database)]
    for name, value in report.map.items():
        asked, searched = name.split("->")
        queries = hasher.encode(split.query[asked], asked)
        database = hasher.encode(split.database[searched], searched)
        assert value.expected == pytest.approx(naive_map(queries, database, *labels), abs=3e-3)
        assert value.worst <= value.expected <= value.best
        assert value.queries == 30
    mean = np.mean([value.expected for value in report.map.values()])
    assert report.mean_map == pytest.approx(mean)


def test_a_working_hasher_beats_the_random_floor(hasher, split):
    for found in evaluate(hasher, split).directions.values():
        assert 0.3 < found.random_map < 0.6
        assert found.map.expected > found.random_map + 0.15


def test_the_report_holds_what_was_asked_and_where_it_comes_from(hasher, split):
    report = evaluate(hasher, split, ks=(10, 5, 10), radius=3, label="mine")
    assert (report.label, report.method, report.bits, report.seed) == ("mine", "projection", 16, 0)
    assert report.split == split.summary()
    assert report.settings == hasher.settings
    assert report.coding.startswith("single")
    assert report.code_version.startswith(crossbit.__version__)
    for name, found in report.directions.items():
        assert list(found.map_at) == [5, 10]
        assert list(found.precision_at) == [50, 100]  # the database has 130 items
        assert report.p_radius[name] == pytest.approx(
            float(found.lookup.lookup[found.lookup.radius == 3][0])
        )
    assert set(report.health) == {"image", "text"}


def test_a_radius_at_which_nobody_finds_anything_has_precision_zero(hasher, split):
    from crossbit.metrics import radius_curve

    found = evaluate(hasher, split).directions["image->text"]
    far = radius_curve(np.array([[0, 0, 0, 1]]), np.array([[0, 0, 0, 2]]))
    found = type(found)(**{**vars(found), "lookup": far})
    assert [found.precision_within(radius) for radius in (0, 2, 3)] == [0, 0, 0.5]


def test_one_view_searches_itself_and_three_views_search_each_other(build):
    make_corpus, projection = build
    for views, directions in (("image",), 1), (("image", "text", "audio"), 6):
        part = make_split(make_corpus(views=views), queries=20)
        report = evaluate(projection(bits=16).fit(part.train), part)
        assert len(report.map) == directions
    assert list(report.map)[:2] == ["image->text", "image->audio"]


def test_a_saved_report_comes_back_whole(hasher, split, tmp_path):
    report = evaluate(hasher, split, ks=(10,))
    save_report(report, tmp_path)
    loaded = Report.load(tmp_path)
    assert loaded.to_json() == report.to_json()
    for name, found in report.directions.items():
        assert np.array_equal(loaded.directions[name].query_ap, found.query_ap)
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"report.json", "report.csv", "report.md", "report.html", "query_ap.npz"}


def test_the_tables_hold_the_figures_and_nothing_is_nan(hasher, split, tmp_path):
    report = evaluate(hasher, split, ks=(10,))
    save_report(report, tmp_path)
    rows = list(csv.DictReader((tmp_path / "report.csv").open()))
    table = {(row["direction"], row["metric"], row["at"]): float(row["value"]) for row in rows}
    assert len(table) == len(rows)
    assert all(math.isfinite(value) for value in table.values())
    assert table["image->text", "map_expected", ""] == report.map["image->text"].expected
    assert table["text->image", "map_at", "10"] == report.map_at["text->image"][10].expected
    text = (tmp_path / "report.md").read_text()
    assert f"| image → text | {report.map['image->text'].expected:.4f} |" in text
    assert split.hash in text
    assert "min(k, relevant)" in text
    assert "single" in text
    json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)


def test_unlabelled_database_items_and_hopeless_queries_are_told(build):
    make_corpus, projection = build
    corpus = make_corpus()
    part = make_split(corpus, queries=20)
    hidden = np.ones(len(corpus), dtype=bool)
    hidden[part.database_rows[:15]] = False
    labels = corpus.labels.toarray()
    labels[part.query_rows[0]] = [False, False, False]
    relabelled = type(corpus)(views=corpus.views, labels=labels, labelled=hidden, name=corpus.name)
    rows = {name: getattr(part, name) for name in vars(part) if name.endswith("_rows")}
    rows["labelled_rows"] = np.setdiff1d(rows["labelled_rows"], part.database_rows[:15])
    report = evaluate(
        projection(bits=16).fit(part.train),
        type(part)(corpus=relabelled, recipe="own", seed=0, options={}, **rows),
    )
    assert report.unlabelled_database == 15
    assert report.map["image->text"].without_relevant == 1
    from crossbit.evaluation.tables import markdown

    assert "15, relevant to no query" in markdown(report)
    assert "1, counted as 0" in markdown(report)


def test_what_cannot_be_evaluated_is_refused(hasher, split, build):
    make_corpus, projection = build
    with pytest.raises(ConfigError, match="MAP cut"):
        evaluate(hasher, split, ks=(0,))
    with pytest.raises(ConfigError, match="from 0 to the 16 bits"):
        evaluate(hasher, split, radius=17)
    with pytest.raises(DataError, match="queries > 0"):
        evaluate(hasher, make_split(make_corpus(), queries=0))
    with pytest.raises(DataError, match="knows none of the views"):
        evaluate(hasher, make_split(make_corpus(views=("audio",)), queries=5))
    with pytest.raises(ConfigError, match="not fitted"):
        evaluate(projection(bits=16), split)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "report.json").unlink(), r"no report\.json"),
        (lambda f: (f / "query_ap.npz").unlink(), r"no query_ap\.npz"),
        (lambda f: (f / "report.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "report.json").write_text('{"format": 9}'), "json has format 9, this"),
        (lambda f: (f / "query_ap.npz").write_bytes(b"PK"), "cannot be read"),
    ],
)
def test_damaged_reports_are_refused(hasher, split, tmp_path, damage, message):
    save_report(evaluate(hasher, split), tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        Report.load(tmp_path)


def test_the_code_version_never_fails(monkeypatch):
    code_version.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")  # no git
    assert code_version() == crossbit.__version__
    code_version.cache_clear()


def test_a_report_is_a_line_a_table_and_a_frame(hasher, split, monkeypatch):
    report = dataclasses.replace(evaluate(hasher, split, ks=(10,)), label="<b>")
    figure = report.map["image->text"].expected
    assert repr(report).count("\n") == 0
    assert f"image->text {figure:.3f}" in repr(report)
    page = report._repr_html_()
    assert "&lt;b&gt; on" in page
    assert f"<td>image-&gt;text</td><td>{figure:.3f}</td>" in page
    frames = types.SimpleNamespace(DataFrame=list)
    monkeypatch.setitem(sys.modules, "pandas", frames)
    rows = report.to_frame()
    assert [row["direction"] for row in rows] == list(report.directions)
    assert rows[0]["map"] == figure
    assert rows[0]["map@10"] == report.map_at["image->text"][10].expected
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas"):
        report.to_frame()
