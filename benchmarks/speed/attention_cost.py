"""What the game of attention costs: pictures a second beside a plain loop of the same network."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.training.loop import run_epoch

__all__ = ["measure", "options", "random_pictures", "render", "run"]

ROWS, SIZE, WORDS, CLASSES = 1024, 64, 1386, 24
SETTINGS = {"bits": 32, "min_steps_per_epoch": 8}
REPEATS = 5  # rounds that are timed, after one that is not
PLAIN, WITHOUT, GAME = "plain loop", "without attention", "the game"


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"timed rounds ({REPEATS})")


def run(chosen: argparse.Namespace) -> None:
    """Time rounds by turns and publish the table."""
    import torch

    if chosen.repeats < 1:
        raise ConfigError("repeats must be at least 1")
    torch.set_num_threads(1)
    rows = measure(random_pictures(ROWS, SIZE), repeats=chosen.repeats, **SETTINGS)
    value = head("attention_cost") | {
        "settings": SETTINGS,
        "repeats": chosen.repeats,
        "data": {"rows": ROWS, "size": SIZE, "words": WORDS},
        "rows": rows,
    }
    publish(value, render, whole=chosen.repeats == REPEATS, folder=RESULTS)


def measure(corpus: Corpus, *, repeats: int, **settings: Any) -> list[Json]:
    """Return pictures per processor second of three ways to train the network, by turns.

    All take as many steps of as many rows in a round: a slow minute of the machine falls on all.
    """
    ways = {
        PLAIN: _plain(corpus, **settings),
        WITHOUT: _game(corpus, attention=False, **settings),
        GAME: _game(corpus, attention=True, **settings),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    count = 0
    for number in range(repeats + 1):
        for name, train in ways.items():
            started = time.process_time()
            count = train()
            if number:
                seconds[name].append(time.process_time() - started)
    speeds = {name: count / statistics.median(kept) for name, kept in seconds.items()}
    return [
        {"way": name, "per_second": round(speed, 2), "ratio": round(speed / speeds[PLAIN], 4)}
        for name, speed in speeds.items()
    ]


def render(value: Json) -> str:
    """Return the table as Markdown."""
    data, settings = value["data"], value["settings"]
    cells = [
        [row["way"], f"{row['per_second']:,.0f}", f"{1 / row['ratio']:.2f}"]
        for row in value["rows"]
    ]
    return "\n".join(
        [
            "# What the game of attention costs\n",
            f"Pairs of a {data['size']} x {data['size']} picture and a text of {data['words']:,} "
            f"words that pass in a processor second of training at {settings['bits']} bits, on one "
            f"thread; median of {value['repeats']} rounds, the ways by turns. The plain loop is a "
            "dozen lines of torch around the same network with the same ranking losses; the "
            "others are HashGAN's own training.\n",
            table(["training", "pairs a second", "time beside the plain loop"], cells),
            f"Command: `{value['command']}`; code: crossbit {value['code_version']}, torch "
            f"{value['libraries']['torch']}.\n",
        ]
    )


def random_pictures(rows: int, size: int) -> Corpus:
    """Return random pictures and bags of words with random labels: only time is measured."""
    from crossbit.features.pixels import Pixels

    rng = np.random.default_rng(0)
    return Corpus(
        {
            "image": rng.random((rows, size * size * 3), dtype=np.float32),
            "text": sparse.csr_matrix(rng.random((rows, WORDS)) < 0.005, dtype=np.float32),
        },
        labels=rng.random((rows, CLASSES)) < 0.15,
        labelled=np.ones(rows, dtype=bool),
        encoders={"image": Pixels(size)},
        name="random",
    )


def _hasher_and_data(corpus: Corpus, **settings: Any) -> tuple[Any, Any]:
    from crossbit import methods
    from crossbit.training.data import TrainingData

    hasher: Any = methods.get("hashgan")(**settings)
    hasher.encoders = dict(corpus.encoders)
    scaling = {view: hasher._fit_scaling(corpus, view) for view in corpus.views}
    return hasher, TrainingData.of(corpus, scaling)


def _game(corpus: Corpus, **settings: Any) -> Callable[[], int]:
    """Return a function that trains as `fit` does for one round, and tells how many rows passed."""
    import torch

    hasher, data = _hasher_and_data(corpus, **settings)
    task = hasher._task(data, torch.Generator().manual_seed(0))

    def train() -> int:
        run_epoch(task, 1)
        return int(task.rules.steps * task.rules.batch)

    return train


def _plain(corpus: Corpus, **settings: Any) -> Callable[[], int]:
    """Return the same of a loop that anybody would write."""
    import torch

    from crossbit.networks.convolution import jitter
    from crossbit.networks.losses import ranking, signed

    hasher, data = _hasher_and_data(corpus, attention=False, **settings)
    rng = torch.Generator().manual_seed(0)
    network = hasher._new_network(data, rng)
    shape = hasher._shapes()["image"]
    optimizer = torch.optim.AdamW(network.parameters(), lr=hasher.lr)
    steps, batch = hasher._steps(data), hasher.labelled_batch

    def train() -> int:
        for _ in range(steps):
            rows = torch.randint(len(data), (batch,), generator=rng)
            x = {view: values[rows] for view, values in data.views.items()}
            x["image"] = jitter(
                x["image"], shape, mirror=hasher.mirror, shift=hasher.shift, rng=rng
            )
            codes = {view: signed(network(view, part)) for view, part in x.items()}
            relevant = (data.labels[rows] @ data.labels[rows].T > 0).float()
            losses = [
                ranking(codes[a] @ codes[b].T, relevant, hasher.temperature * hasher.bits)
                for a, b in product(codes, repeat=2)
            ]
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(torch.stack(losses).sum())
            optimizer.step()
        return int(steps * batch)

    return train
