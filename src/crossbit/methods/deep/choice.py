"""Choice: what validation decided, kept so that an interrupted fit goes on from it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

from crossbit.errors import ModelError
from crossbit.files import write_json
from crossbit.training.run import FitRun

__all__ = ["Choice"]

FILE = "choice.json"


@dataclass(frozen=True)
class Choice:
    """How long to train, and whether the kernel memory encodes.

    Attributes
    ----------
    rounds : int
    validation_map : float or None
        Of what was chosen; None without validation rows.
    memory : bool
    events : list of dict
        History of the training that the choice was made on.
    """

    rounds: int
    validation_map: float | None
    memory: bool
    events: list[dict[str, Any]]

    @classmethod
    def load(cls, run: FitRun) -> Self | None:
        """Return what an earlier, interrupted fit chose, if there was one.

        Raises
        ------
        ModelError
            If the file is damaged.
        """
        path = run.checkpoint(FILE)
        if path is None or not path.exists():
            return None
        try:
            kept = json.loads(path.read_text())
            return cls(
                int(kept["rounds"]), kept["validation_map"], kept["memory"], list(kept["events"])
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the checkpoint {path.name} in {path.parent} cannot be used "
                f"({type(error).__name__}: {error}); remove that folder to begin again"
            ) from error

    def save(self, run: FitRun) -> None:
        """Keep the choice with the run's checkpoint, if it has one."""
        path = run.checkpoint(FILE)
        if path is not None:
            write_json(path, dataclasses.asdict(self))
