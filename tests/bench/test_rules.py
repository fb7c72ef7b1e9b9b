"""The rules of a fair comparison are checked on what was run, not believed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_grid import trial

from crossbit.bench.results import RULES, Run, broken
from crossbit.evaluation.report import Report
from crossbit.runs.trial import Trial


@pytest.fixture
def run(finished_grid):
    """Return a function that makes a run like the first of the grid, but for some facts."""
    trials, _, reports, _ = finished_grid

    def make(of: int = 0, cell_: Trial | None = None, **facts: Any) -> Run:
        report: Report = reports[of]
        split = {**report.split, **facts.pop("split", {})}
        return Run(cell_ or trials[of], "view", dataclasses.replace(report, split=split, **facts))

    return make


def test_runs_of_one_split_with_default_settings_break_nothing(run) -> None:
    assert broken([run(0), run(0, method="fake"), run(2)], {}) == [set(), set(), set()]


def test_settings_off_the_defaults_need_a_record_of_their_tuning(run) -> None:
    runs = [run(0), run(1)]  # the second with epochs=1
    assert broken(runs, {}) == [set(), {"settings"}]
    assert broken(runs, {"fake": "results/tune.md"}) == [set(), set()]


def test_another_split_with_one_seed_is_found(run) -> None:
    runs = [run(0), run(0), run(0, split={"hash": "f" * 64}), run(2)]
    assert broken(runs, {}) == [set(), set(), {"split"}, set()]


def test_transductive_runs_and_choices_without_validation_are_found(run) -> None:
    assert broken([run(0, split={"transductive": True})], {}) == [{"transductive"}]
    assert broken([run(0, trained={"validation_map": None})], {}) == [{"validation"}]
    assert broken([run(0, trained={})], {}) == [set()], "it chooses nothing"


def test_other_data_under_one_name_are_found(run, shapes: Path, tmp_path: Path) -> None:
    other = tmp_path / shapes.name
    other.mkdir()
    for name in "image", "text", "labels":
        rows = np.load(shapes / f"{name}.npy")
        np.save(other / f"{name}.npy", rows if name != "text" else rows + 1)
    runs = [run(0), run(0), run(0, cell_=trial(other))]
    assert broken(runs, {}) == [set(), set(), {"data"}]


def test_every_rule_has_a_mark_of_its_own() -> None:
    assert len({mark for mark, _ in RULES.values()}) == len(RULES)
