"""A sheet as Markdown, as LaTeX (booktabs) and as HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from typing import Literal

__all__ = ["MISSING", "Entry", "Line", "Sheet", "html", "latex", "markdown"]

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "−": "$-$",
    "–": "--",
    "†": r"$\dagger$",
}


def markdown(sheet: Sheet) -> str:
    """Return the table with its title, caption and footnotes; published figures in italics."""
    heads = [f"{group} {c}".strip() for group, c in zip(_over(sheet), sheet.columns, strict=True)]
    lines = [_bar(heads), _bar(["---"] * sheet.words + ["--:"] * (len(heads) - sheet.words))]
    for line in sheet.lines:
        texts = [_markdown(entry, line) for entry in line.entries]
        lines.append(_bar(texts + [""] * (len(heads) - len(texts))))
    notes = "".join(f"\n{_escaped(mark)} {_escaped(text)}.\n" for mark, text in sheet.notes)
    table = "\n".join(lines)
    return f"## {sheet.title}\n\n{_escaped(sheet.caption)}\n\n{table}\n{notes}"


def latex(sheet: Sheet) -> str:
    """Return a table environment; it needs the packages booktabs and graphicx."""
    width = len(sheet.columns)
    rows: list[str] = []
    for line in sheet.lines:
        if line.kind == "block":
            title = _tex(line.entries[0].text)
            rows += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textit{{{title}}}}} \\"]
        else:
            rows.append(" & ".join(_latex(entry, line) for entry in line.entries) + r" \\")
    if sheet.lines and sheet.lines[0].kind != "block":
        rows.insert(0, r"\midrule")
    groups, rules, at = [], [], 1
    for name, span in sheet.groups:
        groups.append(rf"\multicolumn{{{span}}}{{c}}{{{_tex(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{at}-{at + span - 1}}}")
        at += span
    notes = "".join(
        rf" \textsuperscript{{{_tex(mark)}}}~{_tex(text)}." for mark, text in sheet.notes
    )
    parts = [
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{_tex(sheet.title)}. {_tex(sheet.caption)}{notes}}}",
        rf"\label{{tab:{sheet.name}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{'l' * sheet.words}{'r' * (width - sheet.words)}}}",
        r"\toprule",
        " & ".join(groups) + r" \\",
        "".join(rules),
        " & ".join(_tex(column) for column in sheet.columns) + r" \\",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table*}",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def html(sheet: Sheet) -> str:
    """Return a heading, the caption, the table and its footnotes."""
    width = len(sheet.columns)
    over = "".join(f'<th colspan="{span}">{escape(name)}</th>' for name, span in sheet.groups)
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in sheet.columns)
    rows = []
    for line in sheet.lines:
        if line.kind == "block":
            title = escape(line.entries[0].text)
            rows.append(f'<tr class="block"><th colspan="{width}">{title}</th></tr>')
            continue
        cells = []
        for at, entry in enumerate(line.entries):
            kind = ' class="word"' if at < sheet.words else ' class="best"' if entry.bold else ""
            cells.append(f"<td{kind}>{_html(entry)}</td>")
        rows.append(f'<tr class="{line.kind}">{"".join(cells)}</tr>')
    notes = "".join(f"<li><sup>{escape(m)}</sup> {escape(text)}.</li>" for m, text in sheet.notes)
    return (
        f'<h2 id="{escape(sheet.name)}">{escape(sheet.title)}</h2>\n'
        f'<p class="note">{escape(sheet.caption)}</p>\n'
        f'<div class="scroll"><table class="bench"><thead><tr>{over}</tr><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
    )


def _over(sheet: Sheet) -> list[str]:
    return [name for name, span in sheet.groups for _ in range(span)]


def _bar(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _markdown(entry: Entry, line: Line) -> str:
    text = _escaped(entry.text)
    if line.kind == "published" and text:
        text = f"*{text}*"
    elif entry.bold or line.kind == "block":
        text = f"**{text}**"
    mark = f"<sup>{_escaped(entry.mark)}</sup>" if entry.mark else ""
    return f"{text}{mark} {entry.beside}".strip()


def _escaped(text: str) -> str:
    return re.sub(r"([*_|<\[\]])", r"\\\1", text)


def _latex(entry: Entry, line: Line) -> str:
    text = _tex(entry.text)
    if entry.bold:
        text = rf"\textbf{{{text}}}"
    if entry.mark:
        text += rf"\textsuperscript{{{_tex(entry.mark)}}}"
    if entry.beside:
        text += rf"\,{{\tiny {_tex(entry.beside)}}}"
    return rf"{{\scriptsize\itshape {text}}}" if line.kind == "published" and text else text


def _tex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def _html(entry: Entry) -> str:
    mark = f"<sup>{escape(entry.mark)}</sup>" if entry.mark else ""
    beside = f"<small>{escape(entry.beside)}</small>" if entry.beside else ""
    return f"{escape(entry.text)}{mark}{beside}"


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    Attributes
    ----------
    text : str
        A figure, or words.
    beside : str
        What stands beside it in smaller type: a spread or an interval.
    bold : bool
    mark : str
        What is raised behind it.
    """

    text: str
    beside: str = ""
    bold: bool = False
    mark: str = ""


MISSING = Entry("–")


@dataclass(frozen=True)
class Line:
    """One row: of a block's title alone, of measured figures, or of published ones."""

    kind: Literal["block", "ours", "published"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes
    ----------
    name : str
        For labels and file names.
    title, caption : str
    groups : list of (str, int)
        Heads over several columns each, over all columns in order; "" for none.
    columns : list of str
    lines : list of Line
    words : int
        So many columns at the left hold words, not figures.
    notes : list of (mark, str)
        Footnotes.
    """

    name: str
    title: str
    caption: str
    groups: list[tuple[str, int]]
    columns: list[str]
    lines: list[Line]
    words: int
    notes: list[tuple[str, str]] = field(default_factory=list)
