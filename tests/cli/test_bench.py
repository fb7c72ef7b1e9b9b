"""`crossbit bench`: what it runs, what it leaves, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossbit.bench import published
from crossbit.bench.request import Request
from crossbit.cli.live import GridView
from crossbit.runs.grid import run_grid

pytestmark = pytest.mark.usefixtures("installed_fake")
PROGRAM = "from crossbit.cli import main; main()"


def test_a_grid_runs_once_and_leaves_its_results(invoke, shapes, tmp_path) -> None:
    arguments = ("bench", "--data", shapes, "--method", "fake", "--method", "fake_together")
    arguments += ("--bits", "8,16", "--seeds", "0,1", "--labelled", "0.5", "--out", "found")
    listed = invoke(*arguments, "--dry-run")
    assert listed.exit_code == 0
    assert listed.stdout.count("to run") == 8
    assert listed.stdout.endswith("8 trials\n")
    assert not list(tmp_path.iterdir()), "nothing was run or written"
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert "8 trials, 0 of them finished before" in done.stderr
    assert "report in found/report.html" in done.stdout
    assert "train codes" in done.stdout, "the table is printed"
    assert {path.name for path in (tmp_path / "found").iterdir()} >= {
        "results.csv",
        "results.json",
        "tables.md",
        "tables.tex",
        "report.html",
        "figure4.svg",
        "figure5.png",
    }
    again = invoke(*arguments[:-1], "again")
    assert "8 trials, 8 of them finished before" in again.stderr
    assert invoke(*arguments, "--dry-run").stdout.count("finished") == 8
    first, second = (json.loads(Path(f"{n}/results.json").read_text()) for n in ("found", "again"))
    assert first["rows"] == second["rows"]
    wider = invoke(*arguments, "--bits", "8,16,24")
    assert "12 trials, 8 of them finished before" in wider.stderr


def test_a_failed_cell_stops_no_other_and_ends_in_1(invoke, shapes, tmp_path) -> None:
    config = tmp_path / "mixed.toml"
    config.write_text(
        f'[grid]\ndata = ["{shapes}"]\nmethods = ["fake", "fake_together"]\nbits = [8]\n'
        "seeds = [0]\n[settings.fake]\nbroken = true\n"
    )
    result = invoke("bench", config, "--jobs", 1)
    assert result.exit_code == 1
    assert "FAILED fake, " in result.stderr
    assert "log.txt" in result.stderr
    assert "1 of 2 trials failed, the first: fake" in result.stderr
    assert "broken is true" in result.stderr
    table = Path("runs/bench/mixed/tables.md").read_text()
    assert "unfinished" in table
    assert "| fake | – | – |" in table
    assert "| fake\\_together | fused |" in table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "fakee"), "did you mean 'fake'"),
        (("--method", "fake", "--data", "glyfs"), "did you mean 'glyphs'"),
        (("--method", "fake", "--bits", "7"), "bits must be from 8 to 1024, got 7"),
        (("--method", "fake", "--bits", "x"), "--bits is 'x'; give whole numbers"),
        (("--method", "fake", "--seeds", "-1"), "seeds must be whole numbers"),
        (("--method", "fake", "--labelled", "few"), "give a count such as 500"),
        (("--method", "fake", "--labelled", "5000"), "ask for less"),
        (("--method", "fake", "--jobs", "0"), "jobs must be at least 1"),
        ((), "name methods, for example `--method cvh`"),
        (("nowhere.toml",), "no configuration file nowhere.toml"),
        (("nowhere.toml", "--paper"), "--paper is a grid of its own"),
        (("--paper", "--method", "dsi"), "did you mean 'dis'"),
    ],
)
def test_mistakes_end_in_2_before_any_cell(invoke, shapes, tmp_path, arguments, words) -> None:
    result = invoke("bench", "--data", shapes, *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.strip().count("\n") == result.stderr.count("left out")
    assert not (tmp_path / "runs").exists()


def test_the_paper_grid_says_what_it_runs_without(invoke, monkeypatch) -> None:
    monkeypatch.setitem(published.DATASETS, "elsewhere", "Elsewhere")
    result = invoke("bench", "--paper", "--data", "elsewhere", "--method", "dis", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "left out: elsewhere (not in this version)" in result.stderr
    assert result.stdout == "0 trials\n"


def test_ctrl_c_ends_in_130_with_the_tables_of_what_is_done(shapes, tmp_path) -> None:
    config = tmp_path / "slow.toml"
    config.write_text(
        f'[grid]\ndata = ["{shapes}"]\nmethods = ["fake_together", "fake"]\nbits = [8]\n'
        "seeds = [0]\n[settings.fake]\nepochs = 100\npause = 0.3\n"
    )
    command = [sys.executable, "-c", PROGRAM, "bench", str(config), "--jobs", "1"]
    run = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120

    def begun_and_finished() -> bool:
        """One cell has its report, and another one its checkpoint."""
        found = list(tmp_path.glob("runs/bench/trials/*"))
        done = [cell for cell in found if (cell / "report.json").exists()]
        begun = [cell for cell in found if (cell / "checkpoint" / "mix.npy").exists()]
        return bool(done) and bool(set(begun) - set(done))

    while not begun_and_finished():
        assert time.monotonic() < deadline
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    out, error = run.communicate(timeout=60)
    assert run.returncode == 130, error
    assert "run the same command to go on" in error
    assert "FAILED" not in error
    assert "report in runs/bench/slow/report.html" in out
    left = list(tmp_path.glob("runs/bench/trials/*/checkpoint"))
    assert len(left) == 1
    assert "unfinished" in (tmp_path / "runs/bench/slow/tables.md").read_text()
    quick = config.read_text().replace("pause = 0.3", "pause = 0.0")
    config.write_text(quick)
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "2 trials, 1 of them finished before" in again.stderr


def test_the_live_table_shows_progress_and_map_so_far(
    shapes, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "150")
    request = Request(
        "x", (str(shapes),), ("fake",), (8, 16), (0,), settings={"fake": {"pause": 0.2}}
    )
    cells, _ = request.trials()
    with GridView(cells, tmp_path, 1) as view:
        assert view.live is not None
        run_grid(cells, tmp_path, jobs=1, say=view.say, watch=view)
    shown = capsys.readouterr().err
    assert "0 of 2 trials, 0 finished before" in shown
    assert "1 of 2 trials" in shown
    assert "left" in shown
    assert "train " in shown
    assert "[2/2] fake" in shown
    assert "8 bits" in shown
    assert "(1)" in shown
