"""Paired differences: agreement with SciPy, coverage, and the cases where chance has no part."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crossbit.errors import ConfigError, DataError
from crossbit.metrics import paired_difference


def test_t_interval_and_p_agree_with_scipy():
    rng = np.random.default_rng(0)
    for n in (2, 5, 40):
        a, b = rng.normal(0.3, 0.1, n), rng.normal(0.25, 0.1, n)
        found = paired_difference(a, b, level=0.9)
        test = stats.ttest_rel(a, b)
        interval = test.confidence_interval(0.9)
        assert found.p == pytest.approx(test.pvalue)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
        assert found.mean == pytest.approx((a - b).mean())
        assert found.pairs == n


def test_bootstrap_interval_is_near_the_t_interval_for_many_pairs_and_repeats():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.3, 0.2, 400), rng.normal(0.2, 0.2, 400)
    found = paired_difference(a, b)
    assert found.bootstrap_low == pytest.approx(found.low, abs=0.1 * (found.high - found.low))
    assert found.bootstrap_high == pytest.approx(found.high, abs=0.1 * (found.high - found.low))
    assert paired_difference(a, b) == found
    assert paired_difference(a, b, seed=1) != found


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        d = rng.normal(0.05, 0.1, 5)
        found = paired_difference(d, np.zeros(5), level=0.8, resamples=10)
        covered += found.low <= 0.05 <= found.high
    assert abs(covered / 400 - 0.8) < 0.07


def test_swapping_the_methods_turns_the_sign():
    a, b = np.array([0.3, 0.35, 0.32]), np.array([0.2, 0.3, 0.25])
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert (back.mean, back.low, back.high) == pytest.approx((-forth.mean, -forth.high, -forth.low))


def test_equal_differences_need_no_statistics():
    same = paired_difference([0.5, 0.5], [0.5, 0.5])
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    shifted = paired_difference([0.75, 0.75], [0.5, 0.5])
    assert (shifted.mean, shifted.low, shifted.high, shifted.p) == (0.25, 0.25, 0.25, 0)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="at least 2 pairs"):
        paired_difference([0.1], [0.2])
    with pytest.raises(DataError, match="one length"):
        paired_difference([0.1, 0.2], [0.2])
    with pytest.raises(DataError, match="finite"):
        paired_difference([0.1, np.nan], [0.2, 0.1])
    with pytest.raises(ConfigError, match="level"):
        paired_difference([0.1, 0.2], [0.2, 0.1], level=95)
