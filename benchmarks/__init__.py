"""Benchmarks: the commands behind the figures of the README (`python -m benchmarks` lists them)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT"]

ROOT = Path(__file__).resolve().parents[1]
