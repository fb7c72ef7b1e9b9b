"""Options that all benchmarks of many fits share."""

from __future__ import annotations

import argparse

__all__ = ["grid_options"]


def grid_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time, one thread each (2)")
    parser.add_argument("--root", help="folder of the data sets; else CROSSBIT_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these; results stay unwritten")
