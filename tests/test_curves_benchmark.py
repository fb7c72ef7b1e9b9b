"""The benchmark by share of labels: its grid, its page and its picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import bench_values
import pytest
import tiny_grid

from benchmarks import (
    curves,
    curves_page,
    curves_plot,
    forms,
    outcomes,
    readme,
    semisupervised,
    tables,
)
from crossbit.files import write_json
from crossbit.runs.trial import Trial

pytestmark = pytest.mark.usefixtures("installed_fake")


def test_the_curves_share_their_tenth_with_the_semisupervised_grid() -> None:
    there, _ = forms.able(curves.FORMS)
    places = curves.grid(["glyphs"], there, curves.FRACTIONS, (0, 1), None)
    experiments = {(cell.label, cell.experiment.split_seed): cell.experiment for cell, _ in places}
    tenth = semisupervised.experiment("glyphs", None, semisupervised.FORMS["SCH-GAN"], 1)
    assert experiments["SCH-GAN, 10 % labels", 1] == tenth
    whole = experiments["SCH-GAN, 100 % labels", 0].labelled
    assert whole == 1.0
    assert isinstance(whole, float)  # 1 would be a single row
    # Seeds outermost, then shares.
    order = [(cell.experiment.split_seed, fraction) for cell, fraction in places]
    assert order == sorted(order)
    assert len({str(cell) for cell, _ in places}) == len(places)


def test_all_labels_are_all_rows(shapes: Path) -> None:
    experiment = tiny_grid.trial(shapes).experiment
    assert experiment.labelled == 0.5
    split = dataclasses.replace(experiment, labelled=1.0).split(experiment.corpus())
    assert len(split.labelled_rows) + len(split.validation_rows) == len(split.database_rows)


def curves_value(**more: Any) -> tables.Json:
    # At 1 % SCH-GAN is surely above, at 5 % nobody knows, at 100 % nothing is measured twice.
    heights = {
        ("SCH-GAN", 0.01): (0.3, 0.31, 0.32),
        ("Dis", 0.01): (0.1, 0.12, 0.11),
        ("Dis+", 0.01): (0.2, 0.21, 0.22),
        ("SCH-GAN", 0.05): (0.4, 0.5, 0.4),
        ("Dis", 0.05): (0.4, 0.4, 0.5),
        ("Dis+", 0.05): (0.1, 0.1),
        ("SCH-GAN", 1.0): (0.6,),
        ("Dis", 1.0): (0.5,),
    }
    runs = [
        bench_values.made_run(label, seed, figure - 0.05, fraction=fraction)
        for (label, fraction), figures in heights.items()
        for seed, figure in enumerate(figures)
    ]
    refused = {"label": "SePH", "dataset": "wikipedia", "fraction": 0.01, "what": "SePH, 1 %"}
    given = {"fractions": [0.01, 0.05, 1.0], "labels": ["SCH-GAN", "Dis", "Dis+", "SePH"]}
    given |= {"refused": [refused | {"why": "too few anchors"}], "bits": 64}
    return bench_values.made_value("curves", runs, **given | more)


def test_the_curves_page_names_the_best_other_and_where_it_is_sure() -> None:
    page = curves.render(curves_value())
    rows = bench_values.rows_of(page)
    assert rows[0][-3:] == ["1 %", "5 %", "100 %"]
    shown = {row[0]: row[1:] for row in rows}
    assert shown["SCH-GAN"] == ["**0.310** ± 0.010", "**0.433** ± 0.058", "**0.600** (1)"]
    assert shown["Dis"][1] == "**0.433** ± 0.058"
    assert shown["Dis+"][1:] == ["0.100 ± 0.000 (2)", "–"]
    assert shown["SePH"] == ["– †", "–", "–"]
    assert shown["labels that train + choose"] == ["20 + 5"] * 3
    best = shown["SCH-GAN − best other"]
    assert best[0] == "+0.100 [+0.100, +0.100] Dis+"
    assert best[1].endswith("] Dis")
    assert best[2] == "–"
    assert (
        "Wikipedia, 1 % to 25 % of the labels: the interval of SCH-GAN − best other lies above "
        "zero at 1 %; holds zero at 5 %." in page
    )
    assert "- Refused: SePH, 1 % (too few anchors)" in page
    assert "](curves.svg)" in page


def test_the_picture_of_the_curves_is_the_same_for_the_same_figures() -> None:
    value = curves_value()
    first, again = curves_plot.draw(value), curves_plot.draw(value)
    assert first == again
    text = first.decode()
    assert "<dc:date>" not in text
    assert text.count("FillBetweenPolyCollection") == 3  # a band for each method with figures
    moved = curves_value()
    moved["runs"][0]["map"]["image->text"]["expected"] += 0.1
    assert curves_plot.draw(moved) != first


def test_a_grid_by_share_of_labels_is_gathered(shapes: Path, tmp_path: Path) -> None:
    def place(part: float, **settings: Any) -> Trial:
        return tiny_grid.trial(shapes, f"one, {curves_page.percent(part)} labels", **settings)

    cells = [place(0.05), place(0.1, epochs=1), place(0.5, broken=True)]
    ended, failure = outcomes.finish(cells, tmp_path, jobs=2)
    assert failure is None
    value = curves.result(ended, [0.05, 0.1, 0.5], ["one"])
    assert [(run["label"], run["fraction"]) for run in value["runs"]] == [
        ("one", 0.05),
        ("one", 0.1),
    ]
    assert [item["fraction"] for item in value["refused"]] == [0.5]
    assert value["unfinished"] == []

    assert f"{ended[0].reports['single'].mean_map:.3f}" in curves.render(value)


def test_the_readme_shows_the_curves(tmp_path: Path) -> None:
    write_json(tmp_path / "curves.json", curves_value())
    text = readme.filled(f"{readme.BEGIN}\n{readme.END}\n", tmp_path)
    assert "(results/curves.svg)" in text
    assert "| Wikipedia | 0.310, +0.100 [+0.100, +0.100] against Dis+ | 0.433, " in text
