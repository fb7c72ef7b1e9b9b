"""Evaluation: a fitted hasher on a split, as figures, tables, plots and one page to read."""

from __future__ import annotations

from crossbit.evaluation.compare import Comparison, compare
from crossbit.evaluation.evaluate import evaluate
from crossbit.evaluation.export import save_report
from crossbit.evaluation.gallery import gallery
from crossbit.evaluation.html import page
from crossbit.evaluation.report import Report

__all__ = ["Comparison", "Report", "compare", "evaluate", "gallery", "page", "save_report"]
