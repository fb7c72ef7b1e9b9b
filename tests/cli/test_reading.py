"""`crossbit evaluate`, `datasets`, `methods` and the program itself."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import crossbit
from crossbit import evaluate, load, methods
from crossbit.runs.folder import RunFolder


def test_evaluate_prints_and_writes_the_report(invoke, finished) -> None:
    result = invoke("evaluate", finished, "--ks", "5,10")
    assert result.exit_code == 0, result.output
    report = evaluate(load(finished), RunFolder(finished).split, ks=(5, 10))
    for name, value in report.map.items():
        line = next(row for row in result.stdout.splitlines() if name.replace("->", " → ") in row)
        assert f"{value.expected:.3f}" in line
    assert "MAP@10" in result.stdout
    written = {path.name for path in (finished / "report").iterdir()}
    assert {"report.json", "report.csv", "report.md", "report.html"} <= written
    as_json = json.loads(invoke("evaluate", finished, "--json").stdout)
    assert as_json["mean_map"] == pytest.approx(report.mean_map)


def test_evaluate_with_cuts_that_are_none(invoke, finished) -> None:
    for ks, message in ("five", "--ks is 'five'"), ("0", "must be a whole number from 1 up"):
        result = invoke("evaluate", finished, "--ks", ks)
        assert result.exit_code == 2
        assert message in result.stderr
        assert not (finished / "report").exists()


def test_evaluate_refuses_data_that_changed(invoke, table, tmp_path) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_text(table.read_text())
    fit = ("fit", copy, "--method", "fake", "--option", f"images={table.parent}", "--out", "run")
    assert invoke(*fit).exit_code == 0
    copy.write_text(table.read_text().replace("quiet", "calm"))
    result = invoke("evaluate", "run")
    assert result.exit_code == 2
    assert "the data differ" in result.stderr


def test_a_query_that_is_also_in_train(invoke, finished) -> None:
    path = finished / "split.json"
    manifest = json.loads(path.read_text())
    manifest["rows"]["query"] = manifest["rows"]["train"].partition(",")[0]
    path.write_text(json.dumps(manifest))
    for command in ("evaluate", finished), ("encode", finished, "--view", "text"):
        result = invoke(*command)
        assert result.exit_code == 2
        assert "is a query and also in" in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (finished / "report").exists()


def test_a_table_without_labels_for_a_method_that_needs_them(invoke, table, tmp_path) -> None:
    lines = [line.rsplit(",", 2)[0] for line in table.read_text().splitlines()]
    (tmp_path / "bare.csv").write_text("\n".join(lines) + "\n")
    fit = ("fit", "bare.csv", "--method", "fake", "--option", f"images={table.parent}")
    result = invoke(*fit, "--out", "run")
    assert result.exit_code == 2
    assert "have labels to judge them by" in result.stderr
    result = invoke(*fit, "--out", "run", "--queries", "0")
    assert result.exit_code == 2
    assert "fake learns from labels, but no training row has any" in result.stderr
    assert not (tmp_path / "run").exists()


def test_datasets_are_listed_and_looked_into(invoke, table, arrays) -> None:
    listed = invoke("datasets").stdout
    assert all(name in listed for name in crossbit.datasets.names())
    assert set(json.loads(invoke("datasets", "--json").stdout)) == set(crossbit.datasets.names())
    facts = json.loads(invoke("datasets", table, "--json").stdout)
    assert facts["items"] == facts["labelled"] == 60
    assert facts["labels"] == {"blue": 20, "green": 20, "red": 20}
    assert facts["views"]["image"] == 32 * 32 * 3
    shown = invoke("datasets", arrays).stdout
    assert "60 items, 60 of them labelled" in shown
    assert "image (5 numbers), text (4 numbers)" in shown
    result = invoke("datasets", "wikipedia", "--root", "nowhere")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "svcl.ucsd.edu" in result.stderr, "says where the original is published"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("image", lambda a: np.where(a == a[7, 0], np.nan, a), "first in row 7"),
        ("text", lambda a: np.where(a == a[3, 1], np.inf, a), "hold NaN or infinity"),
        ("text", lambda a: a[:-1], "one row per item"),
        ("labels", lambda a: a[:-1], "59"),
    ],
)
def test_arrays_with_mistakes(invoke, arrays, tmp_path, file, change, message) -> None:
    for path in arrays.iterdir():
        array = np.load(path)
        np.save(tmp_path / path.name, change(array) if path.stem == file else array)
    for command in ("datasets", tmp_path), ("fit", tmp_path, "--method", "fake", "--out", "run"):
        result = invoke(*command)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_table_with_missing_pictures_names_them(invoke, table, tmp_path) -> None:
    (tmp_path / "x.csv").write_text(f"image,text\n0.png,red\n{'gone.png,green'}\n")
    result = invoke("fit", "x.csv", "--option", f"images={table.parent}", "--method", "fake")
    assert result.exit_code == 2
    assert "1 of 2 pictures are missing" in result.stderr
    assert "gone.png (line 3)" in result.stderr


def test_methods_show_their_settings(invoke) -> None:
    assert re.search(
        r"fake +labels and pairs +least squares to the classes", invoke("methods").stdout
    )
    shown = invoke("methods", "fake").stdout
    assert "A. Author. A title. A venue, 2001." in shown
    assert re.search(r"margin +int +8 +does nothing +project choice", shown)
    facts = json.loads(invoke("methods", "fake", "--json").stdout)
    assert {"name": "bits", "type": "int", "default": 64}.items() <= facts["settings"][0].items()
    listed = json.loads(invoke("methods", "--json").stdout)
    assert {item["name"] for item in listed} == set(crossbit.methods.names())
    result = invoke("methods", "fkae")
    assert result.exit_code == 2
    assert "did you mean 'fake'?" in result.stderr


def test_a_method_without_its_package_names_the_extra(invoke, monkeypatch, table) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "fake_deep_method", raising=False)
    monkeypatch.setitem(methods.BUILT_IN, "deep", "fake_deep_method:Deep")
    result = invoke("fit", table, "--method", "deep")
    assert result.exit_code == 2
    assert "deep needs torch; install it with: pip install 'crossbit[torch]'" in result.stderr
    assert "crossbit[torch]" in invoke("methods").stdout, "the list does not fail"


def test_version_and_usage(invoke) -> None:
    assert invoke("--version").stdout == f"crossbit {crossbit.__version__}\n"
    assert invoke("--nothing").exit_code == 2
    assert invoke("serach").exit_code == 2


@pytest.mark.parametrize(
    "name", ["demo", "fit", "encode", "evaluate", "search", "datasets", "methods"]
)
def test_every_command_explains_itself_with_examples(invoke, name) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert f"crossbit {name}" in result.stdout.partition("Examples:")[2]


def test_a_folder_that_cannot_be_written(invoke, table, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke("fit", table, "--method", "fake", "--out", "file/run")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: not a directory")
    assert Path("file").read_text() == ""
