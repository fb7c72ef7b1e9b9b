"""The report's figures as SVG: precision-recall, top-N precision, and training histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.evaluation.report import Direction, Report
from crossbit.evaluation.tables import arrow, run_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["history_plot", "precision_recall_plot", "radius_plot", "top_n_plot"]

# Okabe and Ito's colours, which people with colour-blind eyes tell apart; then dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":")
INK, FAINT = "#333333", "#8a8a8a"


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
    """Return validation MAP over the rounds of training as SVG, or None if none was measured.

    `histories` maps a run's name to its progress events (the lines of history.jsonl); a dot
    marks the round that a stage of training begins with, a star the best round.
    """
    from matplotlib.ticker import MaxNLocator

    lines = {name: _measured(events) for name, events in histories.items()}
    lines = {name: line for name, line in lines.items() if line}
    if not lines:
        return None
    figure, axes = _figure(1)
    for number, (name, line) in enumerate(lines.items()):
        rounds, values = [at for at, _, _ in line], [value for _, value, _ in line]
        stages = [stage for _, _, stage in line]
        begins = [i for i in range(1, len(line)) if stages[i] != stages[i - 1]]
        style = _style(number)
        axes[0].plot(rounds, values, label=name, **style)
        axes[0].plot(
            [rounds[i] for i in begins],
            [values[i] for i in begins],
            "o",
            color=style["color"],
            markersize=5,
        )
        best = int(np.argmax(values))
        axes[0].plot(rounds[best], values[best], "*", color=style["color"], markersize=11)
    axes[0].set_xlabel("round")
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("validation MAP")
    _legend(figure, axes[0], len(lines))
    return _svg(figure)


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
    figure, axes = _figure(len(directions))
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
            panel.plot(horizontal, vertical, label=name, **_style(number), **marker)
        if floor:
            for base in sorted({round(float(f.ranking.precision[-1]), 4) for _, _, f in shown}):
                _random_line(panel, base)
        panel.set_title(arrow(direction), fontsize=11, color=INK)
        panel.set_xlabel(x)
        if span:
            panel.set_xlim(*span)
    # Only now: a limit set earlier would freeze the shared axis before all lines are drawn.
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel(y)
    _legend(figure, axes[0], len(reports))
    return _svg(figure)


def _random_line(panel: Axes, base: float) -> None:
    """Mark the precision of a random ranking, named at the left, where the lines are high."""
    panel.axhline(base, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    panel.annotate(
        "random",
        (0, base),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=8,
        color=FAINT,
    )


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    """Make a figure without pyplot: no global state, no window, any thread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(4.2 * panels + 0.6, 13), 3.6), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color(FAINT)
        panel.grid(True, color="#e6e6e6", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.tick_params(colors=INK, labelsize=9)
    return figure, list(axes)


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
        "linewidth": 1.8,
    }


def _legend(figure: Figure, axes: Axes, entries: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(entries, 4),
        frameon=False,
        fontsize=9,
    )


def _svg(figure: Figure) -> bytes:
    import matplotlib

    stream = BytesIO()
    # A fixed salt and no date: the same figures give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "crossbit"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
