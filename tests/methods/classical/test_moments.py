"""Moments and correlations: block sums against direct products, equations against residuals."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import eigh

from crossbit.errors import ConfigError
from crossbit.methods.classical import moments as moments_file
from crossbit.methods.classical.correlations import canonical_directions, ridged
from crossbit.methods.classical.moments import Moments, joint_moments

WIDTHS = {"image": 9, "text": 6, "audio": 4}


def centred(views: int, n: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    """Return views that share three latent directions, (n, d) float32 with mean 0."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 3)) * [3, 2, 1]
    found = {}
    for view in list(WIDTHS)[:views]:
        d = WIDTHS[view]
        x = latent @ rng.normal(size=(3, d)) + rng.normal(size=(n, d))
        found[view] = (x - x.mean(axis=0)).astype(np.float32)
    return found


def in_blocks(parts: dict[str, np.ndarray], size: int) -> Moments:
    n = len(next(iter(parts.values())))
    starts = range(0, n, size)
    return joint_moments({k: v[at : at + size] for k, v in parts.items()} for at in starts)


@pytest.mark.parametrize("size", [7, 100, 300])
@pytest.mark.parametrize("corner", [3, 1024])
def test_sums_over_blocks_are_the_direct_products(
    size: int, corner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments_file, "CORNER", corner)
    parts = centred(2) | {"labels": np.random.default_rng(1).random((300, 5)) < 0.3}
    found = in_blocks(parts, size)
    assert found.rows == 300
    assert list(found.parts) == list(parts)
    for a, b in permutations([*parts, *parts], 2):
        direct = parts[a].astype(np.float64).T @ parts[b].astype(np.float64)
        np.testing.assert_allclose(found[a, b], direct, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("views", [2, 3])
def test_directions_solve_the_generalised_equation(views: int) -> None:
    parts = centred(views)
    moments = in_blocks(parts, 64)
    maps, rho = canonical_directions(moments, 5, 0.01)
    scale = np.sqrt(moments.rows)
    for a in parts:
        left = sum(moments[a, b] @ maps[b] for b in parts if b != a)
        right = ridged(moments, a, 0.01) @ maps[a] * rho
        np.testing.assert_allclose(left, right, atol=1e-8 * scale * abs(right).max())
    assert (np.diff(rho) <= 0).all()
    norms = sum(maps[v].T @ ridged(moments, v, 0.01) @ maps[v] for v in parts) / moments.rows
    np.testing.assert_allclose(norms, views * np.eye(len(rho)), atol=1e-8)


@pytest.mark.parametrize("order", [("image", "text"), ("text", "image")])
def test_two_views_give_the_correlations_of_the_whole_problem(order: tuple[str, str]) -> None:
    """The naive reference: all views in one generalised eigenproblem, whose values are +-rho."""
    parts = centred(2)
    moments = in_blocks({view: parts[view] for view in order}, 300)
    between = moments.matrix.copy()
    within = np.zeros_like(between)
    for view, part in moments.parts.items():
        between[part, part] = 0
        within[part, part] = ridged(moments, view, 1e-6)
    maps, rho = canonical_directions(moments, 4, 1e-6)
    np.testing.assert_allclose(rho, eigh(between, within)[0][::-1][:4], rtol=1e-9)
    found = [np.corrcoef(*(parts[v] @ maps[v][:, k] for v in order))[0, 1] for k in range(4)]
    np.testing.assert_allclose(found, rho, atol=1e-4)


def test_outputs_have_variance_one_whatever_the_scale_of_the_features() -> None:
    parts = centred(2)
    maps, rho = canonical_directions(in_blocks(parts, 300), 3, 1e-3)
    large = {view: x * 1000 for view, x in parts.items()}
    again, same = canonical_directions(in_blocks(large, 300), 3, 1e-3)
    np.testing.assert_allclose(same, rho, rtol=1e-6)
    for view, x in parts.items():
        outputs = x @ maps[view]
        np.testing.assert_allclose(outputs.std(axis=0), 1, atol=0.01)
        np.testing.assert_allclose(abs(large[view] @ again[view]), abs(outputs), atol=1e-3)


def test_no_more_directions_come_back_than_there_are() -> None:
    parts = centred(2)
    parts["text"][:, 3:] = parts["text"][:, :3]  # rank 3
    maps, rho = canonical_directions(in_blocks(parts, 300), 8, 1e-3)
    assert len(rho) == maps["image"].shape[1] == maps["text"].shape[1] == 3


def test_dependent_features_without_a_ridge_are_refused() -> None:
    parts = centred(2)
    parts["image"][:, 1] = 0
    with pytest.raises(ConfigError, match=r"the image features depend on each other.* ridge=0 "):
        canonical_directions(in_blocks(parts, 300), 2, 0.0)
