"""The HTML page, its plots and the gallery: self-contained, escaped, and showing what they say."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from crossbit.errors import DataError
from crossbit.evaluation import canvas, evaluate, gallery, page, plots
from crossbit.evaluation.gallery import RIGHT, WRONG, _wrapped
from crossbit.splits import make_split

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects texts, attributes and bold cells, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.best: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append("best" if ("class", "best") in attrs else tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() in (tag, "best")

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] == "best":
            self.best.append(data)


@pytest.fixture(scope="module")
def reports(split, build):
    _, projection = build
    return [
        evaluate(projection(bits=32, noise=noise).fit(split.train), split, label=label)
        for label, noise in (("clean & <good>", 0.1), ("noisy", 3.0))
    ]


def test_the_page_is_well_formed_self_contained_and_escaped(reports):
    found = Checker(page(reports, title="A <script>alert(1)</script>", introduction="1 < 2"))
    assert found.links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in found.links)
    text = "".join(found.texts)
    assert text.count("A <script>alert(1)</script>") == 2  # title and heading
    assert "clean & <good>" in text
    assert "1 < 2" in text
    assert reports[0].split["hash"] in text
    assert "http" not in text


def test_the_best_values_are_bold_only_on_one_split(reports, build):
    make_corpus, projection = build
    best = Checker(page(reports, title="t")).best
    assert f"{reports[0].mean_map:.3f}" in best
    assert f"{reports[1].mean_map:.3f}" not in best
    assert Checker(page(reports[:1], title="t")).best == []
    other = make_split(make_corpus(), seed=1)
    elsewhere = evaluate(projection(bits=32).fit(other.train), other)
    assert Checker(page([reports[0], elsewhere], title="t")).best == []


def test_gallery_and_histories_are_shown(reports, hasher, split):
    picture = gallery(hasher, split, queries=2, per_query=3)
    history = {"noisy": [{"stage": "train", "validation_map": 0.1 * k} for k in range(4)]}
    html = page(reports, title="t", gallery=picture, histories=history, extra_html="<p>mine</p>")
    found = Checker(html)
    assert f"data:image/png;base64,{base64.b64encode(picture).decode()}" in found.links
    assert len(found.links) == 1 + 4
    assert "mine" in found.texts


def test_a_page_of_nothing_is_refused():
    with pytest.raises(DataError, match="at least one report"):
        page([], title="t")


def test_plots_are_svg_that_draw_every_run_and_repeat_to_the_byte(reports):
    for plot in (plots.precision_recall_plot, plots.top_n_plot, plots.radius_plot):
        drawn = plot(reports)
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        for colour in canvas.COLOURS[:2]:
            assert colour.lower().encode() in drawn.lower()
        assert plot(reports) == drawn


def test_no_panel_cuts_its_lines_off(reports, monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "svg", lambda figure: figures.append(figure) or b"")
    plots.precision_recall_plot(reports)
    plots.top_n_plot(reports)
    plots.radius_plot(reports)
    for figure in figures:
        for axes in figure.axes:
            assert len(axes.lines) >= 2
            top = max(np.max(line.get_ydata()) for line in axes.lines)
            assert axes.get_ylim()[0] == 0
            assert axes.get_ylim()[1] > top


def test_history_marks_the_best_round_and_leaves_out_runs_without_validation(monkeypatch):
    events = [{"stage": "pretrain", "validation_map": 0.2}, {"stage": "game", "loss": {}}]
    events += [{"stage": "game", "validation_map": value} for value in (0.5, 0.4)]
    figures = []
    monkeypatch.setattr(plots, "svg", lambda figure: figures.append(figure) or b"svg")
    assert plots.history_plot({"a": events, "b": [{"validation_map": None}]}) == b"svg"
    line, begins, best = figures[0].axes[0].lines
    assert line.get_xydata().tolist() == [[1, 0.2], [3, 0.5], [4, 0.4]]
    assert begins.get_xydata().tolist() == [[3, 0.5]]
    assert best.get_xydata().tolist() == [[3, 0.5]]
    assert plots.history_plot({"b": []}) is None


def frames(png: bytes, colour: str) -> int:
    """Count the pixels of a frame colour."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return int((np.abs(image - rgb).max(axis=2) < 6).sum())


def test_the_gallery_frames_right_and_wrong_answers(split, build):
    _, projection = build
    good = gallery(projection(bits=64).fit(split.train), split)
    bad = gallery(projection(bits=8, noise=50.0).fit(split.train), split)
    assert frames(good, RIGHT) > 5 * frames(good, WRONG)
    assert frames(bad, WRONG) > frames(good, WRONG)
    assert gallery(projection(bits=64).fit(split.train), split) == good


def test_gallery_rows_choose_the_queries(hasher, split):
    one = gallery(hasher, split, rows=[3], per_query=2)
    other = gallery(hasher, split, rows=[4], per_query=2)
    assert one != other
    assert one == gallery(hasher, split, rows=[3], per_query=2)


def test_a_gallery_of_vectors_is_refused(build):
    make_corpus, projection = build
    part = make_split(make_corpus(raw=False), queries=20)
    with pytest.raises(DataError, match="no raw pictures or texts"):
        gallery(projection(bits=16).fit(part.train), part)


def test_long_texts_are_cut_to_the_cell():
    lines = _wrapped("supercalifragilisticexpialidocious " + "word " * 60).split("\n")
    assert len(lines) == 6
    assert max(map(len, lines)) <= 13
    assert lines[0] == "supercalifra…"
    assert lines[-1].endswith("…")
    assert _wrapped("  short\n text ") == "short text"
    assert _wrapped("") == ""
