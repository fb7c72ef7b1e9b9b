"""`crossbit fit`: what it writes, how it resumes, and that nothing is ever half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossbit import load
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.folder import RunFolder

SUPPORT = Path(__file__).parents[1] / "support"
PROGRAM = (
    f"import sys; sys.path.insert(0, {str(SUPPORT)!r})\n"
    "from crossbit import methods\n"
    "methods.BUILT_IN['fake'] = 'fake_method:Fake'\n"
    "from crossbit.cli import main\n"
    "main()\n"
)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_run_holds_model_split_and_record(finished: Path, table: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {"config.json", "model.safetensors", "run.json", "split.json"}
    record = json.loads((finished / "run.json").read_text())
    assert record["state"] == "finished"
    assert record["data"] == {"name": str(table), "root": None, "options": {}}
    assert record["method"]["name"] == "fake"
    assert record["method"]["bits"] == 16
    assert record["method"]["margin"] == 8, "defaults are spelt out"
    assert record["split_hash"] == json.loads((finished / "split.json").read_text())["hash"]
    assert record["fingerprint"] == load(finished).fingerprint


def test_fit_says_how_good_it_is_where_it_is_and_what_next(invoke, table) -> None:
    result = invoke("fit", table, "--method", "fake", "--bits", 16)
    assert result.exit_code == 0
    assert "validation MAP 0.500" in result.stdout
    assert "saved in runs/pairs-fake-16" in result.stdout
    assert "crossbit search runs/pairs-fake-16" in result.stdout
    assert "fake train 3/3  triplet 0.3333  validation MAP 0.500" in result.stderr
    assert result.stderr.count("warning: 3 dead bits") == 1


def test_flags_override_the_configuration_file(invoke, table, tmp_path) -> None:
    config = tmp_path / "x.toml"
    config.write_text(
        f'[data]\nname = "{table}"\n[split]\nlabelled = 0.5\nseed = 3\n'
        '[method]\nname = "fake"\nbits = 32\nmargin = 5\n'
    )
    arguments = ("fit", "--config", config, "--bits", 16, "--set", "epochs=1", "--out", "r")
    assert invoke(*arguments).exit_code == 0
    record = json.loads(Path("r/run.json").read_text())
    assert record["split"] == {
        "recipe": None,
        "seed": 3,
        "queries": None,
        "labelled": 0.5,
        "validation": None,
        "query_seed": None,
    }
    wanted = {"bits": 16, "margin": 5, "epochs": 1, "seed": 0}
    assert wanted.items() <= record["method"].items()
    # --seed sets both seeds; a count stays a count
    again = invoke(*arguments[:-1], "s", "--seed", 7, "--labelled", "30", "--queries", "10")
    assert again.exit_code == 0
    record = json.loads(Path("s/run.json").read_text())
    assert (record["split"]["seed"], record["method"]["seed"]) == (7, 7)
    split = RunFolder(Path("s")).split.summary()
    assert (split["query"], split["labelled"] + split["validation"]) == (10, 30)


def test_equal_fits_are_equal_and_another_seed_is_not(invoke, table) -> None:
    for out, seed in ("a", 1), ("b", 1), ("c", 2):
        result = invoke(
            "fit", table, "--method", "fake", "--bits", 16, "--seed", seed, "--out", out
        )
        assert result.exit_code == 0
    prints = [load(out).fingerprint for out in "abc"]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "schgna"), "there is no method 'schgna'; did you mean 'schgan'?"),
        (("--set", "margn=8"), "has no setting 'margn'; did you mean 'margin'?"),
        (("--set", "margin"), "--set 'margin' is no setting; write --set name=value"),
        (("--set", "margin=far"), "Fake.margin must be a whole number, got 'far'"),
        (("--bits", "4"), "bits must be from 8 to 1024, got 4"),
        (("--labelled", "many"), "--labelled is 'many'; give a count such as 500 or a fraction"),
        (("--labelled", "0"), "fake learns from labels, but no training row has any"),
        (("--recipe", "randm"), "there is no split recipe 'randm'; did you mean 'random'?"),
        (("--option", "imges=x"), "has no option 'imges'; did you mean 'images'?"),
        (("--config", "none.toml"), "there is no configuration file none.toml"),
        (("--root", "somewhere"), "root goes with a named dataset"),
        (("--set", "broken=true"), "broken is true; set it to false"),
    ],
)
def test_mistakes_end_in_one_sentence_and_write_nothing(
    invoke, table, tmp_path, arguments, message
) -> None:
    method = () if "--method" in arguments else ("--method", "fake")
    result = invoke("fit", table, *method, *arguments, "--out", "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    assert files(tmp_path) == {}
    assert not Path("out").exists()


def test_data_that_do_not_exist(invoke) -> None:
    result = invoke("fit", "glyhps", "--method", "fake")
    assert "there is no dataset 'glyhps'; did you mean 'glyphs'?" in result.stderr
    result = invoke("fit", "no/such.csv", "--method", "fake")
    assert result.exit_code == 2
    assert "there is no file or folder no/such.csv" in result.stderr
    result = invoke("fit", "--resume", "--out", "nowhere")
    assert result.exit_code == 2
    assert "nowhere holds no run to resume" in result.stderr
    result = invoke("fit")
    assert result.exit_code == 2
    assert "nothing to fit on: name a dataset" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nname = ", "is not valid TOML"),
        ("[dta]\nname = 'x'", "there is no section [dta]; did you mean 'data'?"),
        ("[split]\nlabeled = 3", "[split] has no entry 'labeled'; did you mean 'labelled'?"),
    ],
)
def test_a_configuration_with_mistakes(invoke, tmp_path, text, message) -> None:
    (tmp_path / "x.toml").write_text(text)
    result = invoke("fit", "--config", "x.toml")
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_finished_run_is_never_touched_unasked(invoke, table, finished) -> None:
    before = files(finished)
    arguments = ("fit", table, "--method", "fake", "--bits", 16, "--out", finished)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "holds a finished run; choose another --out, or replace it with" in result.stderr
    # an overwrite that fails leaves the old run as it was
    result = invoke(*arguments, "--overwrite", "--set", "broken=true")
    assert result.exit_code == 2
    assert files(finished) == before
    # finished is finished: resuming has nothing to do
    assert invoke(*arguments, "--resume").exit_code == 0
    assert files(finished) == before
    assert invoke(*arguments, "--overwrite", "--set", "epochs=5").exit_code == 0
    assert load(finished).settings["epochs"] == 5
    assert [path.name for path in finished.parent.iterdir()] == [finished.name]


def test_a_folder_of_other_things_is_refused_even_for_overwriting(invoke, table, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    result = invoke("fit", table, "--method", "fake", "--out", "mine", "--overwrite")
    assert result.exit_code == 2
    assert "holds no run of crossbit; choose another --out" in result.stderr
    assert files(tmp_path / "mine") == {"thesis.txt": b"years of work"}


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for(condition, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def test_ctrl_c_leaves_a_checkpoint_and_resume_gives_the_same_weights(
    invoke, table, tmp_path
) -> None:
    fit = ("fit", table, "--method", "fake", "--bits", 16)
    slow = ("--set", "pause=0.2", "--set", "epochs=6")
    process = start(tmp_path, *fit, *slow, "--out", "stopped")
    wait_for((tmp_path / "stopped/checkpoint/mix.npy").exists, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after this epoch" in errors
    assert "stopped; go on with: crossbit fit --resume --out stopped" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "stopped/config.json").exists()

    # the run says what it is, to those who use it too early or begin it again
    result = invoke("evaluate", "stopped")
    assert result.exit_code == 2
    assert "is not finished; go on with `crossbit fit --resume --out stopped`" in result.stderr
    result = invoke(*fit, *slow, "--out", "stopped")
    assert result.exit_code == 2
    assert "holds a run that was stopped; go on with --resume" in result.stderr
    result = invoke(*fit, "--out", "stopped", "--resume", "--set", "margin=3")
    assert result.exit_code == 2
    assert "was begun with other settings" in result.stderr
    assert "method.margin was 8, now 3" in result.stderr

    result = invoke("fit", "--resume", "--out", "stopped")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "stopped/checkpoint").exists()
    assert invoke(*fit, *slow, "--out", "straight").exit_code == 0
    weights = [
        (tmp_path / run / "model.safetensors").read_bytes() for run in ("stopped", "straight")
    ]
    assert weights[0] == weights[1]


def test_a_second_ctrl_c_stops_at_once_and_keeps_the_checkpoint(table, tmp_path) -> None:
    slow = ("--set", "pause=30", "--set", "epochs=2")
    process = start(tmp_path, "fit", table, "--method", "fake", *slow, "--out", "run")
    wait_for((tmp_path / "run/run.json").exists, process)
    time.sleep(0.3)  # until the round sleeps
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists(), "no round was done, so there is nothing to keep"


def test_resume_refuses_data_that_changed(invoke, table, tmp_path) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_text(table.read_text())
    fit = ("fit", copy, "--method", "fake", "--option", f"images={table.parent}", "--out", "run")
    process = start(tmp_path, *fit, "--set", "pause=0.3", "--set", "epochs=9")
    wait_for((tmp_path / "run/checkpoint/mix.npy").exists, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    copy.write_text(table.read_text().replace("quiet", "calm"))
    result = invoke("fit", "--resume", "--out", "run")
    assert result.exit_code == 2
    assert "the data differ" in result.stderr
    assert RunFolder(tmp_path / "run").resumable


def test_a_plan_survives_its_json() -> None:
    experiment = ExperimentConfig(
        "glyphs", labelled=0.1, split_seed=4, method="fake", settings={"bits": 16}
    )
    assert ExperimentConfig.from_json(json.loads(json.dumps(experiment.to_json()))) == experiment
