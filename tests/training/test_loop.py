"""The loop: which round is kept, when it stops, what it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossbit.training.loop import TrainResult, cosine, run_epoch, train
from crossbit.training.run import FitRun
from crossbit.training.task import Task


class Counting(Task):
    """Its only weight is the number of epochs it has learnt."""

    def __init__(self, losses: dict[int, float] | None = None) -> None:
        network = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(network.weight)
        self.networks = {"encoder": network}
        self.optimizers = {"encoder": torch.optim.SGD(network.parameters(), lr=0.5)}
        self.rng = torch.Generator().manual_seed(0)
        self.losses = losses or {}
        self.rates: list[float] = []

    def begin_epoch(self, epoch: int) -> int:
        self.epoch = epoch
        return 1

    def step(self) -> dict[str, float]:
        self.rates.append(self.optimizers["encoder"].param_groups[0]["lr"])
        with torch.no_grad():
            self.networks["encoder"].weight += 1
        return {"loss": self.losses.get(self.epoch, 1 / self.epoch)}

    @property
    def learnt(self) -> float:
        return self.networks["encoder"].weight.item()


def play(task: Task, epochs: int, run: FitRun | None = None, **options: Any) -> TrainResult:
    options = {"horizon": epochs, "stage": "train", "schedule": lambda point: 1.0} | options
    return train(task, epochs=epochs, run=run or FitRun(), **options)


def scripted(values: list[float]) -> Any:
    """Return a validation that gives these MAPs in turn, all queries alike."""
    left = iter(values)
    return lambda: np.full(4, next(left))


def test_the_best_round_is_kept() -> None:
    task = Counting()
    outcome = play(task, 5, validate=scripted([0.2, 0.4, 0.8, 0.5, 0.1]))
    assert (outcome.epoch, outcome.best_epoch, outcome.best_map) == (5, 3, 0.8)
    assert task.learnt == 3


def test_of_equal_rounds_the_later_is_kept() -> None:
    task = Counting()
    assert play(task, 4, validate=scripted([0.5, 0.8, 0.8, 0.7])).best_epoch == 3
    assert task.learnt == 3


def test_a_round_is_kept_if_queries_cannot_tell_it_from_the_best() -> None:
    best = np.array([0.5, 0.5, 0.5, 0.5])
    noisy = best + np.array([0.3, -0.3, 0.3, -0.31])  # a hair worse, by far within the noise
    worse = best - np.array([0.1, 0.11, 0.09, 0.1])
    left = iter([best, noisy, worse])
    task = Counting()
    outcome = play(task, 3, validate=lambda: next(left))
    assert outcome.best_epoch == 2
    assert outcome.best_map == pytest.approx(noisy.mean())
    # The bar stays where the best mean was: it does not sink round by round.
    assert outcome.best_ap == best.tolist()


def test_many_small_steps_down_are_not_taken() -> None:
    values = [np.full(4, 0.5) + np.array([0.04, -0.04, 0.02, -0.02]) - 0.02 * k for k in range(9)]
    left = iter(values)
    assert play(Counting(), 9, validate=lambda: next(left)).best_epoch < 5


def test_without_validation_the_last_round_is_kept() -> None:
    task = Counting()
    outcome = play(task, 3)
    assert (outcome.best_epoch, outcome.best_map, task.learnt) == (3, None, 3)


def test_patience_ends_training_and_zero_never_does() -> None:
    values = [0.1, 0.5, 0.4, 0.4, 0.4, 0.9]
    impatient, endless = Counting(), Counting()
    outcome = play(impatient, 6, patience=2, validate=scripted(values))
    assert (outcome.epoch, outcome.best_epoch, impatient.learnt) == (4, 2, 2)
    assert play(endless, 6, patience=0, validate=scripted(values)).best_epoch == 6


def test_a_stop_ends_after_the_round_that_is_running(tmp_path: Path) -> None:
    run = FitRun(folder=tmp_path)
    run.report = lambda event: run.stop.set() if event["epoch"] == 2 else None
    task = Counting()
    outcome = play(task, 5, run)
    assert (outcome.epoch, outcome.stopped, task.learnt) == (2, True, 2)

    rest = Counting()
    outcome = play(rest, 5, FitRun(folder=tmp_path, resume=True))
    assert (outcome.epoch, outcome.stopped, rest.learnt) == (5, False, 5)
    assert [event["epoch"] for event in outcome.events] == [1, 2, 3, 4, 5]
    assert len(rest.rates) == 3


def test_patience_and_the_best_round_survive_stops(tmp_path: Path) -> None:
    values = [0.1, 0.5, 0.4, 0.3, 0.4, 0.9]
    stops = 0
    for _ in range(10):
        run = FitRun(folder=tmp_path, resume=True)
        run.report = lambda event, run=run: run.stop.set()
        task = Counting()
        given = {"validate": lambda task=task: np.full(4, values[int(task.learnt) - 1])}
        outcome = play(task, 6, run, patience=2, **given)
        if not outcome.stopped:
            break
        stops += 1
    assert (stops, outcome.epoch, outcome.best_epoch, task.learnt) == (4, 4, 2, 2)


def test_without_resume_a_checkpoint_is_not_read(tmp_path: Path) -> None:
    play(Counting(), 3, FitRun(folder=tmp_path))
    task = Counting()
    play(task, 3, FitRun(folder=tmp_path))
    assert len(task.rates) == 3


def test_stages_keep_apart_and_history_keeps_all(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    run = FitRun(folder=tmp_path, report=heard.append)
    first = play(Counting(), 2, run, validate=scripted([0.3, 0.6]))
    play(Counting(), 3, run, stage="refit", before=first.events)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert lines == heard
    assert [(e["stage"], e["epoch"], e["epochs"]) for e in lines] == [
        ("train", 1, 2),
        ("train", 2, 2),
        ("refit", 1, 3),
        ("refit", 2, 3),
        ("refit", 3, 3),
    ]
    assert [e["validation_map"] for e in lines] == [0.3, 0.6, None, None, None]
    assert all(e["warning"] is None and e["seconds"] >= 0 for e in lines)
    assert lines[1]["loss"] == {"loss": 0.5}
    assert {f.name for f in (tmp_path / "checkpoint").iterdir()} == {
        "train.safetensors",
        "refit.safetensors",
    }


def test_what_the_watch_sees_is_in_the_event() -> None:
    outcome = play(Counting(), 1, callback=lambda: {"warning": "bits died", "generator_map": 0.25})
    assert outcome.events[0]["warning"] == "bits died"
    assert outcome.events[0]["generator_map"] == 0.25


def test_the_schedule_is_laid_out_over_the_horizon() -> None:
    task = Counting()
    play(task, 3, horizon=6, schedule=cosine)
    expected = [0.5 * 0.5 * (1 + np.cos(np.pi * k / 6)) for k in range(3)]
    assert task.rates == pytest.approx(expected)


def test_cosine_falls_from_one_to_zero() -> None:
    points = [cosine(p) for p in np.linspace(0, 1, 11)]
    assert points[0] == 1
    assert points[5] == pytest.approx(0.5)
    assert points[10] == pytest.approx(0)
    assert points == sorted(points, reverse=True)


def test_a_diverged_loss_can_still_be_written(tmp_path: Path) -> None:
    task = Counting({1: float("nan"), 2: float("inf")})
    play(task, 2, FitRun(folder=tmp_path))
    for line in (tmp_path / "history.jsonl").read_text().splitlines():
        value = json.loads(line, parse_constant=lambda text: pytest.fail(text))["loss"]["loss"]
        assert value > 1e38


def test_figures_are_averaged_over_the_steps_that_have_them() -> None:
    class Uneven(Counting):
        def begin_epoch(self, epoch: int) -> int:
            self.taken = 0
            return 4

        def step(self) -> dict[str, float | torch.Tensor]:
            self.taken += 1
            figures: dict[str, float | torch.Tensor] = {"loss": torch.tensor(float(self.taken))}
            return figures | ({"reward": 2.0} if self.taken == 1 else {})

    assert run_epoch(Uneven(), 1) == {"loss": 2.5, "reward": 2.0}
