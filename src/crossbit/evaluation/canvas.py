"""What all figures share: panels, line styles that eyes tell apart, legends, SVG and PNG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "legend", "panels", "png", "random_line", "style", "svg"]

# Okabe and Ito's colours, which people with colour-blind eyes tell apart; then dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")
INK, FAINT = "#333333", "#8a8a8a"
LEGEND_COLUMNS = 6


def panels(columns: int, rows: int = 1, *, share: bool = True) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and its panels by row, made without pyplot: no global state, any thread.

    The panels of a row share their vertical axis, if `share`.
    """
    from matplotlib.figure import Figure

    size = (min(4.2 * columns + 0.6, 13), 3.1 * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row" if share else False)
    for panel in grid.flat:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color(FAINT)
        panel.grid(True, color="#e6e6e6", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.tick_params(colors=INK, labelsize=9)
    return figure, [list(row) for row in grid]


def style(number: int) -> dict[str, Any]:
    """Return colour and dashes of the line with this number; 28 of them differ."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
        "linewidth": 1.8,
    }


def random_line(panel: Axes, base: float) -> None:
    """Mark the precision of a random ranking, named below it, where there are few lines."""
    panel.axhline(base, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    panel.annotate(
        "random",
        (0, base),
        xycoords=("axes fraction", "data"),
        xytext=(4, -3),
        verticalalignment="top",
        textcoords="offset points",
        fontsize=8,
        color=FAINT,
    )


def legend(figure: Figure, axes: Iterable[Axes], order: Sequence[str] = ()) -> None:
    """Put one legend of all panels below them, every label once; `order` first, if given."""
    found: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    labels = [label for label in order if label in found]
    labels += [label for label in found if label not in labels]
    width = figure.get_figwidth()
    figure.legend(
        [found[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=min(len(labels), max(2, int(width / 2.1)), LEGEND_COLUMNS),
        frameon=False,
        fontsize=9,
    )


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG; the same figures give the same bytes."""
    import matplotlib

    stream = BytesIO()
    # A fixed salt and no date.
    with matplotlib.rc_context({"svg.hashsalt": "crossbit"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def png(figure: Figure) -> bytes:
    """Return the figure as PNG, 150 dots per inch."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return stream.getvalue()
