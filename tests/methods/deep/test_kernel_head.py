"""Kernel head: exact on what it saw, ridge regression elsewhere, chosen by left-out rows."""

from __future__ import annotations

import numpy as np
import pytest

from crossbit.methods.deep.kernel_head import RIDGES, WIDTHS, KernelHead


def problem(n: int = 40, *, noise: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 5)).astype(np.float32)
    codes = np.where(rows @ rng.normal(size=(5, 8)) + noise * rng.normal(size=(n, 8)) > 0, 1.0, -1)
    return rows, codes


def kernel(a: np.ndarray, b: np.ndarray, exponent: float) -> np.ndarray:
    return np.array([[np.exp(-exponent * np.sum((x - y) ** 2)) for y in b] for x in a])


def test_training_rows_keep_their_codes() -> None:
    rows, codes = problem(120, noise=3.0)  # labels that no smooth function has
    head = KernelHead.fit(rows, codes)
    outputs = head(rows)
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs > 0, codes > 0)
    np.testing.assert_allclose(outputs, codes - codes.mean(axis=0), atol=1e-3)


def test_elsewhere_it_is_the_formula() -> None:
    rows, codes = problem()
    head = KernelHead.fit(rows, codes)
    batch = np.random.default_rng(5).normal(size=(6, 5)).astype(np.float32)
    far = kernel(batch, rows, head.wide) + head.ridge * kernel(batch, rows, head.narrow)
    np.testing.assert_allclose(head(batch), far @ head.weights, rtol=1e-3, atol=1e-4)


def test_far_from_all_rows_the_narrow_kernel_is_silent() -> None:
    rows, codes = problem()
    head = KernelHead.fit(rows, codes)
    batch = np.random.default_rng(5).normal(size=(6, 5)).astype(np.float32)
    ridge = kernel(batch, rows, head.wide) @ np.linalg.solve(
        kernel(rows, rows, head.wide) + head.ridge * np.eye(len(rows)),
        codes - codes.mean(axis=0),
    )
    np.testing.assert_allclose(head(batch), ridge, atol=0.05)


def test_width_and_ridge_are_those_of_explicit_refits_without_each_row() -> None:
    choices = set()
    for noise, seed in (0.1, 0), (1.0, 1), (4.0, 2):
        rows, codes = problem(24, noise=noise, seed=seed)
        target = codes - codes.mean(axis=0)
        scale = 1 / (2 * rows.var(axis=0, dtype=np.float64).sum())
        errors = {}
        for width in WIDTHS:
            table = kernel(rows, rows, width * scale)
            for ridge in RIDGES:
                residuals = []
                for i in range(len(rows)):
                    rest = np.arange(len(rows)) != i
                    inside = table[np.ix_(rest, rest)] + ridge * np.eye(len(rows) - 1)
                    weights = np.linalg.solve(inside, target[rest])
                    residuals.append(target[i] - table[i, rest] @ weights)
                errors[width, ridge] = np.square(residuals).mean()
        width, ridge = min(errors, key=errors.__getitem__)
        head = KernelHead.fit(rows, codes)
        assert head.ridge == ridge
        assert head.wide == pytest.approx(width * scale, rel=1e-4)
        choices.add((width, ridge))
    assert len(choices) > 1  # else the test would not tell a rule from a constant


def test_equal_rows_get_one_code_between_theirs() -> None:
    rows, codes = problem(20)
    rows[1] = rows[0]
    codes[0], codes[1] = 1.0, -1.0
    head = KernelHead.fit(rows, codes)
    outputs = head(rows)
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[2:] > 0, codes[2:] > 0)


@pytest.mark.parametrize("n", [1, 2])
def test_a_handful_of_rows_is_no_trouble(n: int) -> None:
    rows, codes = problem(n)
    assert np.isfinite(KernelHead.fit(rows, codes)(rows)).all()


def test_arrays_give_the_same_head() -> None:
    rows, codes = problem()
    head = KernelHead.fit(rows, codes)
    again = KernelHead.from_arrays(head.arrays())
    batch = np.random.default_rng(5).normal(size=(6, 5)).astype(np.float32)
    np.testing.assert_array_equal(head(batch), again(batch))
