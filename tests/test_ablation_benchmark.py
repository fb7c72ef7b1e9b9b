"""The ablation: every form is a setting that counts, judged on development rows alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import ablation, tables
from benchmarks.tables import RESULTS
from crossbit import methods
from crossbit.runs.config import ExperimentConfig


@pytest.mark.parametrize(
    ("method", "name"),
    [(method, name) for method, forms in ablation.FORMS.items() for name in forms],
)
def test_a_form_changes_the_default(method: str, name: str) -> None:
    changed = ablation.FORMS[method][name]
    default = methods.get(method)().settings
    assert changed.items() <= methods.get(method)(**changed).settings.items()
    assert not changed.items() <= default.items()


@pytest.mark.parametrize(("method", "labelled"), [("schgan", 0.1), ("ugach", 5000)])
def test_a_plan_holds_the_change_and_keeps_the_queries(method: str, labelled: float) -> None:
    experiment = ablation.experiment(
        method, "mirflickr", "/elsewhere", {"generator_loss": "policy_gradient"}, 101
    )
    assert isinstance(experiment, ExperimentConfig)
    assert experiment.settings["generator_loss"] == "policy_gradient"
    assert (experiment.settings["bits"], experiment.settings["seed"], experiment.split_seed) == (
        64,
        101,
        101,
    )
    assert (experiment.query_seed, experiment.labelled) == (12345, labelled)


def test_cells_are_developments_and_every_form_meets_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(ablation, "run_grid", lambda cells, *_, **__: seen.extend(cells) or [])
    monkeypatch.setattr(ablation, "result", lambda name, reports, pairs: {"pairs": pairs})
    monkeypatch.setattr(ablation, "publish", lambda value, *_, **kept: seen.append((value, kept)))
    from benchmarks.__main__ import main

    assert main(["ablation", "--seeds", "100", "--methods", "ugach", "--root", "/elsewhere"]) == 0
    *cells, (value, kept) = seen
    assert all(cell.development for cell in cells)
    assert len(cells) == len(ablation.DATASETS["ugach"]) * (1 + len(ablation.FORMS["ugach"]))
    assert {cell.experiment.method for cell in cells} == {"ugach"}
    assert value["pairs"] == [("UGACH", f"UGACH, {name}") for name in ablation.FORMS["ugach"]]
    assert kept["whole"] is False


def test_the_page_gives_each_forms_difference_at_a_glance() -> None:
    value = json.loads((RESULTS / "ablation.json").read_text())
    page = tables.page(value, ablation.render)
    assert page == (RESULTS / "ablation.md").read_text()
    wanted = next(
        item["paired"]
        for item in value["differences"]
        if (item["against"], item["dataset"]) == ("SCH-GAN, no picks", "glyphs")
        and item["direction"] == "mean"
    )
    row = next(line for line in page.splitlines() if line.startswith("| no picks |"))
    shown = f"{wanted['mean']:+.3f} [{wanted['low']:+.3f}, {wanted['high']:+.3f}]"
    assert row.split(" | ")[2] == shown
