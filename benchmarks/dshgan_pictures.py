"""Synthetic pictures of DSH-GAN before a judge that saw real ones alone; what its steps cost."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.tables import Json
from crossbit.evaluation.synthetic import synthetic_sheet
from crossbit.training.loop import run_epoch

if TYPE_CHECKING:
    from crossbit.methods.adversarial.dshgan.games import SynthesisGame
    from crossbit.runs.config import ExperimentConfig

__all__ = ["judge_pictures", "speed"]

PER_CLASS = 100
BATCH, STEPS, RATE = 64, 5000, 1e-3  # of the judge
REPEATS = 7


def judge_pictures(experiment: ExperimentConfig, *, steps: int = STEPS) -> tuple[Json, bytes]:
    """Return how a judge finds synthetic pictures of one fit, and a sheet of some as PNG.

    The generator is that of stage 1, which all code lengths share.
    """
    import torch

    torch.set_num_threads(1)
    split = experiment.split(experiment.corpus())
    hasher: Any = dataclasses.replace(
        experiment, settings={**experiment.settings, "epochs": 1}
    ).hasher()
    hasher.fit(split.train)
    classes = hasher.classes
    judge = _Plain(hasher)
    pixels, of = _tensors(split.database)
    rng = torch.Generator().manual_seed(experiment.split_seed)
    for done in range(steps):
        judge.step(*_batch(pixels, of, hasher, rng), rate=RATE * (1 - done / steps))
    wanted = np.repeat(np.eye(classes), PER_CLASS, axis=0)
    drawn = hasher.synthesise(wanted, seed=1)
    flat = torch.from_numpy(drawn.reshape(len(drawn), -1) * 2 - 1).float()
    real = split.database["image"]
    within = [real[of.numpy() == k].std(axis=0).mean() for k in range(classes)]
    spread = drawn.reshape(classes, PER_CLASS, -1).std(axis=1).mean()
    facts = {
        "judge": judge.accuracy(*_tensors(split.query)),
        "synthetic": judge.accuracy(flat, torch.arange(classes).repeat_interleave(PER_CLASS)),
        "spread": float(spread / np.mean(within)),
        "per_class": PER_CLASS,
        "judge_steps": steps,
        "bytes": int(sum(a.nbytes for k, a in hasher._arrays().items() if k.startswith("syn"))),
    }
    return facts, synthetic_sheet(hasher, hasher.trained["classes"])


def speed(experiment: ExperimentConfig, *, repeats: int = REPEATS) -> Json:
    """Return the pictures a second of a plain loop and of both stages, by turns on one thread."""
    import torch

    from crossbit.training.data import TrainingData

    torch.set_num_threads(1)
    train = experiment.split(experiment.corpus()).train
    few = train.take(np.flatnonzero(train.labelled)[:1000])  # the number decides no step
    settings = {**experiment.settings, "epochs": 1, "warmup_epochs": 1, "min_steps_per_epoch": 1}

    def fitted(**changed: Any) -> tuple[Any, TrainingData]:
        hasher: Any = dataclasses.replace(experiment, settings={**settings, **changed}).hasher()
        hasher.fit(few)
        return hasher, TrainingData.of(few, hasher._scaling)

    rng = torch.Generator().manual_seed(0)
    alone, data = fitted(synthetic=0.0)
    frozen, _ = fitted(generator_every=0)
    learning, _ = fitted(generator_every=1, bfloat16=False)
    halved, _ = fitted(bfloat16=True)
    plain, (pixels, of), pictures = _Plain(alone), _tensors(few), 3 * alone.labelled_batch
    second = [hasher._task(data, rng) for hasher in (alone, frozen, learning)]

    def step_of(first: SynthesisGame) -> None:
        first.network_step(smooth=False)
        first.generator_step()

    # What is timed, and how many pictures the network learns from in it.
    turns: dict[str, tuple[Callable[[], Any], int]] = {
        "plain loop": (
            lambda: plain.step(*_batch(pixels, of, alone, rng, pictures), rate=RATE),
            pictures,
        ),
        "real pictures alone": (second[0].network_step, pictures),
        "stage 1": (partial(step_of, learning._first_task(data, rng)), 3 * alone.batch),
        "stage 1 in half precision": (
            partial(step_of, halved._first_task(data, rng)),
            3 * alone.batch,
        ),
        "stage 2, the generator learning": (lambda: run_epoch(second[2], 1), pictures),
        "stage 2": (second[1].network_step, pictures),
    }
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(repeats + 1):
        for name, (act, _) in turns.items():
            started = time.process_time()
            act()
            if number:
                seconds[name].append(time.process_time() - started)
    median = {name: statistics.median(kept) for name, kept in seconds.items()}
    return {
        "dataset": experiment.data,
        "seconds": median,
        "pictures_a_second": {name: count / median[name] for name, (_, count) in turns.items()},
    }


class _Plain:
    """The class stream of the method's own network in a loop of its own."""

    def __init__(self, hasher: Any) -> None:
        import torch

        self.streams = hasher._streams(hasher.bits, torch.Generator().manual_seed(0))
        self.optimizer = torch.optim.AdamW(
            self.streams.parameters(), weight_decay=hasher.weight_decay
        )

    def step(self, pixels: Any, of: Any, *, rate: float) -> None:
        import torch
        import torch.nn.functional as F

        self.optimizer.param_groups[0]["lr"] = rate
        loss: torch.Tensor = F.cross_entropy(self.streams.judge(pixels).classes, of)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward([loss])
        self.optimizer.step()

    def accuracy(self, pixels: Any, of: Any) -> float:
        import torch

        with torch.inference_mode():
            found = [self.streams.judge(part).classes.argmax(1) for part in pixels.split(256)]
        return float((torch.cat(found) == of).float().mean())


def _batch(pixels: Any, of: Any, hasher: Any, rng: Any, count: int = BATCH) -> tuple[Any, Any]:
    import torch

    from crossbit.networks.convolution import jitter

    rows = torch.randint(len(pixels), (count,), generator=rng)
    shape, mirror, shift = hasher._shape(), hasher.mirror, hasher.shift
    return jitter(pixels[rows], shape, mirror=mirror, shift=shift, rng=rng), of[rows]


def _tensors(corpus: Any) -> tuple[Any, Any]:
    import torch

    classes = corpus.require_labels().indices.astype(np.int64)
    return torch.from_numpy(corpus["image"] * 2 - 1), torch.from_numpy(classes)
