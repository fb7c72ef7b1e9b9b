"""The report's figures as SVG: precision-recall, top-N precision, and training histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crossbit.evaluation.canvas import INK, legend, panels, random_line, style, svg
from crossbit.evaluation.report import Direction, Report
from crossbit.evaluation.tables import arrow, run_names

__all__ = ["history_plot", "precision_recall_plot", "radius_plot", "top_n_plot"]


def precision_recall_plot(reports: Sequence[Report]) -> bytes:
    """Return precision over recall of the whole ranking, a panel per direction, as SVG."""

    def curve(found: Direction) -> tuple[np.ndarray, np.ndarray]:
        return found.ranking.recall, found.ranking.precision

    return _panels(reports, curve, "recall", "precision", floor=True, span=(0, 1))


def top_n_plot(reports: Sequence[Report]) -> bytes:
    """Return expected precision of the first n items, a panel per direction, as SVG."""

    def curve(found: Direction) -> tuple[np.ndarray, np.ndarray]:
        return np.array(list(found.precision_at)), np.array(list(found.precision_at.values()))

    return _panels(reports, curve, "first n items", "precision", floor=True)


def radius_plot(reports: Sequence[Report]) -> bytes | None:
    """Return precision of a look-up over the Hamming radius, a panel per direction, as SVG.

    None if none of the runs ranks by Hamming distance.
    """

    reports = [r for r in reports if all(found.lookup for found in r.directions.values())]
    if not reports:
        return None

    def curve(found: Direction) -> tuple[np.ndarray, np.ndarray]:
        assert found.lookup is not None
        return found.lookup.radius, found.lookup.lookup

    return _panels(reports, curve, "Hamming radius", "precision, no answer counts 0", floor=False)


def history_plot(histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes | None:
    """Return validation MAP over the epochs of training as SVG, or None if none was measured.

    `histories` maps a run's name to its progress events (the lines of history.jsonl); a dot
    marks the round that a stage of training begins with, a star the best round.
    """
    from matplotlib.ticker import MaxNLocator

    lines = {name: _measured(events) for name, events in histories.items()}
    lines = {name: line for name, line in lines.items() if line}
    if not lines:
        return None
    figure, ((axis,),) = panels(1)
    for number, (name, line) in enumerate(lines.items()):
        epochs, values = [at for at, _, _ in line], [value for _, value, _ in line]
        stages = [stage for _, _, stage in line]
        begins = [i for i in range(1, len(line)) if stages[i] != stages[i - 1]]
        look = style(number)
        axis.plot(epochs, values, label=name, **look)
        axis.plot(
            [epochs[i] for i in begins],
            [values[i] for i in begins],
            "o",
            color=look["color"],
            markersize=5,
        )
        best = int(np.argmax(values))
        axis.plot(epochs[best], values[best], "*", color=look["color"], markersize=11)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylabel("validation MAP")
    legend(figure, [axis])
    return svg(figure)


def _measured(events: Sequence[Mapping[str, Any]]) -> list[tuple[int, float, str]]:
    return [
        (at, float(event["validation_map"]), str(event.get("stage", "")))
        for at, event in enumerate(events, 1)
        if event.get("validation_map") is not None
    ]


def _panels(
    reports: Sequence[Report],
    curve: Callable[[Direction], tuple[np.ndarray, np.ndarray]],
    x: str,
    y: str,
    *,
    floor: bool,
    span: tuple[float, float] | None = None,
) -> bytes:
    """Draw one line per report, one panel per direction, and the random ranking if wanted."""
    directions = list(dict.fromkeys(name for report in reports for name in report.directions))
    figure, (axes,) = panels(len(directions))
    for panel, direction in zip(axes, directions, strict=True):
        shown = [
            (number, name, report.directions[direction])
            for number, (name, report) in enumerate(zip(run_names(reports), reports, strict=True))
            if direction in report.directions
        ]
        for number, name, found in shown:
            horizontal, vertical = curve(found)
            marker: dict[str, Any] = (
                {"marker": "o", "markersize": 4} if len(horizontal) == 1 else {}
            )
            panel.plot(horizontal, vertical, label=name, **style(number), **marker)
        if floor:
            for base in sorted({round(float(f.ranking.precision[-1]), 4) for _, _, f in shown}):
                random_line(panel, base)
        panel.set_title(arrow(direction), fontsize=11, color=INK)
        panel.set_xlabel(x)
        if span:
            panel.set_xlim(*span)
    # Only now: a limit set earlier would freeze the shared axis before all lines are drawn.
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel(y)
    legend(figure, axes)
    return svg(figure)
