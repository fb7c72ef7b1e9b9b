"""The benchmark of DSH-GAN: equal plans but for what is compared, a judge that judges, a page."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from digit_files import write_digits
from PIL import Image

from benchmarks import dshgan, pictures_page, tables
from benchmarks.dshgan_pictures import judge_pictures, speed
from crossbit.metrics import paired_difference
from crossbit.runs.config import ExperimentConfig

SIZES: dict[str, Any] = {
    "bits": 16,
    "min_steps_per_epoch": 20,
    "warmup_epochs": 2,
    "hidden": 32,
    "channels": 4,
    "generator_channels": 4,
    "labelled_batch": 16,
}


@pytest.fixture
def small(tmp_path: Path) -> ExperimentConfig:
    root = str(write_digits(tmp_path, 240))
    made = dshgan.experiment("mnist", root, ("dshgan", {}), 24, 0)
    return dataclasses.replace(made, settings={**made.settings, **SIZES}, labelled=0.5)


def test_the_forms_differ_in_synthetic_pictures_and_rounds_alone() -> None:
    for dataset in dshgan.DATASETS:
        experiments = {
            label: dshgan.experiment(dataset, None, form, 32, 1)
            for label, form in dshgan.FORMS.items()
        }
        ours = experiments[dshgan.OURS]
        assert ours.settings["synthetic"] > 0
        for label, experiment in experiments.items():
            assert dataclasses.replace(experiment, settings={}) == dataclasses.replace(
                ours, settings={}
            )
            changed = {k for k, value in experiment.settings.items() if value != ours.settings[k]}
            assert changed == {
                dshgan.OURS: set(),
                dshgan.REAL: {"synthetic"},
                dshgan.FIRST: {"synthetic"},
            }.get(label, {"synthetic", "epochs"})
            if "epochs" in changed:
                assert experiment.settings["epochs"] == 2 * ours.settings["epochs"]


def test_the_judge_knows_real_pictures_and_looks_at_synthetic_ones(small: ExperimentConfig) -> None:
    facts, sheet = judge_pictures(small, steps=200)
    assert facts["judge"] > 0.9
    assert 0 <= facts["synthetic"] <= 1
    assert facts["spread"] > 0
    assert facts["bytes"] > 1000
    assert Image.open(BytesIO(sheet)).size[1] == 10 * 60


def test_all_turns_are_timed(small: ExperimentConfig) -> None:
    found = speed(small, repeats=1)
    assert next(iter(found["seconds"])) == "plain loop"
    assert len(found["seconds"]) == 6
    assert min(found["seconds"].values()) > 0
    assert found["pictures_a_second"].keys() == found["seconds"].keys()


def page_value() -> tables.Json:
    direction = {"dataset": "mnist", "bits": 24, "direction": "image->image"}
    value = tables.head("dshgan") | {
        "map": "all",
        "coding": ["single"],
        "summaries": [
            direction | {"label": label, "seeds": 3, "mean": mean, "std": 0.01}
            for label, mean in ((dshgan.OURS, 0.4), (dshgan.REAL, 0.3))
        ],
        "differences": [
            direction
            | {"label": dshgan.OURS, "against": dshgan.REAL, "over": "seeds"}
            | {"paired": dataclasses.asdict(paired_difference([0.4, 0.5, 0.4], [0.3, 0.35, 0.35]))}
        ],
        "runs": [],
        "settings": [],
    }
    value["pictures"] = {"mnist": {"judge": 0.98, "synthetic": 0.91, "spread": 0.5}}
    names = ["plain loop", "stage 2"]
    value["speed"] = [
        {
            "dataset": "mnist",
            "seconds": dict.fromkeys(names, 1.0),
            "pictures_a_second": dict(zip(names, (3000.0, 1500.0), strict=True)),
        }
    ]
    return value


def test_the_page_has_figures_differences_pictures_and_prices() -> None:
    page = dshgan.render(page_value())
    assert "| mnist | 98.0% | 91.0% | 50% |" in page
    assert "(dshgan_mnist.png)" in page
    assert "| mnist | 3,000 | 1,500 (1 / 2.0) |" in page
    assert "| mnist | 24 | DSH-GAN | **0.400** ± 0.010 | 3 |" in page
    assert "+0.100" in page


def test_the_readme_has_each_form_its_difference_and_the_judge() -> None:
    block = pictures_page.dshgan_block(page_value())
    assert "| mnist, 24 bits | 0.400 | 0.300 | +0.100 [-0.024, +0.224] |" in block
    assert "mnist: 91% of synthetic pictures are taken for their class, and 98% of real" in block
    assert "mean of 3 seeds" in block
