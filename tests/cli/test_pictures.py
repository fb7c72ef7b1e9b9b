"""One view of pictures, from `fit` to `search --image`, `index` and `synthesise`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from digit_files import patterns, write_digits
from PIL import Image

SIZES = {
    "epochs": 4,
    "lr": 5e-3,
    "warmup_epochs": 1,
    "min_steps_per_epoch": 20,
    "hidden": 32,
    "channels": 8,
    "generator_channels": 4,
}


@pytest.fixture
def fitted(invoke, tmp_path: Path) -> Path:
    root = write_digits(tmp_path, 240)
    settings = [part for name, value in SIZES.items() for part in ("--set", f"{name}={value}")]
    labels = ("--labelled", 0.3, "--validation", 0)
    arguments = ("--root", root, "--method", "dshgan", "--bits", 16, *labels)
    result = invoke("fit", "mnist", *arguments, *settings, "--out", "run")
    assert result.exit_code == 0, result.output
    assert "crossbit search run --image picture.png" in result.output
    return tmp_path / "run"


def test_pictures_find_pictures(invoke, fitted, tmp_path) -> None:
    result = invoke("evaluate", fitted, "--json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["directions"].items()
    assert found[0] == "image->image"
    assert found[1]["map"]["expected"] > 0.8  # by chance: 0.1
    # Black on white, as somebody would write it.
    Image.fromarray(255 - patterns(10, seed=9)[3]).save(tmp_path / "three.png")
    result = invoke("search", fitted, "--image", "three.png", "-k", 5, "--json")
    assert result.exit_code == 0, result.output
    labels = [item["labels"] for item in json.loads(result.stdout)]
    assert labels.count(["3"]) >= 3
    result = invoke("index", "build", fitted, "--view", "image", "--to", "digits")
    assert result.exit_code == 0, result.output
    arguments = ("--model", fitted, "--image", "three.png", "-k", 5, "--json")
    result = invoke("index", "search", "digits", *arguments)
    assert result.exit_code == 0, result.output
    assert [item["labels"] for item in json.loads(result.stdout)] == labels

    # What its generator learnt goes into a file.
    result = invoke("synthesise", fitted, "--to", "grid.png", "--columns", 3)
    assert result.exit_code == 0, result.output
    assert "10 classes of 3 pictures in grid.png" in result.output
    assert np.asarray(Image.open("grid.png")).std() > 10


def test_a_method_without_a_generator_draws_no_pictures(invoke, finished) -> None:
    result = invoke("synthesise", finished, "--to", "none.png")
    assert result.exit_code == 2
    assert "fake draws no pictures; fit with --method dshgan" in result.stderr
    assert not Path("none.png").exists()
