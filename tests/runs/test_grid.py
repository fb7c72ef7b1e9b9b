"""The grid keeps what is finished, and runs again what code, data or settings have changed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from tiny_grid import trial

from crossbit import methods
from crossbit.files import write_json
from crossbit.runs import code_hash, fit, grid
from crossbit.runs import trial as trials_module
from crossbit.runs.grid import UnfinishedError, load_reports, run_grid
from crossbit.runs.trial import Trial
from crossbit.splits import make_split

pytestmark = pytest.mark.usefixtures("installed_fake")


def test_a_grid_gives_the_reports_of_its_cells_in_order(finished_grid) -> None:
    trials, _, reports, said = finished_grid
    assert [(r.label, r.seed) for r in reports] == [
        (c.label, c.experiment.settings["seed"]) for c in trials
    ]
    assert [r.settings["epochs"] for r in reports] == [3, 1, 3, 1]
    names = {path.name for path in next(finished_grid[1].iterdir()).iterdir()}
    assert {"report.json", "report.csv", "query_ap.npz", "log.txt"} <= names
    assert "report.html" not in names, "the grid draws one page of all"
    assert all(report.mean_map > 0.6 for report in reports)
    assert all(report.seconds["fit"] >= 0 for report in reports)
    assert len({report.split["hash"] for report in reports}) == 2  # one split for each seed
    assert said[0] == "4 trials, 0 of them finished before; 2 at a time"
    assert sorted(line.split("]")[0] for line in said[1:]) == ["[1/4", "[2/4", "[3/4", "[4/4"]


def test_a_finished_cell_is_not_run_again(finished_grid, monkeypatch) -> None:
    trials, folder, reports, _ = finished_grid

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    renamed = [dataclasses.replace(trials[0], label="a better name"), *trials[1:]]
    said: list[str] = []
    again = run_grid(renamed, folder, say=said.append)
    assert [r.map for r in again] == [r.map for r in reports]
    assert again[0].label == "a better name"
    assert said == ["4 trials, 4 of them finished before; 2 at a time"]


def test_the_key_follows_what_decides_the_figure_and_nothing_else(shapes, tmp_path) -> None:
    base = trial(shapes)
    experiment = base.experiment
    assert dataclasses.replace(base, label="x").key == base.key
    assert trial(shapes, epochs=3).key == base.key  # a default, spelt out
    others = [
        trial(shapes, epochs=4),
        trial(shapes, seed=1),
        Trial("one", dataclasses.replace(experiment, split_seed=1)),
        Trial("one", dataclasses.replace(experiment, labelled=0.4)),
        Trial("one", dataclasses.replace(experiment, validation=0.5)),
    ]
    assert len({base.key, *(other.key for other in others)}) == 6
    changed = tmp_path / "shapes"
    shutil.copytree(shapes, changed)
    before = trial(changed).key
    np.save(changed / "text.npy", np.load(shapes / "text.npy") + 1)
    trials_module.dataset_info.cache_clear()
    assert trial(changed).key != before


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("metrics/ranking.py", True),
        ("methods/base.py", True),
        ("evaluation/evaluate.py", True),
        ("methods/deep/dis.py", False),
        ("cli/fit.py", False),
        ("evaluation/html.py", False),
    ],
)
def test_code_counts_if_it_decides_figures(file: str, counts: bool, tmp_path, monkeypatch) -> None:
    copy = tmp_path / "crossbit"
    shutil.copytree(code_hash.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_hash, "PACKAGE", copy)
    method = methods.get("fake")
    before = code_hash.code_hash(method)
    text = (copy / file).read_text()
    (copy / file).write_text("# a comment\n" + text.replace('"""', '"""In other words: ', 1))
    assert code_hash.code_hash(method) == before
    (copy / file).write_text(text + "\nCHANGED = 1\n")
    assert (code_hash.code_hash(method) != before) is counts


def test_a_cell_that_fails_loses_no_other(shapes, tmp_path) -> None:
    trials = [trial(shapes, "broken", broken=True), trial(shapes, "whole", epochs=1)]
    said: list[str] = []
    with pytest.raises(UnfinishedError, match=r"1 of 2 trials failed.*broken is true"):
        run_grid(trials, tmp_path, jobs=1, say=said.append)
    assert any(line.startswith("FAILED broken, ") and "log.txt" in line for line in said)
    assert (tmp_path / trials[1].key / "report.json").exists()
    assert not (tmp_path / trials[0].key / "report.json").exists()


def test_settings_are_chosen_on_rows_that_the_plan_does_not_query(shapes, tmp_path) -> None:
    chosen = dataclasses.replace(trial(shapes), development=True)
    assert chosen.key != trial(shapes).key
    (report,) = run_grid([chosen], tmp_path, say=lambda text: None)
    corpus = chosen.experiment.corpus()
    rows = chosen.experiment.split(corpus).database
    own = make_split(rows, "random", chosen.experiment.split_seed, queries=0.1, labelled=0.5)
    assert report.split["hash"] == own.hash
    assert report.split["query"] + report.split["database"] == len(rows) < len(corpus)


def test_one_fit_serves_every_coding(shapes, tmp_path) -> None:
    chosen = trial(shapes, "both", method="fake_together")
    (report,) = run_grid([chosen], tmp_path, say=lambda text: None)
    folder = tmp_path / chosen.key
    found = load_reports(folder)
    assert list(found) == ["single", "fused", "train"]
    assert [r.coding.partition(":")[0] for r in found.values()] == [
        "single",
        "fused",
        "train codes",
    ]
    assert found["single"].map == report.map
    assert found["fused"].mean_map > report.mean_map
    assert (folder / "log.txt").read_text().count('"epoch": 3') == 1, "one fit"
    assert load_reports(tmp_path / "nothing") == {}
    # A database that was trained on in part has no train codes, and that is no failure.
    lost = tmp_path / "duplicates"
    shutil.copytree(shapes, lost)
    for view in "image", "text":
        rows = np.load(lost / f"{view}.npy")
        rows[1:46:3] = rows[1]  # equal to a query, so kept out of training
        np.save(lost / f"{view}.npy", rows)
    second = Trial("lost", dataclasses.replace(chosen.experiment, data=str(lost)))
    run_grid([second], tmp_path, say=lambda text: None)
    assert list(load_reports(tmp_path / second.key)) == ["single", "fused"]
    assert "no train codes: some of these rows" in (tmp_path / second.key / "log.txt").read_text()


def test_a_method_that_needs_no_labels_sees_none(shapes) -> None:
    split = trial(shapes).experiment.split(trial(shapes).experiment.corpus())
    labels = methods.get("fake")(bits=8)
    assert fit._train(labels, split) is split.train

    class Blind(methods.get("fake")):
        requires = frozenset({"pairs"})

    assert not fit._train(Blind(bits=8), split).labelled.any()


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(shapes, tmp_path) -> None:
    slow = trial(shapes, epochs=30, pause=0.2)
    code = (
        "import sys, json; from pathlib import Path; from crossbit.runs.grid import *\n"
        "from crossbit.runs.config import ExperimentConfig\n"
        "from crossbit.runs.trial import Trial\n"
        "config = ExperimentConfig.from_json(json.loads(sys.argv[1]))\n"
        "try:\n    run_grid([Trial('slow', config)], Path(sys.argv[2]))\n"
        "except UnfinishedError as error:\n    sys.exit(str(error))\n"
    )
    write_json(tmp_path / "plan.json", slow.experiment.to_json())
    run = subprocess.Popen(
        [sys.executable, "-c", code, (tmp_path / "plan.json").read_text(), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = tmp_path / slow.key
    deadline = time.monotonic() + 60
    while not (folder / "checkpoint" / "mix.npy").exists():
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out, error = run.communicate(timeout=60)
    assert run.returncode == 1
    assert error.strip().endswith("run the same command to go on")
    assert "FAILED" not in out
    assert not (folder / "report.json").exists()
    done = np.load(folder / "checkpoint" / "mix.npy")[0, 0]
    assert 1 <= done < 30

    quick = {**slow.experiment.settings, "pause": 0.0}  # the same weights, without the waiting
    write_json(
        folder / "trial.json",
        {
            "label": "slow",
            "experiment": dataclasses.replace(slow.experiment, settings=quick).to_json(),
            "development": False,
        },
    )
    record = json.loads((folder / "run.json").read_text())
    record["method"]["pause"] = 0.0
    write_json(folder / "run.json", record)
    command = [sys.executable, "-m", "crossbit.runs.worker", str(folder)]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f'"epoch": {int(done) + 1}' in again.stdout.splitlines()[0]
    resumed = grid.Report.load(folder)
    assert "fit" not in resumed.seconds
    (straight,) = run_grid([trial(shapes, epochs=30)], tmp_path / "straight")
    assert resumed.map == straight.map
    assert not (folder / "checkpoint").exists()
