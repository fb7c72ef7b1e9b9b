"""The published forms of SCH-GAN: each experiment file trains, and so does every variant."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from checkerboard import QUICK, board, board_for, maps, quick, split

from crossbit import methods
from crossbit.methods.base import FitRun, Hasher
from crossbit.methods.settings import coerce
from crossbit.splits import Split

EXPERIMENTS = sorted((Path(__file__).parents[3] / "experiments").glob("*.toml"))
SIZES = (
    "bits",
    "hidden",
    "min_steps_per_epoch",
    "pool",
    "labelled_batch",
    "batch",
    "warmup_epochs",
)
PARTS = split(board())


def settings_of(path: Path) -> tuple[str, dict[str, Any]]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))["method"]
    name = table.pop("name")
    return name, coerce(methods.get(name), table)


def play(hasher: Hasher, parts: Split = PARTS) -> list[dict[str, float]]:
    """Fit; return the losses and figures of every round of the first stage."""
    events: list[dict[str, Any]] = []
    run = FitRun(report=events.append)
    hasher.fit(parts.train, validation=parts.validation, run=run)
    return [event["loss"] for event in events if event["stage"] == "train"]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_file_trains_and_learns(path: Path) -> None:
    name, settings = settings_of(path)
    cls = methods.get(name)
    known = {item for item in SIZES if item in cls().settings}
    hasher = cls(**settings | {item: QUICK[item] for item in known} | {"epochs": 6})
    parts = split(board_for(name))
    epochs = play(hasher, parts)
    assert min(maps(hasher, parts).values()) > 0.8  # at random: 0.25
    if name == "schgan":  # the game is on: the generator earns, the discriminator loses to it
        assert epochs[-1]["reward"] > 0.01
        assert epochs[-1]["game"] > 0.01


@pytest.mark.parametrize("loss", ["ranking", "hinge", "softplus"])
@pytest.mark.parametrize("reward", ["excess", "log1pexp", "sigmoid", "margin"])
def test_every_loss_goes_with_every_reward(loss: str, reward: str) -> None:
    hasher = quick("schgan", loss=loss, reward=reward, epochs=2, min_steps_per_epoch=4, refit=False)
    epochs = play(hasher)
    assert epochs[1]["game"] > 0
    assert epochs[1]["reward"] > 0
    assert min(maps(hasher, PARTS).values()) > 0.8


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_from": "unlabelled"},
        {"queries": "labelled"},
        {"pool_from": "unlabelled", "queries": "labelled", "relevance": "labels"},
        {"relevance": "labels"},
        {"triplets": True},
        {"generator_loss": "policy_gradient"},
        {"generator_loss": "regression", "samples": 2},
        {"generator_start": "random"},
        {"warmup_epochs": 0},
        {"optimizer": "sgd", "lr": 0.05},
        {"activation": "tanh"},
        {"samples": 500, "pool": 500},
        {"query_batch": 1},
    ],
    ids=str,
)
def test_every_variant_plays_and_learns(settings: dict[str, Any]) -> None:
    hasher = quick("schgan", **{"epochs": 3, "min_steps_per_epoch": 5, "refit": False} | settings)
    epochs = play(hasher)
    assert epochs[-1]["game"] > 0
    assert min(maps(hasher, PARTS).values()) > 0.8


def test_all_rows_labelled_leaves_a_pool_for_the_paper_form() -> None:
    parts = split(board(), 1.0)
    hasher = quick(
        "schgan", pool_from="unlabelled", relevance="labels", epochs=2, min_steps_per_epoch=4
    )
    hasher.fit(parts.train, validation=parts.validation)
    assert min(maps(hasher, parts).values()) > 0.9


def test_both_players_are_followed_on_validation() -> None:
    events: list[dict[str, Any]] = []
    hasher = quick("schgan", epochs=2, min_steps_per_epoch=4, refit=False)
    run = FitRun(report=events.append)
    hasher.fit(PARTS.train, validation=PARTS.validation, run=run)
    assert all(0 < event["generator_map"] <= 1 for event in events)
    assert 0 <= events[-1]["loss"]["relevant_samples"] <= 1
