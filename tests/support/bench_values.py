"""Results of a grid that never ran, for tests of tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import tables

Json = dict[str, Any]
SPLIT = {"recipe": "wikipedia", "train": 1738, "labelled": 1738, "validation": 435}


def row(method: str, maps: Sequence[float], coding: str = "single", **more: Any) -> Json:
    """A row at 64 bits with one MAP per seed, the same in both directions."""
    return {
        "dataset": "wikipedia",
        "method": method,
        "coding": coding,
        "bits": 64,
        "seeds": list(range(len(maps))),
        "map": {"image->text": list(maps), "text->image": list(maps)},
        "validation_map": 0.5,
        "fit_seconds": 12.34,
        "breaks": [],
    } | more


def value(rows: Sequence[Json], methods: Sequence[str] = (), **more: Any) -> Json:
    """What `gather` returns, of these rows and of methods that have none."""
    named = list(dict.fromkeys([*(r["method"] for r in rows), *methods]))
    facts = {"learns_from": "all rows_of it", "ranking": "Hamming distance", "settings": {}}
    return {
        "format": 1,
        "name": "x",
        "command": "crossbit bench x.toml",
        "date": "2026-11-25",
        "code_version": "0.1.0",
        "python": "3.12",
        "libraries": {"numpy": "2"},
        "map": "a definition",
        "data": ["wikipedia"],
        "methods": {
            m: {"label": TITLES.get(m, m)} | (facts if m not in methods else {}) for m in named
        },
        "bits": [64],
        "seeds": list(range(max((len(r["seeds"]) for r in rows), default=1))),
        "unfinished": [],
        "skipped": [{"what": "nuswide", "why": "not in this version"}],
        "datasets": {
            "wikipedia": {
                "features": {"image": 128, "text": 10},
                "fingerprint": "f" * 64,
                "split": {**SPLIT, "query": 693, "database": 2173},
                "hashes": {"0": "a" * 64},
                "random": {"image->text": 0.11, "text->image": 0.12},
            }
        },
        "rows": list(rows),
        "curves": [curve(r) for r in rows],
        "epochs": [],
    } | more


def curve(of: Json) -> Json:
    line: Mapping[str, Any] = {
        "n": [50, 100, 150],
        "precision_at": [0.4, 0.3, 0.2],
        "recall": [0.1, 0.5, 1.0],
        "precision": [0.4, 0.3, 0.1],
    }
    head = {key: of[key] for key in ("dataset", "method", "coding", "bits")}
    return head | {"directions": {name: dict(line) for name in of["map"]}}


def made_run(label: str, seed: int, figure: float, **more: Any) -> Json:
    """A run with MAP `figure` from image to text, and 0.1 more back."""
    split = {"hash": f"{seed}" * 64, "recipe": "wikipedia", "train": 2000, "labelled": 20}
    split |= {"validation": 5, "query": 693, "database": 2173, "transductive": False}
    there, back = figure, figure + 0.1
    return {
        "label": label,
        "dataset": "wikipedia",
        "bits": 64,
        "seed": seed,
        "split": split,
        "map": {"image->text": {"expected": there}, "text->image": {"expected": back}},
        "fit_seconds": 12.34,
        "code_version": "0.1.0",
    } | more


def made_value(name: str, runs: list[Json], **more: Any) -> Json:
    """What a benchmark of these runs found, over three seeds."""
    return (
        tables.head(name)
        | {
            "map": "a definition",
            "datasets": ["wikipedia"],
            "labels": list(dict.fromkeys(run["label"] for run in runs)),
            "seeds": [0, 1, 2],
            "left_out": [],
            "refused": [],
            "unfinished": [],
            "settings": {},
            "runs": runs,
            "coding": [],
        }
        | more
    )


def rows_of(page: str) -> list[list[str]]:
    """The trials of every table line of a page."""
    return [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]


TITLES = {
    "schgan": "SCH-GAN",
    "displus": "Dis+",
    "dis": "Dis",
    "cvh": "CVH",
    "scm_orth": "SCM_orth",
}
