"""Seeds: the runs of one method as figures by seed, their spread, and pairs with another method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.tables import Json
from crossbit.errors import DataError
from crossbit.metrics import Paired, paired_difference

__all__ = ["Figures", "by_seed", "check_splits", "difference", "paired", "spread"]

Figures = dict[int, float]


def by_seed(value: Json, direction: str, **wanted: Any) -> Figures:
    """Return the MAP of the runs that have all of `wanted`; direction "mean" means of both."""
    found = {}
    for run in value["runs"]:
        if wanted.items() <= run.items():
            maps = [figures["expected"] for figures in run["map"].values()]
            mean = sum(maps) / len(maps)
            found[run["seed"]] = mean if direction == "mean" else run["map"][direction]["expected"]
    return found


def spread(found: Mapping[int, float], seeds: int, digits: int = 3, bold: bool = False) -> str:
    """Return "0.371 ± 0.004", and in brackets how many seeds it is of, where some lack."""
    if not found:
        return "–"
    values = list(found.values())
    text = f"{np.mean(values):.{digits}f}"
    text = f"**{text}**" if bold else text
    text += f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return text if len(values) == seeds else f"{text} ({len(values)})"


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> Paired | None:
    """Return the paired difference a - b over common seeds; None if there are not two of them."""
    common = sorted(a.keys() & b.keys())
    if len(common) < 2:
        return None
    return paired_difference([a[seed] for seed in common], [b[seed] for seed in common])


def difference(found: Paired | None, seeds: int) -> str:
    """Return "+0.020 [+0.013, +0.027]", marked as `spread` does where seeds lack."""
    if found is None:
        return "–"
    text = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return text if found.pairs == seeds else f"{text} ({found.pairs})"


def check_splits(runs: Sequence[Json], *names: str) -> None:
    """Raise DataError if runs that are paired, equal in all of `names`, had different splits."""
    hashes: dict[tuple[Any, ...], str] = {}
    for run in runs:
        place = tuple(run[name] for name in names)
        if hashes.setdefault(place, run["split"]["hash"]) != run["split"]["hash"]:
            where = ", ".join(f"{name} {part}" for name, part in zip(names, place, strict=True))
            raise DataError(f"{run['label']} had another split than the others with {where}")
