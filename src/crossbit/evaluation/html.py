"""One self-contained HTML page for one report, or for several side by side."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from crossbit.errors import DataError
from crossbit.evaluation import plots
from crossbit.evaluation.report import Report
from crossbit.evaluation.tables import arrow, facts, run_names

__all__ = ["document", "page", "picture"]

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin-top: 2.4rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
p.lead, figcaption, .note { color: #555; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid #eee;
         white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid #bbb; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td small { color: #777; display: block; line-height: 1.2; }
td.best { font-weight: 700; color: #00543c; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.1rem; font-size: .9rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
details { margin: .6rem 0; } summary { cursor: pointer; font-weight: 600; }
""".strip()


@dataclass(frozen=True)
class Column:
    """One column of the comparison: its head, its value of a report, and what stands below."""

    head: str
    value: Callable[[Report], float | None]
    below: Callable[[Report], str] | None = None


def page(
    reports: Sequence[Report],
    *,
    title: str,
    introduction: str = "",
    gallery: bytes | None = None,
    histories: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    extra_html: str = "",
) -> str:
    """Return a page that needs no other file and no network.

    Parameters
    ----------
    reports : sequence of Report
        One, or several to compare: best values in bold.
    title, introduction : str
        Plain text; escaped here, as is every text on the page.
    gallery : bytes, optional
        PNG of queries and what they retrieve (`crossbit.evaluation.gallery`).
    histories : mapping, optional
        Progress events by run, for the plot of training (the lines of history.jsonl).
    extra_html : str
        A trusted piece of HTML put before the details; not escaped.

    Raises
    ------
    DataError
        If there are no reports.
    """
    if not reports:
        raise DataError("a page needs at least one report; evaluate a model first")
    parts = [f"<h1>{escape(title)}</h1>"]
    if introduction:
        parts.append(f'<p class="lead">{escape(introduction)}</p>')
    parts += ["<h2>Figures</h2>", _table(reports), _notes(reports)]
    if gallery is not None:
        parts.append("<h2>What queries retrieve</h2>")
        parts.append(
            picture(
                gallery, "image/png", "Left a query, beside it the nearest items of the other view."
            )
        )
    parts.append("<h2>Curves</h2>")
    drawn = [
        (plots.precision_recall_plot(reports), "Precision over recall of the full ranking."),
        (plots.top_n_plot(reports), "Precision of the first n items, expected over ties."),
    ]
    within = plots.radius_plot(reports)
    if within is not None:
        drawn.append((within, "Precision of a look-up within a Hamming radius."))
    training = plots.history_plot(histories) if histories else None
    if training is not None:
        caption = "Validation MAP during training: a dot begins a stage, a star is the best round."
        drawn.append((training, caption))
    parts += [picture(svg, "image/svg+xml", caption) for svg, caption in drawn]
    parts.append(extra_html)
    parts.append("<h2>Where the figures come from</h2>")
    for name, report in zip(run_names(reports), reports, strict=True):
        parts.append(_details(name, report, is_open=len(reports) == 1))
    return document(title, parts)


def document(title: str, parts: Sequence[str], style: str = "") -> str:
    """Return a page of pieces of HTML under a title, with the house style and `style` after it."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}{style}\n</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _table(reports: Sequence[Report]) -> str:
    columns = _columns(reports)
    heads = "".join(f'<th scope="col">{escape(column.head)}</th>' for column in columns)
    values = [[column.value(report) for column in columns] for report in reports]
    best = _best(reports, values)
    rows = []
    for i, (name, report) in enumerate(zip(run_names(reports), reports, strict=True)):
        cells = [f'<td scope="row">{escape(name)}</td>']
        for j, column in enumerate(columns):
            value = values[i][j]
            text = "–" if value is None else f"{value:.3f}"
            below = f"<small>{escape(column.below(report))}</small>" if column.below else ""
            mark = ' class="best"' if (i, j) in best else ""
            cells.append(f"<td{mark}>{text}{below}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = f'<thead><tr><th scope="col">run</th>{heads}</tr></thead>'
    return f'<div class="scroll"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _columns(reports: Sequence[Report]) -> list[Column]:
    directions = list(dict.fromkeys(name for report in reports for name in report.directions))
    columns = [Column(f"MAP {arrow(name)}", _map_of(name), _range_of(name)) for name in directions]
    if len(directions) > 1:
        columns.append(Column("mean MAP", lambda report: report.mean_map))
    first = reports[0].directions[next(iter(reports[0].directions))]
    n = 100 if 100 in first.precision_at else next(iter(first.precision_at))
    for name in directions:
        columns.append(Column(f"P@{n} {arrow(name)}", _precision_of(name, n)))
    return columns


def _best(reports: Sequence[Report], values: list[list[float | None]]) -> set[tuple[int, int]]:
    """Return the cells of the best values; only runs on one split can be compared."""
    if len(reports) < 2 or len({report.split.get("hash") for report in reports}) > 1:
        return set()
    cells = set()
    for j in range(len(values[0])):
        column = [round(v, 3) for row in values if (v := row[j]) is not None]
        for i, row in enumerate(values):
            value = row[j]
            if value is not None and round(value, 3) == max(column):
                cells.add((i, j))
    return cells


def _map_of(direction: str) -> Callable[[Report], float | None]:
    def value(report: Report) -> float | None:
        found = report.map.get(direction)
        return found.expected if found else None

    return value


def _range_of(direction: str) -> Callable[[Report], str]:
    def text(report: Report) -> str:
        found = report.map.get(direction)
        return f"{found.worst:.3f} to {found.best:.3f}" if found else ""

    return text


def _precision_of(direction: str, n: int) -> Callable[[Report], float | None]:
    def value(report: Report) -> float | None:
        return report.precision_at.get(direction, {}).get(n)

    return value


def _notes(reports: Sequence[Report]) -> str:
    sentences = [
        "MAP is the expected value over the orders of items at equal distance; "
        "the small figures are the worst and the best order."
    ]
    hashes = {report.split.get("hash") for report in reports}
    if len(reports) > 1 and len(hashes) == 1:
        sentences.append("All runs use one split; the best values are bold.")
    elif len(hashes) > 1:
        sentences.append("The runs use different splits, so no value is marked as the best.")
    floors = sorted({(a, round(d.random_map, 3)) for r in reports for a, d in r.directions.items()})
    floor_text = ", ".join(f"{arrow(name)} {value:.3f}" for name, value in floors)
    sentences.append(f"A random ranking has MAP {floor_text}.")
    sentences += sorted({f"Database coding: {report.coding}." for report in reports})
    return f'<p class="note">{escape(" ".join(sentences))}</p>'


def _details(name: str, report: Report, *, is_open: bool) -> str:
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts(report))
    seconds = ", ".join(f"{stage} {value:.2f} s" for stage, value in report.seconds.items())
    items += f"<dt>Time</dt><dd>{escape(seconds)}</dd>" if seconds else ""
    mark = " open" if is_open else ""
    return f"<details{mark}><summary>{escape(name)}</summary><dl>{items}</dl></details>"


def picture(data: bytes, kind: str, caption: str) -> str:
    """Return a figure that carries its data."""
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    text = escape(caption)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'
