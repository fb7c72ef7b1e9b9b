"""Results: what a benchmark found, as JSON with everything behind each figure, and as Markdown."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.pins import code_hashes, note, stale
from crossbit.errors import DataError
from crossbit.evaluation import Comparison, Report, compare
from crossbit.evaluation.compare import Difference, Summary
from crossbit.evaluation.provenance import code_version
from crossbit.evaluation.tables import arrow
from crossbit.files import write_json, write_text
from crossbit.metrics import Paired

__all__ = [
    "RESULTS",
    "Json",
    "comparison",
    "direction_title",
    "figure",
    "footer",
    "gap",
    "head",
    "mean",
    "page",
    "publish",
    "read",
    "result",
    "run_of",
    "table",
]

Json = dict[str, Any]

RESULTS = ROOT / "results"
DIGITS = 5  # of figures in JSON; tables show three
LIBRARIES = ("numpy", "scipy", "torch")


def head(name: str) -> Json:
    """Return what stands at the top of every result: command, date, versions."""
    return {
        "benchmark": name,
        "command": f"python -m benchmarks {name}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "code_version": code_version(),
        "python": platform.python_version(),
        "libraries": {library: version(library) for library in LIBRARIES},
    }


def result(name: str, reports: Sequence[Report], pairs: Sequence[tuple[str, str]]) -> Json:
    """Return every run with its split, seed, bits, code and figures; means; paired differences."""
    found = compare(reports, pairs)
    return head(name) | {
        "map": reports[0].map_definition,
        "coding": sorted({report.coding for report in reports}),
        "summaries": [_rounded(dataclasses.asdict(item)) for item in found.summaries],
        "differences": [_rounded(dataclasses.asdict(item)) for item in found.differences],
        "runs": [run_of(report) for report in reports],
        "settings": _settings(reports),
    }


def comparison(value: Json) -> Comparison:
    """Return the means and differences that `result` wrote."""
    differences = [
        Difference(**{**item, "paired": Paired(**item["paired"])}) for item in value["differences"]
    ]
    return Comparison([Summary(**item) for item in value["summaries"]], differences)


def publish(value: Json, render: Callable[[Json], str], *, whole: bool, folder: Path) -> None:
    """Print the table; keep it in `folder` if the whole benchmark ran, not a part of it."""
    print(f"\n{render(value)}")
    if not whole:
        print("only a part was run, so the results were not written")
        return
    value = value | {"code_hashes": code_hashes(value)}
    write_text(folder / f"{value['benchmark']}.md", page(value, render))
    write_json(folder / f"{value['benchmark']}.json", value)
    print(f"written to {folder.name}/; `python -m benchmarks readme` puts it into the README")


def page(value: Json, render: Callable[[Json], str]) -> str:
    """Return a result as Markdown, and why it is pinned if its code has changed since."""
    name = value.get("benchmark") or value["name"]
    return render(value) + (note(name) if stale(value) else "")


def read(name: str, folder: Path = RESULTS) -> Json | None:
    """Return the result of a benchmark, None if it was never run as a whole."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    try:
        value: Json = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); run the benchmark again") from None
    return value


def mean(value: Json, dataset: str, label: str, bits: int, direction: str) -> Json | None:
    """Return the summary of one run over seeds."""
    wanted = {"dataset": dataset, "label": label, "bits": bits, "direction": direction}
    found = (item for item in value["summaries"] if wanted.items() <= item.items())
    return next(found, None)


def gap(value: Json, dataset: str, label: str, against: str, bits: int, direction: str) -> str:
    """Return a paired difference over seeds, "+0.020 [+0.013, +0.027]"."""
    wanted = {"dataset": dataset, "label": label, "against": against, "bits": bits}
    found = (
        d for d in value["differences"] if (wanted | {"direction": direction}).items() <= d.items()
    )
    pair = next((item["paired"] for item in found), None)
    return "–" if pair is None else f"{pair['mean']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def footer(value: Json, splits: Sequence[str] | None = None) -> str:
    """Return where the figures of a grid come from, as Markdown; `splits` in place of its own."""
    versions = sorted({run["code_version"] for run in value["runs"]})
    lines = [f"- Command: `{value['command']}`", f"- MAP: {value['map']}"]
    lines += [f"- Database codes: {coding}" for coding in value["coding"]]
    lines += _splits(value) if splits is None else splits
    libraries = ", ".join(f"{name} {text}" for name, text in value["libraries"].items())
    lines.append(f"- Code: crossbit {'; '.join(versions)}, Python {value['python']}, {libraries}")
    lines.append(
        f"- Settings and every run: [{value['benchmark']}.json]({value['benchmark']}.json)"
    )
    return "\n".join(lines) + "\n"


def _splits(value: Json) -> list[str]:
    hashes: dict[str, dict[int, str]] = {}
    for run in value["runs"]:
        hashes.setdefault(run["dataset"], {})[run["seed"]] = run["split"]["hash"][:12]
    counts = {run["dataset"]: run["split"] for run in value["runs"]}
    lines = []
    for dataset, seeds in hashes.items():
        split = counts[dataset]
        prints = ", ".join(f"{seed}: {text}" for seed, text in sorted(seeds.items()))
        lines.append(
            f"- {dataset}: {split['train']:,} training pairs, {split['labelled']:,} of them "
            f"labelled, {split['validation']:,} labelled pairs to choose the model by, "
            f"{split['query']:,} queries, {split['database']:,} in the database; "
            f"split hash by seed {prints}"
        )
    return lines


def run_of(report: Report) -> Json:
    """Return what a result keeps of one run."""
    kept = ("hash", "recipe", "train", "labelled", "validation", "query", "database")
    return {
        "label": report.label,
        "dataset": report.dataset,
        "bits": report.bits,
        "seed": report.seed,
        "split": {name: report.split[name] for name in kept}
        | {"transductive": report.split["transductive"]},
        "map": {name: _rounded(dataclasses.asdict(m)) for name, m in report.map.items()},
        "validation_map": _rounded(report.trained.get("validation_map")),
        "fit_seconds": report.seconds.get("fit"),
        "code_version": report.code_version,
    }


def _settings(reports: Sequence[Report]) -> list[Json]:
    """Return each form's settings once, with the data sets that it was run on with them."""
    found: list[Json] = []
    for report in reports:
        settings = {k: v for k, v in report.settings.items() if k not in ("bits", "seed")}
        entry = {"label": report.label, "method": report.method, "settings": settings}
        same = next((item for item in found if entry.items() <= item.items()), None)
        if same is None:
            found.append(entry | {"datasets": [report.dataset]})
        elif report.dataset not in same["datasets"]:
            same["datasets"].append(report.dataset)
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    # p-values keep their digits: they are small, and their size is what counts
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def figure(found: Json | None, digits: int = 3) -> str:
    """Return "0.371 ± 0.004"."""
    if found is None:
        return "–"
    spread = "" if found["std"] is None else f" ± {found['std']:.{digits}f}"
    return f"{found['mean']:.{digits}f}{spread}"


def direction_title(name: str) -> str:
    """Return "image → text", and "mean of the directions" for the mean."""
    return "mean of the directions" if name == "mean" else arrow(name)
