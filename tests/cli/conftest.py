"""Small data, a quick method and a way to run commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from crossbit import methods
from crossbit.cli import app

Invoke = Callable[..., Result]
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220)}


@pytest.fixture(autouse=True)
def fake_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods.BUILT_IN, "fake", "fake_method:Fake")
    monkeypatch.delenv("CROSSBIT_DATA", raising=False)


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command in an empty folder, with a plain terminal."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 60 plain pictures in three colours, with a sentence about each."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    lines = ["image,text,labels,id"]
    for k in range(60):
        colour = list(COLOURS)[k % 3]
        noise = random.integers(-20, 20, size=(8, 8, 3))
        pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
        words = random.choice(["quiet", "loud", "small", "large"], size=2)
        lines.append(f"{k}.png,a {colour} square {' '.join(words)} n{k},{colour},item{k:02d}")
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    return folder / "pairs.csv"


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ready-made vectors: 60 rows, image 5 wide, text 4 wide, three classes."""
    folder = tmp_path_factory.mktemp("arrays")
    random = np.random.default_rng(1)
    classes = np.arange(60) % 3
    centres = random.normal(size=(3, 5)), random.normal(size=(3, 4))
    for name, centre in zip(("image", "text"), centres, strict=True):
        values = centre[classes] + 0.1 * random.normal(size=(60, centre.shape[1]))
        np.save(folder / f"{name}.npy", values.astype(np.float32))
    np.save(folder / "labels.npy", classes)
    return folder


@pytest.fixture
def finished(invoke: Invoke, table: Path, tmp_path: Path) -> Path:
    """The folder of a finished run on the table."""
    result = invoke("fit", table, "--method", "fake", "--bits", 16, "--out", "runs/done")
    assert result.exit_code == 0, result.output
    return tmp_path / "runs" / "done"


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def fingerprint(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_text())["fingerprint"])
