"""Figures 4, 5 and 6 of the paper: top-N precision, precision-recall, and the game by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.bench import published
from crossbit.bench.results import Json
from crossbit.evaluation.canvas import INK, legend, panels, random_line, style
from crossbit.evaluation.tables import arrow
from crossbit.methods.base import DATABASE_CODINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "drawings"]

# file name, caption, figure
Drawing = tuple[str, str, "Figure"]

BELOW = 0.15  # of the height
PLAYERS = ("discriminator", "generator")


def drawings(value: Json) -> Iterator[Drawing]:
    """Yield every figure that the results give; curves of different codings are never mixed."""
    for coding, text in DATABASE_CODINGS.items():
        curves = [curve for curve in value["curves"] if curve["coding"] == coding]
        if not curves:
            continue
        name = "" if coding == "single" else f"-{coding}"
        said = f"{curves[0]['bits']} bits, database codes {text.partition(':')[0]}"
        yield (
            f"figure4{name}",
            f"Figure 4: precision of the first n items, expected over ties, {said}.",
            _curves(value, curves, ("n", "precision_at"), ("first n items", "precision")),
        )
        yield (
            f"figure5{name}",
            f"Figure 5: precision over recall of the full ranking, {said}.",
            _curves(value, curves, ("recall", "precision"), ("recall", "precision")),
        )
    if value["rounds"]:
        bits = value["rounds"][0]["bits"]
        caption = (
            "Figure 6: validation MAP of SCH-GAN's discriminator, which encodes, and of its "
            f"generator by round of training, {bits} bits; mean over seeds, and every seed faint."
        )
        yield "figure6", caption, _rounds(value["rounds"])


def _curves(
    value: Json, curves: Sequence[Json], keys: tuple[str, str], names: tuple[str, str]
) -> Figure:
    """Draw a row of panels for each dataset, one for each direction, a line for each method."""
    data = list(dict.fromkeys(curve["dataset"] for curve in curves))
    directions = list(dict.fromkeys(d for curve in curves for d in curve["directions"]))
    methods = [m for m in _ordered(value) if any(curve["method"] == m for curve in curves)]
    figure, axes = panels(len(directions), len(data))
    for row, dataset in zip(axes, data, strict=True):
        for panel, direction in zip(row, directions, strict=True):
            for curve in curves:
                if curve["dataset"] != dataset or direction not in curve["directions"]:
                    continue
                found = curve["directions"][direction]
                number = methods.index(curve["method"])
                panel.plot(
                    found[keys[0]],
                    found[keys[1]],
                    label=value["methods"][curve["method"]]["label"],
                    **style(number),
                )
            random_line(panel, value["datasets"][dataset]["random"][direction])
            panel.set_title(f"{_title(dataset)}, {arrow(direction)}", fontsize=11, color=INK)
            panel.set_xlabel(names[0])
        row[0].set_ylabel(names[1])
        # From a little below random, where lines end: many of them need the height.
        base = min(value["datasets"][dataset]["random"].values())
        low, top = row[0].get_ylim()
        row[0].set_ylim(bottom=max(0.0, min(low, base - BELOW * (top - base))))
    names_in_order = [value["methods"][method]["label"] for method in methods]
    legend(figure, [panel for row in axes for panel in row], names_in_order)
    return figure


def _rounds(entries: Sequence[Json]) -> Figure:
    """Draw a panel for each dataset."""
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = panels(len(entries))
    for panel, entry in zip(axes, entries, strict=True):
        for number, player in enumerate(PLAYERS):
            look: dict[str, Any] = style(number)
            lines = [np.array(line, dtype=float) for line in entry[player]]  # None: NaN
            length = min(len(line) for line in lines)
            rounds = np.arange(1, length + 1)
            for line in lines:
                panel.plot(rounds, line[:length], alpha=0.25, **{**look, "linewidth": 0.9})
            mean = np.mean([line[:length] for line in lines], axis=0)
            panel.plot(rounds, mean, label=player, **look)
        panel.set_title(_title(entry["dataset"]), fontsize=11, color=INK)
        panel.set_xlabel("round")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("validation MAP")
    legend(figure, axes)
    return figure


def _ordered(value: Json) -> list[str]:
    """Return the methods in the order of the tables, so that a method keeps its line."""
    known = [method for block in published.BLOCKS for method in block.methods]
    return sorted(value["methods"], key=lambda m: known.index(m) if m in known else len(known))


def _title(dataset: str) -> str:
    return published.DATASETS.get(dataset, dataset)
