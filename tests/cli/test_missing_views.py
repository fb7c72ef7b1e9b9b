"""Own data in which items lack a view, from `datasets` to `index search`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

WITHOUT_IMAGE = range(0, 60, 6)  # 10 of 60 items
WITHOUT_TEXT = range(1, 60, 12)  # 5 others


@pytest.fixture
def holes(table: Path, tmp_path: Path) -> Path:
    """The table with blank cells, beside its pictures; the pictures it does not name are gone."""
    folder = tmp_path / "holes"
    shutil.copytree(table.parent, folder)
    head, *lines = table.read_text().splitlines()
    cells = [line.split(",") for line in lines]
    for k in WITHOUT_IMAGE:
        (folder / cells[k][0]).unlink()
        cells[k][0] = ""
    for k in WITHOUT_TEXT:
        cells[k][1] = ""
    (folder / "pairs.csv").write_text("\n".join([head, *map(",".join, cells)]) + "\n")
    return folder / "pairs.csv"


@pytest.fixture
def run(invoke, holes: Path, tmp_path: Path) -> Path:
    result = invoke("fit", holes, "--method", "fake", "--bits", 32, "--out", "runs/holes")
    assert result.exit_code == 0, result.output
    return tmp_path / "runs" / "holes"


def test_datasets_counts_what_is_missing(invoke, holes, table) -> None:
    facts = json.loads(invoke("datasets", holes, "--json").output)
    assert facts["lacking"] == {"image": 10, "text": 5}
    assert "raw queries, 10 items lack it)" in invoke("datasets", holes).output
    assert json.loads(invoke("datasets", table, "--json").output)["lacking"] == {}
    assert "lack" not in invoke("datasets", table).output


def test_a_fit_says_what_it_left_out(invoke, run, table) -> None:
    trained = json.loads((run / "config.json").read_text())["trained"]
    assert trained["left_out"] > 0
    shutil.rmtree(run)
    result = invoke("fit", run.parents[1] / "holes/pairs.csv", "--method", "fake", "--out", run)
    assert f"{trained['left_out']} training rows lack a view and were left out" in result.output
    whole = invoke("fit", table, "--method", "fake", "--out", "runs/whole")
    assert "left out" not in whole.output


def test_evaluate_says_who_did_not_ask(invoke, run) -> None:
    result = invoke("evaluate", run)
    assert result.exit_code == 0, result.output
    assert "Without text: " in result.output
    assert "Without image: " in result.output
    assert "Not learnt from: " in result.output
    report = json.loads((run / "report" / "report.json").read_text())
    counts = report["split"]["lacking"]["image"]
    assert counts["query"] + counts["database"] == 10


def test_only_items_that_have_the_view_are_coded(invoke, run, holes) -> None:
    result = invoke("encode", run, "--view", "image", "--data", holes, "--out", "codes")
    assert "50 items of pairs (10 more have no image), 32 bits each" in result.output
    ids = np.load("codes/ids.npy").tolist()
    assert ids == [f"item{k:02d}" for k in range(60) if k not in WITHOUT_IMAGE]
    result = invoke("index", "build", run, holes, "--view", "text", "--to", "texts")
    assert "55 items of 32 bits written, 5 lack the view; 55 in texts" in result.output
    again = invoke("index", "build", run, holes, "--view", "text", "--to", "texts")
    assert "0 items of 32 bits written, 55 were there before, 5 lack the view" in again.output


def test_search_finds_what_has_the_view_and_shows_what_there_is(invoke, run, holes) -> None:
    invoke("index", "build", run, holes, "--view", "image", "--to", "images")
    asked = ("--model", run, "--text", "a red square", "-k", 60, "--json")
    found = json.loads(invoke("index", "search", "images", *asked).output)
    assert len(found) == 50
    for item in found:
        k = int(item["id"][4:])
        assert k not in WITHOUT_IMAGE
        assert item["path"].endswith(f"{k}.png")
        assert ("caption" in item) == (k not in WITHOUT_TEXT)
    for view, rows, other in ("text", WITHOUT_TEXT, "path"), ("image", WITHOUT_IMAGE, "caption"):
        result = invoke(
            "search", run, "--text", "a blue square", "--view", view, "-k", 60, "--json"
        )
        items = json.loads(result.output)
        numbers = {int(item["id"][4:]) for item in items}
        assert numbers
        assert not numbers & set(rows)
        assert {other in item for item in items} == {True, False}


def test_a_folder_of_arrays_with_rows_of_nan(invoke, arrays, tmp_path) -> None:
    folder = tmp_path / "holes"
    shutil.copytree(arrays, folder)
    image = np.load(folder / "image.npy")
    image[list(WITHOUT_IMAGE)] = np.nan
    np.save(folder / "image.npy", image)
    for command in (
        ("fit", folder, "--method", "fake", "--bits", 32, "--out", "run"),
        ("evaluate", "run"),
        ("encode", "run", "--view", "image", "--data", folder),
        ("index", "build", "run", folder, "--view", "image", "--to", "images"),
    ):
        result = invoke(*command)
        assert result.exit_code == 0, result.output
    assert "50 items of 32 bits written, 10 lack the view; 50 in images" in result.output
    np.save("query.npy", np.load(folder / "text.npy")[0])
    result = invoke("search", "run", "--vector", "query.npy", "--from", "text", "--json", "-k", 60)
    assert result.exit_code == 0, result.output
    assert not {item["id"] for item in json.loads(result.output)} & set(WITHOUT_IMAGE)


def test_data_without_the_view_at_all_cannot_be_coded(invoke, run, tmp_path) -> None:
    from crossbit.errors import DataError
    from crossbit.indexing.items import CorpusItems
    from crossbit.runs.folder import RunFolder

    source = RunFolder(run)
    none = source.corpus.take(list(WITHOUT_IMAGE))
    with pytest.raises(DataError, match="none of the 10 items of pairs has the view 'image'"):
        CorpusItems(source.hasher, none, "image", raw=True)
