"""Benchmarks: the commands behind the figures of the README (`python -m benchmarks` lists them)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CELLS", "ROOT"]

ROOT = Path(__file__).resolve().parents[1]
CELLS = ROOT / "runs" / "bench" / "cells"  # shared: what one grid finished no other runs again
