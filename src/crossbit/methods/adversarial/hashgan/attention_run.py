"""AttentionRun: a fit that warns of masks which tell nothing apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossbit.training.run import FitRun

__all__ = ["EXTREME", "AttentionRun", "collapse"]

EXTREME = 0.02  # a mean attended share this near to 0 or 1 is no attention


class AttentionRun(FitRun):
    """Adds a warning to the event of a round whose masks have collapsed."""

    def tell(self, events: list[dict[str, Any]]) -> None:
        """Write and report the events, each with its warning: a resumed fit gives the same."""
        for event in events:
            event["warning"] = event["warning"] or collapse(event["loss"])
        super().tell(events)


def collapse(figures: Mapping[str, float], extreme: float = EXTREME) -> str | None:
    """Return what is wrong with the attended shares of a round, and the likely cause, or None.

    Parameters
    ----------
    figures : mapping
        Of a round of `AttentionGame`: shares are called "attended_VIEW".
    """
    for name, share in figures.items():
        view = name.removeprefix("attended_")
        if view != name and not extreme <= share <= 1 - extreme:
            what = "nothing" if share > 0.5 else "all but a few places"
            return (
                f"the {view} masks have collapsed: they leave out {what} (attended share "
                f"{share:.3f}); lower generator_rate, or change opening"
            )
    return None
