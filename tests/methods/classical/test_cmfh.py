"""CMFH: the objective falls, each update is its minimiser, and the three codings are right."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import board_for, split

from crossbit.errors import ConfigError, DataError
from crossbit.methods.classical.cmfh import CMFH, Factors
from crossbit.methods.classical.moments import joint_moments

MU, GAMMA, BITS = 5.0, 0.5, 6


def setting(widths: tuple[int, ...] = (8, 5), seed: int = 0) -> tuple[list[np.ndarray], Factors]:
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(60, d)) @ rng.normal(size=(d, d)) for d in widths]
    X = [x - x.mean(axis=0) for x in X]
    moments = joint_moments([{f"v{t}": x for t, x in enumerate(X)}])
    return X, Factors(moments, BITS, MU, GAMMA, rng)


def naive(X: list[np.ndarray], Y: np.ndarray, U: list[np.ndarray], W: list[np.ndarray]) -> float:
    """F of the docstring, from the features themselves."""
    a = 1 / len(X)
    total = GAMMA * np.square(Y).sum()
    for x, u, w in zip(X, U, W, strict=True):
        total += a * np.square(x - Y @ u).sum() + a * MU * np.square(Y - x @ w).sum()
        total += GAMMA * (np.square(u).sum() + np.square(w).sum())
    return float(total)


@pytest.mark.parametrize("widths", [(8, 5), (7, 6, 4)])
def test_the_objective_from_moments_is_that_from_the_features_and_never_rises(
    widths: tuple[int, ...],
) -> None:
    X, factors = setting(widths)
    values = []
    for _ in range(15):
        Y = np.hstack(X) @ factors.P
        values.append(naive(X, Y, list(factors.U.values()), list(factors.W.values())))
        assert factors.objective() == pytest.approx(values[-1], rel=1e-9)
        factors.step()
    assert (np.diff(values) <= 1e-9 * values[0]).all()
    assert values[-1] < 0.9 * values[0]


def test_every_update_is_the_minimiser() -> None:
    """From the features, without moments: any small change of U, W or Y costs."""
    X, factors = setting()
    for _ in range(3):
        factors.step()
    U, W = list(factors.U.values()), list(factors.W.values())
    Y = np.hstack(X) @ factors.P
    rng = np.random.default_rng(1)

    def worse(name: str) -> float:
        moved = {"U": [u.copy() for u in U], "W": [w.copy() for w in W]}
        moved[name][0] += 1e-3 * rng.normal(size=moved[name][0].shape)
        return naive(X, Y, moved["U"], moved["W"])

    least = naive(X, Y, U, W)
    assert all(worse(name) > least for name in ("U", "W") for _ in range(20))

    pull = sum(0.5 * x @ (u.T + MU * w) for x, u, w in zip(X, U, W, strict=True))
    weight = sum(0.5 * u @ u.T for u in U) + (MU + GAMMA) * np.eye(BITS)
    best = pull @ np.linalg.inv(weight)
    factors.step()
    np.testing.assert_allclose(np.hstack(X) @ factors.P, best, rtol=1e-7, atol=1e-9)
    least = naive(X, best, U, W)
    for _ in range(20):
        assert naive(X, best + 1e-3 * rng.normal(size=best.shape), U, W) > least


def test_the_codings_agree_where_they_must() -> None:
    parts = split(board_for("cmfh"))
    hasher = CMFH(bits=16).fit(parts.train, validation=parts.validation)
    known = parts.train.union(parts.validation)
    train = hasher.encode_database(known, "image", "train")
    fused = hasher.encode_database(known, "image", "fused")
    np.testing.assert_array_equal(train.packed, fused.packed)
    other = hasher.encode_database(known, "text", "fused")
    np.testing.assert_array_equal(fused.packed, other.packed)
    np.testing.assert_array_equal(train.ids, known.ids)

    some = known.take([5, 3, 40])  # looked up by id, in any order
    found = hasher.encode_database(some, "image", "train")
    np.testing.assert_array_equal(found.packed, train.packed[[5, 3, 40]])

    sum_of_views = sum(
        hasher._scaled(parts.query[v], v) @ hasher._arrays()[f"together/{v}"] for v in known.views
    )
    asked = hasher.encode_database(parts.query, "text", "fused")
    np.testing.assert_array_equal(asked.unpack(), sum_of_views > 0)


def test_train_codes_of_strangers_are_refused() -> None:
    parts = split(board_for("cmfh"))
    hasher = CMFH(bits=16).fit(parts.train)
    with pytest.raises(DataError, match="40 of 40 database items were not trained on"):
        hasher.encode_database(parts.query, "image", "train")


@pytest.mark.parametrize("settings", [{"mu": 0.0}, {"gamma": -1.0}, {"iterations": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="mu and gamma must be above 0, iterations at least 1"):
        CMFH(**settings)
