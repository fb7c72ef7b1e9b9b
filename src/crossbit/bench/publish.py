"""What a grid leaves: tidy CSV, JSON, tables in Markdown and LaTeX, figures, and one page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from crossbit.bench import published
from crossbit.bench.figures import drawings
from crossbit.bench.render import Sheet, html, latex, markdown
from crossbit.bench.results import Json, Run, short_name
from crossbit.bench.standing import has_duel, rows_of
from crossbit.bench.tables import duel_sheet, map_sheet
from crossbit.evaluation.canvas import png, svg
from crossbit.evaluation.html import document, picture
from crossbit.evaluation.report import Report
from crossbit.files import replace_file, write_json, write_text

__all__ = ["COLUMNS", "csv_text", "facts", "markdown_page", "sheets", "write_results"]

STYLE = """
body { max-width: 100rem; }
table.bench { font-size: .8rem; line-height: 1.3; }
table.bench th, table.bench td { padding: .2rem .45rem; }
table.bench thead th { text-align: center; }
table.bench td.word, table.bench tr.block th { text-align: left; white-space: normal; }
tr.block th { padding-top: .8rem; }
tr.published td { font-size: .85em; font-style: italic; color: #666; }
ul.notes { list-style: none; padding: 0; font-size: .85rem; color: #555; }
figure img { width: 100%; max-width: 70rem; }"""


def write_results(value: Json, runs: Sequence[Run], out: Path) -> None:
    """Write everything into `out`, each file whole or not at all."""
    write_text(out / "results.csv", csv_text(runs))
    write_text(out / "tables.md", markdown_page(value))
    write_text(out / "tables.tex", "\n".join(latex(sheet) for sheet in sheets(value)))
    pictures = []
    for name, caption, figure in drawings(value):
        drawn = svg(figure)
        for ending, data in ("svg", drawn), ("png", png(figure)):
            with replace_file(out / f"{name}.{ending}") as stream:
                stream.write(data)
        pictures.append(picture(drawn, "image/svg+xml", caption))
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts(value))
    parts = [f"<h1>{escape(_title(value))}</h1>", *map(html, sheets(value))]
    if pictures:
        parts += ["<h2>Figures</h2>", *pictures]
    parts += ["<h2>Where the figures come from</h2>", f"<dl>{items}</dl>"]
    write_text(out / "report.html", document(_title(value), parts, STYLE))
    write_json(out / "results.json", value)


def sheets(value: Json) -> list[Sheet]:
    """Return all tables: one for each dataset with results here or published, then Table IV."""
    known = [name for name in value["data"] if name in (*value["datasets"], *published.DATASETS)]
    found = [map_sheet(value, name) for name in known]
    if has_duel(value):
        found += [duel_sheet(value, name) for name in known if rows_of(value, name)]
    return found


def markdown_page(value: Json) -> str:
    """Return all tables and where their figures come from."""
    parts = [f"# {_title(value)}\n", *map(markdown, sheets(value))]
    parts.append("## Where the figures come from\n")
    parts.append("".join(f"- {name}: {text}\n" for name, text in facts(value)))
    return "\n".join(parts)


def facts(value: Json) -> list[tuple[str, str]]:
    """Return where the figures come from, as pairs of name and sentence."""
    libraries = ", ".join(f"{name} {text}" for name, text in value["libraries"].items())
    found = [("Command", value["command"]), ("MAP", value["map"] or "nothing is measured yet")]
    if value["unfinished"]:
        count = len(value["unfinished"])
        found.append(("Not finished", f"{count} trials, the first: {value['unfinished'][0]}"))
    found += [(f"Left out: {item['what']}", item["why"]) for item in value["skipped"]]
    for name, data in value["datasets"].items():
        hashes = ", ".join(f"{seed}: {text[:12]}" for seed, text in data["hashes"].items())
        found.append((f"Splits of {name}", f"recipe {data['split']['recipe']}; by seed {hashes}"))
        found.append((f"Features of {name}", f"SHA-256 {data['fingerprint'][:12]}"))
    code = f"crossbit {value['code_version']}, Python {value['python']}, {libraries}"
    return [*found, ("Code", code), ("Date", value["date"])]


def _title(value: Json) -> str:
    text = f"Benchmark {value['name']}"
    return f"{text}, unfinished" if value["unfinished"] else text


COLUMNS = (
    "dataset",
    "method",
    "coding",
    "ranking",
    "learns_from",
    "bits",
    "seed",
    "direction",
    "metric",
    "at",
    "value",
    "split",
    "trial",
)


def csv_text(runs: Sequence[Run]) -> str:
    """Return a line for every figure: MAP and its bounds, precision of the first n, seconds."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        report = run.report
        head = (
            short_name(run.trial.experiment.data),
            report.method,
            run.coding,
            report.ranking,
            report.learns_from,
            report.bits,
            report.seed,
        )
        tail = (report.split["hash"][:12], run.trial.key)
        for figure in _figures(report):
            writer.writerow((*head, *figure, *tail))
    return stream.getvalue()


def _figures(report: Report) -> Iterator[tuple[str, str, int | str, float]]:
    """Yield direction, metric, place and value."""
    for name, found in report.directions.items():
        for kind in ("expected", "best", "worst"):
            yield name, f"map_{kind}", "", getattr(found.map, kind)
        yield name, "map_random", "", found.random_map
        for n, share in found.precision_at.items():
            yield name, "precision_at", n, share
    for stage, seconds in report.seconds.items():
        yield "", f"seconds_{stage}", "", seconds
