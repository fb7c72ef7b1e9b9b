"""Checkpoints: killed anywhere and resumed, training ends with the same weights, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from checkerboard import board, quick, same_weights, split

from crossbit.errors import ModelError
from crossbit.methods.base import FitRun, Hasher

SIZES = {"hidden": 32, "epochs": 3, "min_steps_per_epoch": 3}
CHOOSING = ("dcmh", "dis", "displus", "schgan")
UNSEEING = ("ucch", "ugach")
DEEP = (*CHOOSING, *UNSEEING)
VARIANTS: tuple[dict[str, Any], ...] = ({}, {"optimizer": "sgd", "lr": 0.05}, {"refit": False})
PARTS = split(board(120))


class Killed(BaseException):
    """Like kill -9, as far as Python can: nothing below may catch it and tidy up."""


@contextmanager
def killed_after(steps: int) -> Iterator[None]:
    """Die in the middle of a round: at the given step of any optimiser."""
    whole, left = torch.optim.AdamW.step, iter(range(steps))

    def step(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return whole(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        yield


def fit(hasher: Hasher, run: FitRun | None = None, validation: bool = True) -> Hasher:
    return hasher.fit(PARTS.train, validation=PARTS.validation if validation else None, run=run)


def history(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.mark.parametrize(
    ("method", "settings"), [*product(CHOOSING, VARIANTS), *product(UNSEEING, VARIANTS[:2])]
)
def test_stopped_after_every_round_and_resumed(
    method: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    straight = fit(quick(method, **SIZES | settings), FitRun(folder=tmp_path / "straight"))
    stages = []
    for _ in range(20):
        run = FitRun(folder=tmp_path / "parts", resume=True)
        run.report = lambda event, run=run: run.stop.set() or stages.append(event["stage"])
        parts = fit(quick(method, **SIZES | settings), run)
        if "stopped" not in parts.trained:
            break
    refit = method in CHOOSING and settings.get("refit", True)
    assert stages.count("train") == 3
    assert (stages.count("refit") > 0) == refit
    assert same_weights(straight, parts)
    assert straight.trained == parts.trained
    assert history(tmp_path / "straight") == history(tmp_path / "parts")


@pytest.mark.parametrize("method", DEEP)
def test_killed_in_the_middle_of_rounds_and_resumed(method: str, tmp_path: Path) -> None:
    straight = fit(quick(method, **SIZES))
    deaths = 0
    for _ in range(20):
        try:
            # More steps than a round has, so that it gets on; never a whole number of epochs.
            with killed_after(11):
                parts = fit(quick(method, **SIZES), FitRun(folder=tmp_path, resume=True))
            break
        except Killed:
            deaths += 1
    assert deaths
    assert same_weights(straight, parts)


def test_without_validation_too(tmp_path: Path) -> None:
    straight = fit(quick("schgan", **SIZES), validation=False)
    run = FitRun(folder=tmp_path)
    run.report = lambda event: run.stop.set()
    assert fit(quick("schgan", **SIZES), run, validation=False).trained["stopped"]
    resumed = fit(quick("schgan", **SIZES), FitRun(folder=tmp_path, resume=True), validation=False)
    assert same_weights(straight, resumed)


def test_a_finished_fit_resumes_to_itself(tmp_path: Path) -> None:
    first = fit(quick("dis", **SIZES), FitRun(folder=tmp_path))
    events: list[Any] = []
    again = fit(quick("dis", **SIZES), FitRun(folder=tmp_path, resume=True, report=events.append))
    assert events == []
    assert same_weights(first, again)


def test_a_fresh_fit_in_a_used_folder_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    fit(quick("dis", **SIZES, seed=1), FitRun(folder=tmp_path))
    with pytest.raises(Killed), killed_after(1):  # before its first checkpoint
        fit(quick("dis", **SIZES), FitRun(folder=tmp_path))
    resumed = fit(quick("dis", **SIZES), FitRun(folder=tmp_path, resume=True))
    assert same_weights(resumed, fit(quick("dis", **SIZES)))


def interrupted(folder: Path, stage: str) -> Path:
    """Stop in the first round of a stage; return its checkpoint."""
    run = FitRun(folder=folder)
    run.report = lambda event: run.stop.set() if event["stage"] == stage else None
    fit(quick("schgan", **SIZES), run)
    return folder / "checkpoint" / f"{stage}.safetensors"


@pytest.mark.parametrize("stage", ["train", "refit"])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "overwritten"])
def test_a_damaged_checkpoint_is_refused(stage: str, damage: str, tmp_path: Path) -> None:
    path = interrupted(tmp_path, stage)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "emptied": b""}.get(damage, b"x" * 99))
    with pytest.raises(ModelError, match=rf"checkpoint {stage}\.safetensors .*remove that folder"):
        fit(quick("schgan", **SIZES), FitRun(folder=tmp_path, resume=True))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"epochs": "many"}', '{"epochs": 2}'])
def test_a_damaged_choice_is_refused(text: str, tmp_path: Path) -> None:
    interrupted(tmp_path, "refit")
    (tmp_path / "checkpoint" / "choice.json").write_text(text)
    with pytest.raises(ModelError, match=r"checkpoint choice\.json .*remove that folder"):
        fit(quick("schgan", **SIZES), FitRun(folder=tmp_path, resume=True))


def test_a_checkpoint_of_other_sizes_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, "train")
    with pytest.raises(ModelError, match="remove that folder to begin again"):
        fit(quick("schgan", **SIZES | {"hidden": 48}), FitRun(folder=tmp_path, resume=True))


def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    run = FitRun(folder=tmp_path)
    run.report = lambda event: run.stop.set()
    fit(quick("dis", **SIZES), run)  # it has no generator
    with pytest.raises(ModelError, match="cannot be used"):
        fit(quick("schgan", **SIZES), FitRun(folder=tmp_path, resume=True))
