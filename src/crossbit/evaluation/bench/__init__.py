"""The benchmark grid: many fits, each a process of its own, and the tables made of them."""

from __future__ import annotations

from crossbit.evaluation.bench.grid import Cell, State, UnfinishedError, load_reports, run_grid

__all__ = ["Cell", "State", "UnfinishedError", "load_reports", "run_grid"]
