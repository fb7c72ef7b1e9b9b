"""Precision and recall curves against what a loop over the ranking or the ball finds."""

from __future__ import annotations

import numpy as np
import pytest

from crossbit.errors import DataError
from crossbit.metrics import radius_curve, ranking_curve

# Query 0: two items at distance 1 (one relevant), two at 3 (both). Query 1: nothing until 3.
RELEVANT = np.array([[0, 1, 0, 2, 0], [0, 0, 0, 1, 1]])
TOTAL = np.array([[0, 2, 0, 2, 0], [0, 0, 0, 2, 2]])


def test_radius_curve_by_hand():
    curve = radius_curve(RELEVANT, TOTAL)
    assert curve.radius.tolist() == [1, 2, 3, 4]  # at radius 0 nobody retrieves anything
    assert curve.answered == pytest.approx([0.5, 0.5, 1, 1])
    assert curve.precision == pytest.approx([0.5, 0.5, (3 / 4 + 1 / 2) / 2, (3 / 4 + 2 / 4) / 2])
    assert curve.lookup == pytest.approx([0.25, 0.25, 0.625, 0.625])
    assert curve.recall == pytest.approx([1 / 6, 1 / 6, (1 + 0.5) / 2, 1])


def test_ranking_curve_by_hand():
    curve = ranking_curve(RELEVANT, TOTAL, np.array([1, 2, 4]))
    assert curve.precision == pytest.approx([(0.5 + 0.5) / 2, (0.5 + 0.5) / 2, (0.75 + 0.5) / 2])
    assert curve.recall == pytest.approx([(1 / 6 + 1 / 4) / 2, (1 / 3 + 1 / 2) / 2, 1])


def test_default_places_run_from_one_to_the_whole_database():
    rng = np.random.default_rng(0)
    total = rng.multinomial(5000, np.full(17, 1 / 17), size=3)
    relevant = rng.binomial(total, 0.2)
    curve = ranking_curve(relevant, total)
    assert curve.places[0] == 1
    assert curve.places[-1] == 5000
    assert len(curve.places) <= 60
    assert (np.diff(curve.places) > 0).all()
    assert (np.diff(curve.recall) >= 0).all()
    assert curve.recall[-1] == pytest.approx(1)
    assert curve.precision[-1] == pytest.approx((relevant.sum(1) / 5000).mean())


def test_curves_of_no_queries_are_refused():
    for curve in (radius_curve, ranking_curve):
        with pytest.raises(DataError, match="at least one query"):
            curve(np.zeros((0, 9), dtype=int), np.zeros((0, 9), dtype=int))
