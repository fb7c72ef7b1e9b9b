"""Kept: the few smallest values seen so far of each of many rows."""

from __future__ import annotations

import numpy as np

__all__ = ["Kept"]


class Kept:
    """The `width` smallest values of each of n rows, with the positions that they came from.

    Parameters
    ----------
    stable : bool
        Keep values in order, and of equal ones those that were offered first; else any of them,
        in any order, which is several times as fast.

    Attributes
    ----------
    values : (n, width) float32, infinite where too few were offered
    positions : (n, width) int32, -1 there
    worst : (n,) float32
        The largest value of each row: nothing that is not below it can enter.
    """

    def __init__(self, n: int, width: int, *, stable: bool = False) -> None:
        self.values = np.full((n, width), np.inf, dtype=np.float32)
        self.positions = np.full((n, width), -1, dtype=np.int32)
        self.worst = np.full(n, np.inf, dtype=np.float32)
        self.stable = stable

    def offer(self, table: np.ndarray, rows: slice, first: int) -> None:
        """Take what is small enough of `table`, (r, c) float32: c new values of each row.

        Column j belongs to position `first` + j. One comparison per value, and
        O(width + newly taken) for each row that takes any.
        """
        mask = table < self.worst[rows, None]
        count = np.count_nonzero(mask, axis=1)
        touched = np.flatnonzero(count)
        if not len(touched):
            return
        width, count = self.values.shape[1], count[touched]
        changed = rows.start + touched
        # One line per row: what it had, then what is new, then nothing.
        shape = (len(touched), width + int(count.max()))
        values = np.full(shape, np.inf, dtype=np.float32)
        positions = np.full(shape, -1, dtype=np.int32)
        values[:, :width], positions[:, :width] = self.values[changed], self.positions[changed]
        if shape[1] == width + table.shape[1]:  # a row that was empty takes all
            values[:, width:] = table[touched]
            positions[:, width:] = np.arange(first, first + table.shape[1])
        else:
            hits = np.flatnonzero(mask)
            line = np.repeat(np.arange(len(touched)), count)
            place = np.arange(len(hits)) - np.repeat(np.cumsum(count) - count, count)
            column = hits - touched[line] * table.shape[1]
            values[line, width + place] = table[touched[line], column]
            positions[line, width + place] = first + column
        if self.stable:
            best = np.argsort(values, axis=1, kind="stable")[:, :width]
        else:
            best = np.argpartition(values, width - 1, axis=1)[:, :width]
        self.values[changed] = np.take_along_axis(values, best, axis=1)
        self.positions[changed] = np.take_along_axis(positions, best, axis=1)
        self.worst[changed] = self.values[changed].max(axis=1)
