"""From id to position: sorted runs of keys that merge as they grow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossbit.index.embedded.ids import IdColumn

__all__ = ["Lookup"]


@dataclass
class Run:
    """Keys in ascending order, each with its position."""

    keys: np.ndarray
    positions: np.ndarray


class Lookup:
    """Positions of ids, by binary search in O(log n) runs.

    16 bytes per item; built in O(n log n) when first asked. A run takes in the one before it
    unless that is over twice as long, and forgets removed positions then.
    """

    def __init__(self, ids: IdColumn) -> None:
        self._ids = ids
        self._runs: list[Run] = []
        self._known = 0

    def grow(self, alive: np.ndarray) -> None:
        """Take in the positions that were added to the column since."""
        count = len(self._ids)
        if count == self._known:
            return
        run = _sorted(
            self._ids.keys(self._known, count), np.arange(self._known, count, dtype=np.int64)
        )
        while self._runs and len(self._runs[-1].keys) <= 2 * len(run.keys):
            before = self._runs.pop()
            keep = alive[before.positions]
            run = _sorted(
                np.concatenate([before.keys[keep], run.keys]),
                np.concatenate([before.positions[keep], run.positions]),
            )
        self._runs.append(run)
        self._known = count

    def find(self, ids: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return the position of every id, -1 where no item of the mask `alive` has it."""
        keys = self._ids.keys_of(ids)
        order = np.argsort(keys, kind="stable")  # neighbours in a run are neighbours in memory
        keys, ids = keys[order], ids[order]
        located = np.full(len(ids), -1, dtype=np.int64)
        for run in self._runs:
            if not len(run.keys) or keys[-1:] < run.keys[0] or keys[:1] > run.keys[-1]:
                continue
            slots = np.searchsorted(run.keys, keys)
            rows = np.flatnonzero(located < 0)
            while len(rows):
                rows = rows[slots[rows] < len(run.keys)]
                rows = rows[run.keys[slots[rows]] == keys[rows]]
                positions = run.positions[slots[rows]]
                # Keys of strings are hashes, so the ids themselves are compared.
                good = alive[positions] & (self._ids.take(positions) == ids[rows])
                located[rows[good]] = positions[good]
                rows = rows[~good]
                slots[rows] += 1
        result = np.empty_like(located)
        result[order] = located
        return result


def _sorted(keys: np.ndarray, positions: np.ndarray) -> Run:
    if len(keys) < 2 or (keys[1:] >= keys[:-1]).all():  # ids counted up
        return Run(np.array(keys), positions)
    order = np.argsort(keys, kind="stable")
    return Run(keys[order], positions[order])
