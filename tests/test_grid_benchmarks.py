"""What benchmarks of grids share: figures by seed, refusals, and forms that are not there."""

from __future__ import annotations

from pathlib import Path

import bench_values
import pytest
import tiny_grid

from benchmarks import forms, outcomes, seeds
from crossbit.errors import DataError
from crossbit.files import write_text

pytestmark = pytest.mark.usefixtures("installed_fake")


def test_figures_are_paired_by_seed_and_missing_seeds_are_marked() -> None:
    runs = [bench_values.made_run("a", s, 0.2 + 0.01 * s) for s in (2, 0, 1)]
    runs += [bench_values.made_run("b", s, 0.1 + 0.01 * s) for s in (0, 2, 7)]
    value = {"runs": runs}
    a, b = seeds.by_seed(value, "mean", label="a"), seeds.by_seed(value, "mean", label="b")
    assert a == pytest.approx({0: 0.25, 1: 0.26, 2: 0.27})
    assert seeds.by_seed(value, "text->image", label="a", seed=1) == pytest.approx({1: 0.31})
    found = seeds.paired(a, b)
    assert found is not None
    assert (found.pairs, found.mean) == (2, pytest.approx(0.1))
    assert seeds.paired({0: 0.1}, {0: 0.2}) is None
    assert seeds.difference(found, 3) == "+0.100 [+0.100, +0.100] (2)"
    assert seeds.difference(None, 3) == "–"
    assert seeds.spread(a, 3) == "0.260 ± 0.010"
    assert seeds.spread(a, 5, bold=True) == "**0.260** ± 0.010 (3)"
    assert seeds.spread({}, 3) == "–"


def test_runs_on_different_splits_are_not_paired() -> None:
    runs = [
        bench_values.made_run("a", 0, 0.2, fraction=0.1),
        bench_values.made_run("b", 0, 0.2, fraction=0.1),
    ]
    seeds.check_splits(runs, "dataset", "seed", "fraction")
    runs[1]["split"] = {**runs[1]["split"], "hash": "other"}
    with pytest.raises(DataError, match="b had another split than the others with dataset wiki"):
        seeds.check_splits(runs, "dataset", "seed", "fraction")


def test_a_refusal_is_an_outcome_and_a_crash_a_failure(shapes: Path, tmp_path: Path) -> None:
    cells = [
        tiny_grid.trial(shapes, "refuses", broken=True),
        tiny_grid.trial(shapes, "works", method="fake_together"),
    ]
    found, failure = outcomes.finish(cells, tmp_path, jobs=2)
    assert failure is None
    assert [outcome.cell.label for outcome in found] == ["refuses", "works"]
    assert found[0].refusal == "broken is true; set it to false"
    assert found[0].reports == {}
    assert set(found[1].reports) == {"single", "fused", "train"}
    assert found[1].refusal == ""
    # A number of rounds that no loop can count to: an exception that is no sentence of ours.
    crash = tiny_grid.trial(shapes, "crashes", pause=-1.0)
    found, failure = outcomes.finish([cells[0], crash], tmp_path, jobs=1)
    assert failure is not None
    assert "1 trials failed, the first: crashes" in str(failure)
    assert [bool(outcome.refusal) for outcome in found] == [True, False]


def test_what_lacks_is_left_out_and_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(forms, "ROOT", tmp_path)
    write_text(tmp_path / "experiments" / "there.toml", '[method]\nname = "fake"\nrounds = 7\n')
    asked: dict[str, forms.Form] = {
        "known": ("fake", {}),
        "file": "there.toml",
        "no file": "elsewhere.toml",
        "no method": ("fakest", {}),
    }
    there, left_out = forms.able(asked)
    assert list(there) == ["known", "file"]
    assert left_out == [
        {"what": "no file", "why": "there is no experiments/elsewhere.toml"},
        {"what": "no method", "why": "there is no method 'fakest' in this version"},
    ]
