"""The training loop: epochs, each followed by validation, a checkpoint and a report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossbit.training.checkpoint import read_checkpoint, write_checkpoint
from crossbit.training.monitor import not_worse
from crossbit.training.run import FitRun
from crossbit.training.task import Task

__all__ = ["TrainResult", "cosine", "run_epoch", "train"]


@dataclass
class TrainResult:
    """How a stage of training went."""

    epoch: int = 0  # last one done
    best_epoch: int = 0  # the last one not worse than the best, see `monitor.not_worse`
    best_map: float | None = None
    best_ap: list[float] = field(default_factory=list)  # of the highest mean, per query
    stopped: bool = False  # on request, to be resumed
    events: list[dict[str, Any]] = field(default_factory=list)


def train(
    task: Task,
    *,
    epochs: int,
    horizon: int,
    stage: str,
    run: FitRun,
    schedule: Callable[[float], float],
    validate: Callable[[], np.ndarray] | None = None,
    callback: Callable[[], dict[str, Any]] | None = None,
    patience: int = 0,
    before: list[dict[str, Any]] | None = None,
) -> TrainResult:
    """Train `task` for `epochs` epochs and leave its encoder at its best validation MAP.

    Parameters
    ----------
    horizon : int
        The epochs that the schedule is laid out for; `epochs` may be fewer.
    schedule : callable
        Share of the learning rate at a point in 0..1 of the horizon.
    validate : callable, optional
        Returns the AP of every validation query after each epoch, (q,).
    callback : callable, optional
        Returns further figures for the event of an epoch, perhaps a "warning".
    patience : int
        Stop after so many epochs that were worse than the best; 0 never stops early.
    before : list of dict
        Events of earlier stages, kept in the history.
    """
    outcome, best = TrainResult(), dict[str, Tensor]()
    path = run.checkpoint(f"{stage}.safetensors")
    if run.resume and path is not None and path.exists():
        cursor, best = read_checkpoint(path, task)
        outcome = TrainResult(**cursor)
    outcome.stopped = False
    for number in range(outcome.epoch + 1, epochs + 1):
        if patience and outcome.best_epoch and outcome.epoch - outcome.best_epoch >= patience:
            break
        started = time.perf_counter()
        task.scale_lr(schedule((number - 1) / horizon))
        event: dict[str, Any] = {"stage": stage, "epoch": number, "epochs": epochs}
        event["loss"] = {name: _finite(value) for name, value in run_epoch(task, number).items()}
        event |= {"validation_map": None, "warning": None, **(callback() if callback else {})}
        outcome.epoch = number
        outcome.events.append(event)
        if validate:
            ap = validate()
            event["validation_map"] = value = float(ap.mean())
            if not outcome.best_ap or not_worse(ap, np.array(outcome.best_ap)):
                outcome.best_epoch, outcome.best_map = number, value
                state = task.encoder.state_dict()
                best = {name: tensor.clone() for name, tensor in state.items()}
            if not outcome.best_ap or value > np.mean(outcome.best_ap):
                outcome.best_ap = ap.tolist()
        event["seconds"] = round(time.perf_counter() - started, 3)
        if path is not None:
            write_checkpoint(path, task, vars(outcome), best)
        run.log((before or []) + outcome.events)
        if run.stop.is_set():
            outcome.stopped = True
            return outcome
    if best:
        task.encoder.load_state_dict(best)
    else:
        outcome.best_epoch = outcome.epoch
    return outcome


def run_epoch(task: Task, epoch: int) -> dict[str, float]:
    """Take the steps of one epoch, from 1; return the mean of each figure over its steps."""
    figures: dict[str, list[float]] = {}
    for _ in range(task.begin_epoch(epoch)):
        for name, value in task.step().items():
            figures.setdefault(name, []).append(float(value))
    return {name: sum(values) / len(values) for name, values in figures.items()}


def cosine(point: float) -> float:
    """Schedule: from 1 down to 0 along half a cosine (Loshchilov and Hutter, ICLR 2017)."""
    return 0.5 * (1 + math.cos(math.pi * point))


def _finite(value: float) -> float:
    """Losses go into JSON, which has no NaN: a diverged loss is reported as the largest float."""
    return value if math.isfinite(value) else float(torch.finfo(torch.float32).max)
