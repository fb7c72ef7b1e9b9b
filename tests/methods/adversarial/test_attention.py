"""Attention masks: against a naive softmax, with the gradient that the estimator promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crossbit.methods.adversarial.hashgan.networks import (
    FeatureAttention,
    SpatialAttention,
    uniform_mask,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def naive(scores: np.ndarray) -> np.ndarray:
    """By loops: 1 where the softmax is at least 1 / n."""
    out = np.zeros_like(scores)
    for i, row in enumerate(scores):
        total = sum(math.exp(value) for value in row)
        for j, value in enumerate(row):
            out[i, j] = float(math.exp(value) / total >= 1 / len(row))
    return out


@pytest.mark.parametrize("width", [2, 9, 196])
def test_the_mask_is_the_softmax_at_the_uniform_level(width: int) -> None:
    scores = torch.randn(20, width, generator=rng()).double()
    mask = uniform_mask(scores)
    np.testing.assert_allclose(mask.numpy(), naive(scores.numpy()), atol=1e-12)
    assert (mask.sum(1) >= 1).all()
    assert (mask.sum(1) < width).all()


def test_equal_scores_attend_to_everything_and_a_peak_to_itself() -> None:
    for width in (3, 7, 49, 1000):  # of which 1 / n is rounded
        assert (uniform_mask(torch.full((2, width), 0.3)) == 1).all()
    peak = torch.zeros(1, 50)
    peak[0, 11] = 9.0
    assert torch.nonzero(uniform_mask(peak)).tolist() == [[0, 11]]


def test_the_gradient_goes_straight_through_to_the_shares() -> None:
    """As if the mask were n P, but for places of twice the uniform level and more."""
    scores = torch.tensor([[0.1, -0.4, 0.3, 0.0, 2.5]], dtype=torch.double, requires_grad=True)
    weights = torch.tensor([[0.5, 2.0, -1.0, 0.3, 4.0]], dtype=torch.double)
    (uniform_mask(scores) * weights).sum().backward()

    def value(moved: np.ndarray) -> float:
        shares = 5 * np.exp(moved) / np.exp(moved).sum()
        kept = np.array([True, True, True, True, False])  # the last has 3.6 times the level
        return float((shares * weights.numpy()[0] * kept).sum())

    at = scores.detach().numpy()[0]
    slopes = [(value(at + step) - value(at - step)) / 2e-6 for step in 1e-6 * np.eye(5)]
    assert scores.grad is not None
    np.testing.assert_allclose(scores.grad.numpy()[0], slopes, atol=1e-6)


def test_gates_are_blind_to_the_scale_of_scores_and_open_to_more_places() -> None:
    scores = torch.randn(8, 64, generator=rng(1))
    mask = uniform_mask(scores, 1.0)
    assert torch.equal(mask, uniform_mask(40 * scores - 3, 1.0))
    gates = 1 / (
        1
        + np.exp(
            -1
            - (scores - scores.mean(1, keepdim=True)).numpy()
            / scores.std(1, correction=0, keepdim=True).numpy()
        )
    )
    np.testing.assert_array_equal(mask, gates >= gates.mean(1, keepdims=True))
    narrow, wide = (float(uniform_mask(scores, gate_bias).mean()) for gate_bias in (-2.0, 4.0))
    assert narrow < float(mask.mean()) < wide < 1


def test_positions_are_masked_for_all_channels_and_features_one_by_one() -> None:
    maps = torch.randn(3, 8, 5, 6, generator=rng()).relu()
    attention = SpatialAttention(8, gate_bias=None, rng=rng())
    mask = attention(maps)
    assert mask.shape == (3, 1, 5, 6)
    scores = np.einsum("c,nchw->nhw", attention.score.weight.detach().numpy()[0, :, 0, 0], maps)
    expected = naive(scores.reshape(3, -1)).reshape(3, 1, 5, 6)
    np.testing.assert_allclose(mask.detach().numpy(), expected, atol=1e-6)
    features = torch.randn(4, 12, generator=rng()).relu()
    layer = FeatureAttention(12, gate_bias=None, rng=rng())
    expected = naive(layer.score(features).detach().numpy())
    np.testing.assert_allclose(layer(features).detach().numpy(), expected, atol=1e-6)


def test_one_seed_gives_one_attention_that_begins_with_what_is_strong() -> None:
    first, again = (FeatureAttention(30, gate_bias=1.0, rng=rng(3)) for _ in range(2))
    assert torch.equal(first.score.weight, again.score.weight)
    features = torch.rand(6, 30, generator=rng())
    mask = first(features) > 0.5
    for row, attended in zip(features, mask, strict=True):
        assert row[attended].mean() > 2 * row[~attended].mean()
