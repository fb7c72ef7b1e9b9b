"""Reports as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from crossbit.evaluation.report import Report

__all__ = ["arrow", "csv_text", "facts", "markdown", "run_names"]

COLUMNS = ("label", "method", "dataset", "bits", "seed", "direction", "metric", "at", "value")


def csv_text(reports: Sequence[Report]) -> str:
    """Return all figures in long form, one to a line: ready for any table program."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report in reports:
        head = (report.label, report.method, report.dataset, report.bits, report.seed)
        for line in _figures(report):
            writer.writerow((*head, *line))
    return stream.getvalue()


def markdown(report: Report) -> str:
    """Return one report as a page of Markdown: the figures, then where they come from."""
    shown = [n for n in (50, 100, 500, 1000) if n in next(iter(report.precision_at.values()))]
    cuts = list(next(iter(report.map_at.values())))
    head = ["direction", "MAP", "worst", "best", "random"]
    head += [f"MAP@{k}" for k in cuts] + [f"P@{n}" for n in shown] + [f"P@radius {report.radius}"]
    lines = [f"# {report.label} on {report.dataset}, {report.bits} bits", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, found in report.directions.items():
        cells: list[float | None] = [found.map.expected, found.map.worst, found.map.best]
        cells.append(found.random_map)
        cells += [found.map_at[k].expected for k in cuts]
        cells += [found.precision_at[n] for n in shown] + [report.p_radius[name]]
        texts = ["–" if value is None else f"{value:.4f}" for value in cells]
        lines.append("| " + " | ".join([arrow(name), *texts]) + " |")
    lines += ["", f"Mean MAP over directions: {report.mean_map:.4f}", ""]
    lines += [f"- {name}: {text}" for name, text in facts(report)]
    return "\n".join(lines) + "\n"


def facts(report: Report) -> list[tuple[str, str]]:
    """Return where a report's figures come from, as pairs of name and sentence."""
    split = report.split
    counts = ", ".join(
        f"{split[part]:,} {name}"
        for part, name in (
            ("train", "train"),
            ("labelled", "of them labelled"),
            ("validation", "validation"),
            ("query", "queries"),
            ("database", "database"),
        )
        if part in split
    )
    found = [
        ("Database coding", report.coding),
        ("Ranked by", report.ranking),
        ("Learns from", report.learns_from),
        ("MAP", report.map_definition),
        ("Split", f"{split.get('recipe', '?')}, seed {split.get('seed', '?')}: {counts}"),
        ("Split hash", str(split.get("hash", "?"))),
    ]
    if split.get("transductive"):
        found.append(("Transductive", "the unlabelled training pool holds the query items"))
    without = max(value.without_relevant for value in report.map.values())
    if without:
        found.append(("Queries without relevant items", f"{without:,}, counted as 0"))
    if report.unlabelled_database:
        number = f"{report.unlabelled_database:,}"
        found.append(("Database items without labels", f"{number}, relevant to no query"))
    for view, lacking in split.get("lacking", {}).items():
        number = f"{lacking['query']:,} queries do not ask by it, {lacking['database']:,} database "
        found.append((f"Without {view}", number + "items are not found through it"))
    if report.trained.get("left_out"):
        number = f"{report.trained['left_out']:,}"
        found.append(("Not learnt from", f"{number} training rows that lack a view"))
    found.append(("Settings", ", ".join(f"{k}={v}" for k, v in report.settings.items())))
    for view, health in report.health.items():
        codes = f"{health.distinct:,} distinct codes, {health.dead_bits} dead bits, "
        codes += f"balance {health.balance:.2f}, entropy {health.entropy:.2f}, "
        found.append((f"Codes of {view}", codes + f"bit correlation {health.correlation:.2f}"))
    for warning in report.trained.get("warnings", ()):
        found.append(("Training warned", str(warning)))
    found.append(("Code", f"crossbit {report.code_version}, {report.date}"))
    return found


def run_names(reports: Sequence[Report]) -> list[str]:
    """Return the shortest names that tell the reports apart: label, then bits, data and seed."""

    def differ(values: list[Any]) -> bool:
        return len(set(values)) > 1

    names = [report.label for report in reports]
    if differ([report.bits for report in reports]):
        names = [f"{n}, {r.bits} bits" for n, r in zip(names, reports, strict=True)]
    if differ([report.dataset for report in reports]):
        names = [f"{n}, {r.dataset}" for n, r in zip(names, reports, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{n}, seed {r.seed}" for n, r in zip(names, reports, strict=True)]
    return names


def arrow(direction: str) -> str:
    """Return "image → text" for "image->text"."""
    return direction.replace("->", " → ")


def _figures(report: Report) -> Iterator[tuple[str, str, int | str, float]]:
    """Yield direction, metric, place and value of every figure."""
    for name, found in report.directions.items():
        for kind in ("expected", "best", "worst"):
            yield name, f"map_{kind}", "", getattr(found.map, kind)
        yield name, "map_random", "", found.random_map
        for k, value in found.map_at.items():
            yield name, "map_at", k, value.expected
        for n, share in found.precision_at.items():
            yield name, "precision_at", n, share
        lookup = found.lookup
        for at, radius in enumerate([] if lookup is None else lookup.radius.tolist()):
            assert lookup is not None
            yield name, "radius_precision", radius, float(lookup.precision[at])
            yield name, "radius_recall", radius, float(lookup.recall[at])
            yield name, "radius_answered", radius, float(lookup.answered[at])
        ranking = found.ranking
        for at, place in enumerate(ranking.places.tolist()):
            yield name, "ranking_precision", place, float(ranking.precision[at])
            yield name, "ranking_recall", place, float(ranking.recall[at])
