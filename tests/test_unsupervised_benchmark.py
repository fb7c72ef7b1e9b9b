"""The benchmark without labels: its splits, codings that never mix, and what it claims."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bench_values
import numpy as np
import pytest
import tiny_grid

from benchmarks import (
    forms,
    outcomes,
    readme,
    tables,
    tune_unsupervised,
    unsupervised,
    unsupervised_page,
)
from benchmarks.outcomes import Outcome
from crossbit import methods
from crossbit.bench.request import PAPER, Request
from crossbit.files import write_json

pytestmark = pytest.mark.usefixtures("installed_fake")


def test_unsupervised_cells_are_those_of_the_papers_grid() -> None:
    request = Request.read(PAPER)
    for dataset in unsupervised.DATASETS:
        experiment = unsupervised.experiment(dataset, None, ("cvh", {}), 32, 3)
        assert experiment == request.experiment(dataset, "cvh", 32, 3)
    assert unsupervised.experiment("mirflickr", None, ("cvh", {}), 32, 3).query_seed == 12345
    there, _ = forms.able(unsupervised.FORMS)
    for form in there.values():
        experiment = unsupervised.experiment("wikipedia", "/elsewhere", form, 16, 2)
        assert (experiment.settings["bits"], experiment.settings["seed"]) == (16, 2)
        assert "labels" not in methods.get(experiment.method).requires
    if "ucch" in methods.names():
        kept = unsupervised.experiment("wikipedia", None, unsupervised.FORMS["UCCH, memory"], 16, 2)
        assert kept.settings["kernel_head"] == "auto"


def unsupervised_value() -> tables.Json:
    def run(label: str, seed: int, figure: float, bits: int, coding: str = "single") -> tables.Json:
        return bench_values.made_run(label, seed, figure, bits=bits, coding=coding)

    # UGACH is above all at 16 bits, below CCQ at 64, and above UCCH at both.
    heights = {"CVH": (0.1, 0.1), "PDH": (0.1, 0.1), "CMFH": (0.1, 0.1), "CCQ": (0.2, 0.5)}
    heights |= {"UCCH": (0.25, 0.35), "UGACH": (0.3, 0.4)}
    runs = [
        run(label, seed, height + 0.001 * seed * (label == "UGACH"), bits)
        for label, both in heights.items()
        for bits, height in zip((16, 64), both, strict=True)
        for seed in (0, 1, 2)
        if (label, bits, seed) != ("PDH", 64, 2)
    ]
    runs += [run("CMFH", seed, 0.9, 64, "fused") for seed in (0, 1, 2)]
    lacks = {"left_out": [{"what": "X", "why": "there is none"}], "unfinished": ["PDH, 64 bits"]}
    return bench_values.made_value("unsupervised", runs, bits=[16, 64], **lacks)


def test_the_unsupervised_page_never_mixes_codings_and_counts_columns() -> None:
    page = unsupervised.render(unsupervised_value())
    rows = bench_values.rows_of(page)
    ugach = next(row for row in rows if row[0] == "UGACH")
    assert ugach[1:] == [
        "**0.301** ± 0.001",
        "0.401 ± 0.001",
        "**0.401** ± 0.001",
        "0.501 ± 0.001",
        "12.3",
    ]
    assert next(row for row in rows if row[0] == "CCQ")[2] == "**0.500** ± 0.000"
    assert next(row for row in rows if row[0] == "PDH")[2] == "0.100 ± 0.000 (2)"
    # 0.9 would lead every column at 64 bits, were it not coded otherwise.
    fused = next(row for row in rows if row[:2] == ["CMFH", "fused"])
    assert fused[2:] == ["–", "0.900 ± 0.000", "–", "1.000 ± 0.000"]
    assert "above all of CVH, PDH, CMFH and CCQ in 2 of 4 columns, surely in 2" in page
    assert "above UCCH in 4 of 4 columns, surely in 4" in page
    gap = next(row for row in rows if row[0] == "UGACH − CCQ")
    assert gap[1] == "+0.101 [+0.099, +0.103]"
    assert gap[2].startswith("-0.099 [")
    assert "- Left out: X (there is none)\n" in page
    assert "- **Not finished**: 1 cells, the first: PDH, 64 bits" in page


def test_a_lead_that_seeds_do_not_share_is_not_certain() -> None:
    value = unsupervised_value()
    for run in value["runs"]:
        if (run["label"], run["seed"]) == ("UCCH", 2):
            for figures in run["map"].values():
                figures["expected"] += 0.1
    verdict = unsupervised_page.verdict(value)
    assert "above UCCH in 4 of 4 columns, surely in 0" in verdict
    value["runs"] = [run for run in value["runs"] if run["label"] != "UCCH"]
    assert "not yet compared with UCCH" in unsupervised_page.verdict(value)


def test_a_grid_without_labels_is_gathered_in_every_coding(shapes: Path, tmp_path: Path) -> None:
    cells = [tiny_grid.trial(shapes, "one", seed, "fake_together") for seed in (0, 1)]
    cells.append(tiny_grid.trial(shapes, "waits", 2))
    found, _ = outcomes.finish(cells[:2], tmp_path, jobs=2)
    value = unsupervised.result([*found, Outcome(cells[2], {})])
    assert {(run["coding"], run["seed"]) for run in value["runs"]} == {
        (coding, seed) for coding in ("single", "fused", "train") for seed in (0, 1)
    }
    assert (value["labels"], value["bits"], value["seeds"]) == (["one", "waits"], [16], [0, 1, 2])
    assert value["unfinished"] == [str(cells[2])]
    row = next(r for r in bench_values.rows_of(unsupervised.render(value)) if r[0] == "one")
    figure = np.mean([run.reports["single"].map["image->text"].expected for run in found])
    assert row[1].startswith(f"**{figure:.3f}** ± ")
    assert row[1].endswith(" (2)")


def test_a_stopped_grid_is_published_before_it_is_raised(
    shapes: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    """What is finished stands in the results, with a note of what lacks."""
    from crossbit.runs.grid import UnfinishedError

    waits = tiny_grid.trial(shapes, "CVH", 0)
    done = tiny_grid.trial(shapes, "UGACH", 0, epochs=1)
    found, _ = outcomes.finish([done], tmp_path / "cells", jobs=1)
    stopped = UnfinishedError("stopped", stopped=True)

    def finish(*_: Any, **__: Any) -> Any:
        return [*found, Outcome(waits, {})], stopped

    monkeypatch.setattr(unsupervised, "finish", finish)
    monkeypatch.setattr(unsupervised, "RESULTS", tmp_path)
    monkeypatch.setattr(unsupervised, "experiment", lambda *_: waits.experiment)
    chosen = SimpleNamespace(datasets=None, bits=None, forms=None, seeds=None, jobs=1, root=None)
    with pytest.raises(UnfinishedError):
        unsupervised.run(chosen)  # type: ignore[arg-type]
    page = (tmp_path / "unsupervised.md").read_text()
    assert "**Not finished**: 1 cells" in page
    assert f"{found[0].reports['single'].map['image->text'].expected:.3f}" in page


def test_the_readme_shows_rows_per_view_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "unsupervised.json", unsupervised_value())
    text = readme.filled(f"{readme.BEGIN}\n{readme.END}\n", tmp_path)
    assert "| **UGACH** | 0.401 / 0.501 |" in text
    assert "| PDH | 0.100 / 0.200, 2 of 3 seeds |" in text
    assert "0.900" not in text


def test_trials_without_labels_start_from_settings_that_exist() -> None:
    rows = [
        {"method": m, "settings": s, "first": 0.5 - 0.01 * i, "second": 0.4 if i < 2 else None}
        for m in tune_unsupervised.SPACES
        for i, s in enumerate(tune_unsupervised.SEARCH.trials(m))
    ]
    page = tune_unsupervised.render(tables.head("tune_unsupervised") | {"trials": rows})
    assert page.count("as before | 0.5000 | 0.4000 | 0.4500") == len(tune_unsupervised.SPACES)
    assert all(f"## {method}\n" in page for method in tune_unsupervised.SPACES)
    experiment = tune_unsupervised.experiment("wikipedia", None, ("ugach", {"init_std": 0.5}), 100)
    assert (
        experiment.split_seed,
        experiment.settings["bits"],
        experiment.settings["init_std"],
    ) == (
        100,
        64,
        0.5,
    )
