"""What a grid leaves: files that others read, made of what was measured."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bench_values import row, value
from PIL import Image

from crossbit.bench.figures import drawings
from crossbit.bench.publish import COLUMNS, write_results
from crossbit.bench.request import Request
from crossbit.bench.results import _rounds, finished, gather
from crossbit.runs.grid import run_grid

pytestmark = pytest.mark.usefixtures("installed_fake")


@pytest.fixture(scope="module")
def written(installed_fake, shapes: Path, tmp_path_factory: pytest.TempPathFactory):
    """The results of two methods over two seeds, one of them in three codings."""
    folder = tmp_path_factory.mktemp("trials")
    request = Request(
        "small",
        (str(shapes),),
        ("fake", "fake_together"),
        (8, 16),
        (0, 1),
        {"labelled": 0.5},
        {"fake": {"epochs": 1}},
    )
    trials, skipped = request.trials()
    run_grid(trials, folder, say=lambda text: None)
    found = gather(request, trials, skipped, folder, command="crossbit bench small.toml")
    out = tmp_path_factory.mktemp("out")
    write_results(found, finished(trials, folder), out)
    return request, trials, folder, found, out


def test_every_coding_is_a_row_with_a_figure_for_each_seed(written) -> None:
    _, trials, folder, found, _ = written
    places = [(r["method"], r["coding"], r["bits"]) for r in found["rows"]]
    assert len(set(places)) == len(places) == 8
    assert {coding for method, coding, _ in places if method == "fake"} == {"single"}
    runs = {
        (r.report.method, r.coding, r.report.bits, r.report.seed): r
        for r in finished(trials, folder)
    }
    for entry in found["rows"]:
        assert entry["dataset"] == "shapes"
        assert entry["seeds"] == [0, 1]
        for direction, values in entry["map"].items():
            for seed, figure in zip(entry["seeds"], values, strict=True):
                report = runs[entry["method"], entry["coding"], entry["bits"], seed].report
                assert figure == pytest.approx(report.map[direction].expected, abs=1e-5)
        assert entry["breaks"] == (["settings"] if entry["method"] == "fake" else [])
    assert found["unfinished"] == []
    assert found["methods"]["fake"]["settings"]["epochs"] == 1
    data = found["datasets"]["shapes"]
    assert data["features"] == {"image": 6, "text": 4}
    assert data["hashes"]["1"] == runs["fake", "single", 8, 1].report.split["hash"]
    assert {curve["bits"] for curve in found["curves"]} == {16}, "64 bits, else the longest"


def test_the_csv_is_tidy(written) -> None:
    _, trials, folder, _, out = written
    lines = list(csv.DictReader(io.StringIO((out / "results.csv").read_text())))
    assert tuple(lines[0]) == COLUMNS
    runs = finished(trials, folder)
    assert len(runs) == 16
    keys = [tuple(v for k, v in line.items() if k != "value") for line in lines]
    assert len(set(keys)) == len(keys), "one figure to a line"
    wanted = {"coding": "fused", "bits": "16", "seed": "1", "metric": "map_expected"}
    (first, _) = [line for line in lines if wanted.items() <= line.items()]
    run = next(r for r in runs if (r.coding, r.report.bits, r.report.seed) == ("fused", 16, 1))
    assert float(first["value"]) == run.report.map[first["direction"]].expected
    assert first["trial"] == run.trial.key
    assert run.report.split["hash"].startswith(first["split"])
    assert {"map_best", "map_worst", "map_random", "precision_at", "seconds_fit"} <= {
        line["metric"] for line in lines
    }


def test_json_and_pages_are_made_of_the_same_value(written) -> None:
    *_, found, out = written
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(found))
    for name in "tables.md", "tables.tex", "report.html":
        text = (out / name).read_text()
        for entry in found["rows"]:
            assert f"{np.mean(entry['map']['image->text']):.3f}" in text
    assert "<sup>d</sup>" in (out / "tables.md").read_text()


class Links(HTMLParser):
    """Collects what a page would load or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]
        assert tag not in ("script", "link", "iframe")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_no_other_file(written) -> None:
    out = written[-1]
    text = (out / "report.html").read_text()
    page = Links()
    page.feed(text)
    assert page.open == []
    assert page.found
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.found)
    assert "url(" not in text
    assert "@import" not in text


def test_figures_are_svg_and_png_of_every_method(written) -> None:
    *_, found, out = written
    names = {path.stem for path in out.glob("figure*.svg")}
    assert names == {f"figure{n}{c}" for n in (4, 5) for c in ("", "-fused", "-train")}
    for name in names:
        text = (out / f"{name}.svg").read_text()
        ElementTree.fromstring(text)
        with Image.open(out / f"{name}.png") as picture:
            assert picture.width > 600
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
    figure = {name: drawn for name, _, drawn in drawings(found)}["figure4"]
    panel = figure.axes[0]
    labels = [line.get_label() for line in panel.lines if not line.get_label().startswith("_")]
    assert sorted(labels) == ["fake", "fake_together"]
    curve = next(c for c in found["curves"] if c["method"] == "fake")["directions"]["image->text"]
    drawn = next(line for line in panel.lines if line.get_label() == "fake")
    assert drawn.get_ydata().tolist() == curve["precision_at"]


def test_the_rounds_of_the_game_are_read_from_its_history(written) -> None:
    _, trials, folder, _, _ = written
    runs = [
        dataclasses.replace(run, report=dataclasses.replace(run.report, method="schgan"))
        for run in finished(trials, folder)[:2]
    ]
    assert _rounds(runs, folder) == []
    events = [
        {"stage": "train", "validation_map": 0.25},
        {"stage": "train", "validation_map": 0.5, "generator_map": 0.375},
        {"stage": "refit", "validation_map": None},
    ]
    history = folder / runs[0].trial.key / "history.jsonl"
    history.write_text("".join(json.dumps(event) + "\n" for event in events))
    (entry,) = _rounds(runs, folder)
    history.unlink()
    assert entry["discriminator"] == [[0.25, 0.5]]
    assert entry["generator"] == [[None, 0.375]]
    assert (entry["dataset"], entry["seeds"]) == ("shapes", [0])


def test_figure_6_shows_both_players_by_round() -> None:
    rounds = {
        "dataset": "wikipedia",
        "bits": 64,
        "seeds": [0, 1],
        "discriminator": [[0.2, 0.3, 0.4], [0.3, 0.4, 0.5]],
        "generator": [[None, 0.2, 0.3], [None, 0.3, 0.4]],
    }
    found = value([row("schgan", [0.3, 0.4])], rounds=[rounds])
    drawn = {name: figure for name, _, figure in drawings(found)}
    assert set(drawn) == {"figure4", "figure5", "figure6"}
    lines = {line.get_label(): line for line in drawn["figure6"].axes[0].lines}
    assert np.allclose(lines["discriminator"].get_ydata(), [0.25, 0.35, 0.45])
    assert np.allclose(lines["generator"].get_ydata(), [np.nan, 0.25, 0.35], equal_nan=True)


def test_lines_of_all_methods_can_be_told_apart() -> None:
    from crossbit.bench import published
    from crossbit.evaluation.canvas import style

    many = len(published.known_methods())
    assert len({(style(k)["color"], style(k)["linestyle"]) for k in range(many)}) == many


def test_a_grid_that_is_not_finished_shows_what_there_is(written, tmp_path) -> None:
    request, _, folder, _, _ = written
    more = dataclasses.replace(request, seeds=(0, 1, 7))
    wanted = more.trials()[0]
    found = gather(more, wanted, [], folder, command="x")
    assert len(found["unfinished"]) == 4
    write_results(found, finished(wanted, folder), tmp_path)
    text = (tmp_path / "tables.md").read_text()
    assert "unfinished" in text.splitlines()[0]
    assert re.search(r"fake \(2 of 3 seeds\)", text)
    nothing = gather(more, wanted, [], tmp_path / "none", command="x")
    write_results(nothing, [], tmp_path / "empty")
    assert "nothing is measured yet" in (tmp_path / "empty" / "tables.md").read_text()
