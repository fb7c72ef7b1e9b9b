"""Save a report as files: JSON and per-query AP to load again, CSV, Markdown and a page to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossbit.evaluation.html import page
from crossbit.evaluation.report import Report
from crossbit.evaluation.tables import csv_text, markdown
from crossbit.files import replace_file, write_json, write_text

__all__ = ["save_report"]


def save_report(report: Report, folder: str | Path, *, html: bool = True) -> None:
    """Write report.json, .csv, .md and .html and query_ap.npz, each atomically.

    `Report.load` reads them back. The page shows this report alone; `crossbit.evaluation.page` puts
    several side by side. It takes seconds to draw: ``html=False`` leaves it out.
    """
    folder = Path(folder)
    title = f"{report.label} on {report.dataset}, {report.bits} bits"
    text = page([report], title=title) if html else None
    with replace_file(folder / "query_ap.npz") as stream:
        arrays = {name: part.query_ap for name, part in report.directions.items()}
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_text(folder / "report.csv", csv_text([report]))
    write_text(folder / "report.md", markdown(report))
    if text is not None:
        write_text(folder / "report.html", text)
    write_json(folder / "report.json", report.to_json())
