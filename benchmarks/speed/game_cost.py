"""What a round of the game costs by queries and by pool: processor seconds, and a line each."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.training.loop import run_epoch

__all__ = ["SWEEPS", "fit_line", "measure", "options", "render", "run"]

# setting: its values, while the other one stays at its place in FIXED
SWEEPS = {"query_batch": (256, 512, 1024), "pool": (256, 512, 1024)}
FIXED = {"query_batch": 512, "pool": 512}
WORDS = {"query_batch": "queries in a step", "pool": "candidates in a pool"}
ROWS, IMAGE, TEXT, CLASSES = 4096, 512, 256, 10
LABELLED = 0.1
STEPS = {"generator_steps": 5, "min_steps_per_epoch": 11}  # of G and of D in a round
REPEATS = 5  # rounds that are timed, after one that is not


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"rounds timed ({REPEATS})")


def run(chosen: argparse.Namespace) -> None:
    """Time rounds of all sizes on one thread, and publish the lines."""
    import torch

    if chosen.repeats < 1:
        raise ConfigError(f"repeats must be at least 1, got {chosen.repeats}")
    torch.set_num_threads(1)
    places = {(name, size): FIXED | {name: size} for name in SWEEPS for size in SWEEPS[name]}
    data = random_corpus(ROWS, IMAGE, TEXT)
    rows = measure(data, list(places.values()), repeats=chosen.repeats)
    sweeps = []
    for name, sizes in SWEEPS.items():
        found = [row for (of, _), row in zip(places, rows, strict=True) if of == name]
        line = fit_line(sizes, [row["seconds"] for row in found])
        sweeps.append({"setting": name, "sizes": list(sizes), "rows": found} | line)
    value = head("game_cost") | {
        "fixed": FIXED,
        "steps": STEPS,
        "repeats": chosen.repeats,
        "data": {"rows": ROWS, "image": IMAGE, "text": TEXT, "labelled": LABELLED},
        "sweeps": sweeps,
    }
    publish(value, render, whole=chosen.repeats == REPEATS, folder=RESULTS)


def measure(
    corpus: Corpus, sizes: Sequence[dict[str, int]], *, repeats: int, **more: Any
) -> list[Json]:
    """Return the processor seconds of a round of SCH-GAN's game at each of some sizes.

    The sizes take turns, so that a slow minute of the machine does not fall on one of them.
    """
    games = [_game(corpus, {**STEPS, **size, **more}) for size in sizes]
    seconds: list[list[float]] = [[] for _ in games]
    for number in range(1, repeats + 2):
        for game, kept in zip(games, seconds, strict=True):
            started = time.process_time()
            run_epoch(game, number)
            if number > 1:
                kept.append(round(time.process_time() - started, 4))
    return [
        size | {"seconds": statistics.median(kept), "all_seconds": kept}
        for size, kept in zip(sizes, seconds, strict=True)
    ]


def fit_line(sizes: Sequence[float], seconds: Sequence[float]) -> Json:
    """Return slope, intercept and R^2 of the least squares line, and its largest relative miss."""
    x, y = np.array(sizes, dtype=float), np.array(seconds, dtype=float)
    slope, intercept = np.polyfit(x, y, 1)
    missed = y - (slope * x + intercept)
    spread = float(((y - y.mean()) ** 2).sum())
    return {
        "slope": float(slope),
        "intercept": float(intercept),
        "r2": 1 - float((missed**2).sum()) / spread if spread else 1.0,
        "deviation": float(np.abs(missed / y).max()),
    }


def render(value: Json) -> str:
    """Return the lines as Markdown."""
    steps, data = value["steps"], value["data"]
    parts = [
        "# What a round of the game costs\n",
        f"Processor seconds of one adversarial round of SCH-GAN with its default settings "
        f"({steps['generator_steps']} steps of the generator, {steps['min_steps_per_epoch']} "
        f"of the discriminator) on one thread, median of {value['repeats']} rounds, the sizes by "
        "turns. "
        f"{data['rows']:,} random pairs, images of {data['image']} numbers and texts of "
        f"{data['text']}, {data['labelled']:.0%} of them labelled. The line is of least squares; "
        "its intercept holds what does not grow: the generator's codes of all rows, the losses on "
        "labelled pairs, and the other size. The contrast of all pairs of a pool grows with the "
        "square of the pool, but costs little beside the networks.\n",
    ]
    for sweep in value["sweeps"]:
        name = sweep["setting"]
        other = next(key for key in value["fixed"] if key != name)
        line = [sweep["slope"] * size + sweep["intercept"] for size in sweep["sizes"]]
        cells = [
            [f"{size:,}", f"{row['seconds']:.3f}", f"{at:.3f}", f"{at / row['seconds'] - 1:+.1%}"]
            for size, row, at in zip(sweep["sizes"], sweep["rows"], line, strict=True)
        ]
        parts += [
            f"## By {WORDS[name]}, with {value['fixed'][other]:,} {WORDS[other]}\n",
            table([WORDS[name], "seconds", "line", "difference"], cells),
            f"{1000 * sweep['slope']:.2f} ms for each, and {sweep['intercept']:.2f} s; "
            f"R² {sweep['r2']:.4f}, largest deviation {sweep['deviation']:.1%}.\n",
        ]
    parts.append(
        f"Command: `{value['command']}`; code: crossbit {value['code_version']}, torch "
        f"{value['libraries']['torch']}.\n"
    )
    return "\n".join(parts)


def random_corpus(rows: int, image: int, text: int) -> Corpus:
    """Return random pairs around one point per class, some of them labelled."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, CLASSES, rows)
    views = {
        view: (rng.normal(size=(CLASSES, width))[classes] + rng.normal(size=(rows, width))).astype(
            np.float32
        )
        for view, width in (("image", image), ("text", text))
    }
    labels = np.eye(CLASSES, dtype=bool)[classes]
    return Corpus(views, labels=labels, labelled=rng.random(rows) < LABELLED, name="random")


def _game(corpus: Corpus, settings: dict[str, Any]) -> Any:
    """Return the game that `fit` would play, from its first round on."""
    import torch

    from crossbit import methods
    from crossbit.features.scaling import fit_scaling
    from crossbit.training.data import TrainingData

    schgan: Any = methods.get("schgan")
    hasher = schgan(warmup_epochs=0, **settings)
    scaling = {view: fit_scaling(corpus[view]) for view in corpus.views}
    return hasher._task(TrainingData.of(corpus, scaling), torch.Generator().manual_seed(0))
