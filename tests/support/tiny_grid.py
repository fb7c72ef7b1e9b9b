"""Fixtures of a grid that runs in seconds: a quick method for other processes, and small data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbit.files import write_text
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.grid import run_grid
from crossbit.runs.trial import Trial

SUPPORT = Path(__file__).parent
ENTRY = "[crossbit.methods]\nfake = fake_method:Fake\nfake_together = fake_method:FakeTogether\n"


@pytest.fixture(scope="module")
def installed_fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Declare the quick method as a package of its own would: trials are other processes."""
    folder = tmp_path_factory.mktemp("installed")
    write_text(folder / "fake_method-1.dist-info" / "METADATA", "Name: fake_method\nVersion: 1\n")
    write_text(folder / "fake_method-1.dist-info" / "entry_points.txt", ENTRY)
    before = os.environ.get("PYTHONPATH")
    paths = [folder, SUPPORT, *([] if before is None else before.split(os.pathsep))]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join(str(Path(path).resolve()) for path in paths))
        yield


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 90 pairs of three classes."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    folder.mkdir()
    random, classes = np.random.default_rng(0), np.arange(90) % 3
    for view, width in (("image", 6), ("text", 4)):
        noise = random.normal(size=(90, width))
        np.save(folder / f"{view}.npy", (2 * np.eye(3, width)[classes] + noise).astype(np.float32))
    np.save(folder / "labels.npy", classes)
    return folder


def trial(
    data: Path, label: str = "one", seed: int = 0, method: str = "fake", **settings: Any
) -> Trial:
    values = {"bits": 16, "seed": seed, **settings}
    experiment = ExperimentConfig(
        str(data), split_seed=seed, labelled=0.5, method=method, settings=values
    )
    return Trial(label, experiment.resolved())


@pytest.fixture(scope="module")
def finished_grid(installed_fake, shapes: Path, tmp_path_factory: pytest.TempPathFactory):
    """A grid of two runs and two seeds, and what was said while it ran."""
    folder = tmp_path_factory.mktemp("grid")
    trials = [
        trial(shapes, label, seed, **settings)
        for seed in (0, 1)
        for label, settings in (("one", {}), ("other", {"epochs": 1}))
    ]
    said: list[str] = []
    return trials, folder, run_grid(trials, folder, say=said.append), said
