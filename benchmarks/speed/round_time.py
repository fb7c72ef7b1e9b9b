"""One adversarial round at the released code's sizes and triplets, against that code's time."""

from __future__ import annotations

import argparse
import math
import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.reference import ORIGINAL_ROUND
from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError

__all__ = ["Sizes", "measure", "options", "render", "run"]

BITS, CLASSES = 64, 10
REPEATS = 3  # rounds that are timed, after one that is not
GOAL = 50  # times faster than the released code


@dataclass(frozen=True)
class Sizes:
    """What the released code works through on Wikipedia.

    It takes every labelled pair as an image query and as a text query: 2 x 2,173 = 4,346. A round
    is two generator epochs (one update per query, on two picks each), the sampling of two picks
    per query for the discriminator, one discriminator epoch (17,384 updates of one triplet: two
    picks and two labelled negatives per query), and the MAP of 693 queries both ways. The pool is
    a tenth of the pairs.
    """

    pairs: int = 2173
    queries: int = 693
    image: int = 4096
    text: int = 3000
    pool: int = 217
    picks: int = 2
    generator_epochs: int = 2
    triplets_per_query: int = 4


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--threads", type=int, default=2, help="of torch (2, as the original had)")
    parser.add_argument("--batch", type=int, default=256, help="pairs in a step (256)")
    parser.add_argument("--hidden", type=int, nargs="+", help="only these of 4096 and 8192")


def run(chosen: argparse.Namespace) -> None:
    """Time rounds of both widths and publish the table."""
    import torch

    if chosen.threads < 1 or chosen.batch < 1:
        raise ConfigError("threads and batch must be at least 1")
    unknown = set(chosen.hidden or ()) - set(ORIGINAL_ROUND)
    if unknown:
        known = " and ".join(map(str, ORIGINAL_ROUND))
        raise ConfigError(f"the original was timed with hidden {known}, not {unknown.pop()}")
    torch.set_num_threads(chosen.threads)
    rounds = [
        measure(hidden, Sizes(), batch=chosen.batch, repeats=REPEATS)
        for hidden in chosen.hidden or ORIGINAL_ROUND
    ]
    for row in rounds:
        original = ORIGINAL_ROUND[row["hidden"]]
        row |= {"original_seconds": original, "ratio": round(original / row["seconds"], 1)}
    value = head("round_time") | {
        "bits": BITS,
        "batch": chosen.batch,
        "threads": chosen.threads,
        "seed": 0,
        "data": "random features with 10 classes, split by position",
        "goal": GOAL,
        "rounds": rounds,
    }
    whole = not chosen.hidden and (chosen.threads, chosen.batch) == (2, 256)
    publish(value, render, whole=whole, folder=RESULTS)


def measure(hidden: int, sizes: Sizes, *, batch: int, repeats: int) -> Json:
    """Time rounds of SCH-GAN in the form of the released code, through `fit` as anyone calls it.

    A round is taken from one progress report to the next, so that all of it counts: generator,
    picks, discriminator, MAP both ways, book-keeping.
    """
    from crossbit import methods
    from crossbit.methods.base import FitRun

    train, held_out = _data(sizes)
    queries = 2 * sizes.pairs
    # A step of either player asks 2 x batch queries: each pair of the batch, in both directions.
    generator_steps = math.ceil(sizes.generator_epochs * queries / (2 * batch))
    per_step = 2 * batch * sizes.picks
    discriminator_steps = math.ceil(sizes.triplets_per_query * queries / per_step)
    settings: dict[str, Any] = {
        "bits": BITS,
        "hidden": hidden,
        "activation": "tanh",
        "optimizer": "sgd",
        "epochs": repeats + 1,
        "warmup_epochs": 0,
        "batch": batch,
        "query_batch": batch,
        "labelled_batch": 64,
        "min_steps_per_epoch": discriminator_steps,
        "generator_steps": generator_steps,
        "pool": sizes.pool,
        "samples": sizes.picks,
        "positives": 1,
        "queries": "labelled",
        "relevance": "labels",
        "loss": "hinge",
        "reward": "margin",
        "generator_loss": "regression",
        "triplets": True,
        "kernel_head": "never",
        "refit": False,
    }
    stamps: list[float] = []
    control = FitRun(report=lambda event: stamps.append(time.perf_counter()))
    hasher = methods.get("schgan")(**settings)
    hasher.fit(train, validation=held_out, run=control)
    seconds = [round(b - a, 3) for a, b in pairwise(stamps)]
    return {
        "hidden": hidden,
        "seconds": statistics.median(seconds),
        "all_seconds": seconds,
        "generator_queries": generator_steps * 2 * batch,
        "discriminator_triplets": discriminator_steps * per_step,
        "original_queries": sizes.generator_epochs * queries,
        "original_triplets": sizes.triplets_per_query * queries,
        "settings": settings,
    }


def render(value: Json) -> str:
    """Return the result as Markdown."""
    rows = [
        [
            f"{row['hidden']:,}",
            f"{row['original_seconds']:,.0f} s",
            f"{row['seconds']:.1f} s",
            f"**{row['ratio']:.0f}x**",
            f"{row['discriminator_triplets']:,} / {row['original_triplets']:,}",
            f"{row['generator_queries']:,} / {row['original_queries']:,}",
        ]
        for row in value["rounds"]
    ]
    columns = ["hidden units", "released code", "Crossbit", "ratio"]
    columns += ["D: triplets, ours / theirs", "G: queries, ours / theirs"]
    return (
        "# One adversarial round\n\n"
        + table(columns, rows)
        + "\nA round is two generator epochs, the picks for the discriminator, one discriminator "
        "epoch and MAP both ways, at the sizes of the released code on Wikipedia: 2,173 labelled "
        f"pairs, images of 4,096 numbers, texts of 3,000, {value['bits']} bits. The triplets "
        "counted are those of the generator's picks; the discriminator's batch of labelled pairs "
        "(eq. 8) comes on top. The released code, ported unchanged to TF 2.21, was timed on two "
        f"shared cores by slices of each stage. Ours: median of {REPEATS} rounds, batches of "
        f"{value['batch']}, {value['threads']} thread{'s' if value['threads'] > 1 else ''}; "
        f"{value['data']}, seed {value['seed']}. "
        f"The goal is {value['goal']}x.\n\n"
        f"- Command: `{value['command']}`\n"
        f"- Code: crossbit {value['code_version']}, Python {value['python']}, torch "
        f"{value['libraries']['torch']}\n"
    )


def _data(sizes: Sizes) -> tuple[Corpus, Corpus]:
    """Return labelled training pairs and queries: random features around one point per class."""
    rng = np.random.default_rng(0)
    total = sizes.pairs + sizes.queries
    classes = rng.integers(0, CLASSES, total)
    views = {
        view: rng.normal(size=(CLASSES, width)).astype(np.float32)[classes]
        + rng.normal(size=(total, width)).astype(np.float32)
        for view, width in (("image", sizes.image), ("text", sizes.text))
    }
    corpus = Corpus(views=views, labels=np.eye(CLASSES, dtype=bool)[classes], name="random")
    rows = np.arange(total)
    return corpus.take(rows[: sizes.pairs]), corpus.take(rows[sizes.pairs :])
