"""Does it pay to order the nearest codes anew by the query's real-valued outputs?"""

from __future__ import annotations

import argparse
import dataclasses
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import ROOT
from benchmarks.semisupervised import BITS, LABELLED, experiment
from benchmarks.tables import RESULTS, Json, direction_title, figure, head, publish, table
from crossbit import hamming, metrics
from crossbit.cli.options import use_threads
from crossbit.errors import ConfigError, suggest
from crossbit.hamming.asymmetric import rerank
from crossbit.methods.base import Hasher
from crossbit.metrics import paired_difference
from crossbit.runs.config import ExperimentConfig
from crossbit.runs.fit import fit_run
from crossbit.runs.folder import RunFolder
from crossbit.runs.grid import UnfinishedError
from crossbit.runs.trial import Trial
from crossbit.splits import Split

__all__ = ["grouped", "measure", "options", "render", "run"]

DATASETS, SEEDS = ("wikipedia", "mirflickr"), (0, 1, 2, 3, 4)
METHOD = "schgan"
K = 50  # places that are looked at
DEPTHS = (50, 200, 1000)  # items that are ordered anew
BLOCK = 1 << 24  # label entries compared at a time
RUNS = ROOT / "runs" / "bench" / "rerank"
MEASURES = {"map": f"MAP@{K}", "precision": f"precision@{K}"}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--root", help="folder of the data sets; else CROSSBIT_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these; results stay unwritten")
    parser.add_argument("--datasets", nargs="+", help=f"of {', '.join(DATASETS)}")
    parser.add_argument("--threads", type=int, help="of a fit, which are one at a time (all)")


def run(chosen: argparse.Namespace) -> None:
    """Fit what is not fitted yet, measure, and publish the table."""
    for name in chosen.datasets or ():
        if name not in DATASETS:
            raise ConfigError(f"there is no dataset {name!r} here{suggest(name, DATASETS)}")
    use_threads(chosen.threads)
    # Seeds are outermost: what a stopped benchmark has fitted is paired.
    form: tuple[str, dict[str, Any]] = (METHOD, {})
    rows = [
        {"dataset": dataset, "seed": seed}
        | _cell(experiment(dataset, chosen.root, form, seed), RUNS)
        for seed in chosen.seeds or SEEDS
        for dataset in chosen.datasets or DATASETS
    ]
    whole = not (chosen.seeds or chosen.datasets)
    publish(result(rows), render, whole=whole, folder=RESULTS)


def measure(hasher: Hasher, split: Split, *, k: int, depths: tuple[int, ...], seed: int) -> Json:
    """Return MAP@k and precision@k by direction, before ("0") and after by depth.

    Before: the expected value over the orders of items at equal Hamming distance. After: over
    the orders of items at equal asymmetric distance, which are those of equal codes. Which of
    the items at the distance where a short list is cut off belong to it is drawn at random.
    """
    query, database = split.query, split.database
    database = database.take(np.random.default_rng(seed).permutation(len(database)))
    views = [view for view in query.views if view in hasher.dims]
    found: Json = {}
    for asked, searched in list(permutations(views, 2)) or [(views[0], views[0])]:
        codes = hasher.encode(query[asked], asked)
        stored = hasher.encode(database[searched], searched)
        labels = query.require_labels(), database.require_labels()
        counts = hamming.histogram(codes, stored, *labels)
        values = {"0": _figures(*counts, k)}
        outputs = hasher.project(query[asked], asked)
        _, nearest = hamming.topk(codes, stored, max(depths))
        for depth in depths:
            distances, positions = rerank(outputs, stored, nearest[:, :depth])
            shared = _relevant(*labels, positions)
            relevant, total = grouped(distances, shared)
            # The rest of the database stands behind, in one bucket that no cut reaches.
            rest = [
                counts[0].sum(axis=1) - relevant.sum(axis=1),
                counts[1].sum(axis=1) - total.sum(axis=1),
            ]
            values[str(depth)] = _figures(
                np.column_stack([relevant, rest[0]]), np.column_stack([total, rest[1]]), k
            )
        found[f"{asked}->{searched}"] = values
    return found


def grouped(distances: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return relevant and total counts of each run of equal distances, (q, k) int64 both.

    Parameters
    ----------
    distances : (q, k) float
        Ascending.
    relevant : (q, k) bool
    """
    fresh = np.ones(distances.shape, dtype=bool)
    fresh[:, 1:] = distances[:, 1:] != distances[:, :-1]
    bucket = np.cumsum(fresh, axis=1) - 1
    total = np.zeros(distances.shape, dtype=np.int64)
    hits = np.zeros(distances.shape, dtype=np.int64)
    rows = np.broadcast_to(np.arange(len(distances))[:, None], distances.shape)
    np.add.at(total, (rows, bucket), 1)
    np.add.at(hits, (rows, bucket), relevant)
    return hits, total


def result(rows: list[Json]) -> Json:
    """Return every figure, the means over seeds, and the paired gains over the plain order."""
    summaries = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        runs = [row for row in rows if row["dataset"] == dataset]
        for direction in [*runs[0]["figures"], "mean"]:
            for depth in runs[0]["depths"]:
                for name in MEASURES:
                    values = _values(runs, direction, str(depth), name)
                    before = _values(runs, direction, "0", name)
                    gain: Any = None
                    if depth and len(runs) > 1:
                        gain = dataclasses.asdict(paired_difference(values, before))
                    summaries.append(
                        {
                            "dataset": dataset,
                            "direction": direction,
                            "depth": depth,
                            "measure": name,
                            "mean": float(np.mean(values)),
                            "std": float(np.std(values, ddof=1)) if len(runs) > 1 else None,
                            "seeds": len(runs),
                            "gain": gain,
                        }
                    )
    return head("rerank") | {
        "bits": BITS,
        "labelled": LABELLED,
        "k": K,
        "summaries": summaries,
        "runs": rows,
    }


def render(value: Json) -> str:
    """Return the result as Markdown: a table for each measure."""
    parts = [
        "# Re-ranking by the real-valued outputs\n",
        f"The nearest codes of {value['bits']} bits, as they are and with the first of them "
        "ordered anew by their asymmetric distance: the sum of |output| of the query over the bits "
        "in which a code differs from its own. SCH-GAN with the library's defaults and "
        f"{value['labelled']:.0%} of the labels. Before, the figure is the expected value over the "
        "orders of items at equal distance; after, over those of equal codes. In brackets: the "
        "95 % interval of the mean paired gain over seeds; ± is the standard deviation over "
        "seeds.\n",
    ]
    depths = sorted({item["depth"] for item in value["summaries"]} - {0})
    for name, title in MEASURES.items():
        columns = ["", "direction", "as it is", *(f"first {d:,} anew" for d in depths)]
        rows = []
        chosen = [item for item in value["summaries"] if item["measure"] == name]
        for item in chosen:
            if item["depth"]:
                continue
            same = {key: item[key] for key in ("dataset", "direction")}
            after = {i["depth"]: i for i in chosen if same.items() <= i.items()}
            rows.append(
                [
                    item["dataset"],
                    direction_title(item["direction"]),
                    figure(item),
                    *(_gain(after[depth]) for depth in depths),
                ]
            )
        parts += [f"## {title.replace(str(K), str(value['k']))}\n", table(columns, rows)]
    seeds = max(item["seeds"] for item in value["summaries"])
    parts.append(
        f"- Command: `{value['command']}`, {seeds} seed{'s' if seeds > 1 else ''}\n"
        f"- Code: crossbit {value['code_version']}, Python {value['python']}, torch "
        f"{value['libraries']['torch']}\n"
        f"- Every run: [{value['benchmark']}.json]({value['benchmark']}.json)\n"
    )
    return "\n".join(parts)


def _gain(item: Json) -> str:
    gain = item["gain"]
    if gain is None:
        return f"{item['mean']:.3f}"
    return f"{item['mean']:.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"


def _values(runs: list[Json], direction: str, depth: str, name: str) -> list[float]:
    if direction == "mean":
        directions = list(runs[0]["figures"])
        parts = [_values(runs, each, depth, name) for each in directions]
        return [float(np.mean(values)) for values in zip(*parts, strict=True)]
    return [run["figures"][direction][depth][name] for run in runs]


def _cell(experiment: ExperimentConfig, folder: Path) -> Json:
    """Return the figures of one fit, from its folder if it is there already."""
    source = RunFolder(folder / Trial(METHOD, experiment).key)
    if not fit_run(source, experiment, resume=source.record is not None):
        raise UnfinishedError("stopped; run the same command to go on")
    seed = int(experiment.settings["seed"])
    depths = tuple(d for d in DEPTHS if d <= len(source.split.database))
    return {
        "split": source.split.hash,
        "fingerprint": source.hasher.fingerprint,
        "depths": [0, *depths],
        "figures": measure(source.hasher, source.split, k=K, depths=depths, seed=seed),
    }


def _figures(relevant: np.ndarray, total: np.ndarray, k: int) -> dict[str, float]:
    return {
        "map": metrics.mean_average_precision(relevant, total, k).expected,
        "precision": float(metrics.precision_at(relevant, total, k).mean()),
    }


def _relevant(query_labels: Any, database_labels: Any, positions: np.ndarray) -> np.ndarray:
    """Return which candidates share a label with their query, (q, k) bool."""
    asked, stored = query_labels.toarray(), database_labels.toarray()
    shared = np.empty(positions.shape, dtype=bool)
    rows = max(BLOCK // (positions.shape[1] * stored.shape[1] or 1), 1)
    for start in range(0, len(positions), rows):
        part = slice(start, start + rows)
        shared[part] = (asked[part, None] & stored[positions[part]]).any(axis=2)
    return shared
