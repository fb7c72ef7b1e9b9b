"""The picture of the label curves: a panel for each data set, a line and a band for each method."""

from __future__ import annotations

import numpy as np

from benchmarks.curves_page import percent, title
from benchmarks.seeds import by_seed
from benchmarks.tables import Json
from crossbit.evaluation.canvas import INK, legend, panels, style, svg

__all__ = ["draw"]

MARKERS = "osD^vP*"
FAINT = 0.15  # of a band


def draw(value: Json) -> bytes:
    """Return mean MAP of both directions over the share of labels, as SVG.

    A band is one standard deviation over seeds either way; the same result gives the same bytes.
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    figure, (axes,) = panels(len(value["datasets"]), share=False)
    for panel, dataset in zip(axes, value["datasets"], strict=True):
        for number, label in enumerate(value["labels"]):
            found = {
                share: list(
                    by_seed(value, "mean", dataset=dataset, label=label, fraction=share).values()
                )
                for share in value["fractions"]
            }
            at = [fraction for fraction, values in found.items() if values]
            if not at:
                continue
            means = np.array([np.mean(found[x]) for x in at])
            reach = np.array([np.std(found[x], ddof=1) if len(found[x]) > 1 else 0 for x in at])
            look = style(number)
            marker = MARKERS[number % len(MARKERS)]
            panel.plot(at, means, label=label, marker=marker, markersize=5, **look)
            panel.fill_between(
                at, means - reach, means + reach, color=look["color"], alpha=FAINT, linewidth=0
            )
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(FixedLocator(value["fractions"]))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xticklabels([percent(fraction) for fraction in value["fractions"]])
        panel.set_title(title(dataset), fontsize=11, color=INK)
        panel.set_xlabel("labels known")
    axes[0].set_ylabel("MAP, mean of both directions")
    legend(figure, axes)
    return svg(figure)
