"""The policy: draws follow the softmax, and the sampled gradient is the exact one on average."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import chisquare
from torch import Tensor

from crossbit.training.policy import expected_reward, gumbel_top_k, policy_loss

POOL = 50


def problem() -> tuple[Tensor, Tensor]:
    """Return the logits and rewards log(1 + e^f), f a hinge, of one query over a pool of 50."""
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(POOL, generator=rng, dtype=torch.float64)
    hinge = F.relu(1 + torch.randn(POOL, generator=rng, dtype=torch.float64))
    return logits, F.softplus(hinge)


def exact_gradient(logits: Tensor, reward: Tensor) -> Tensor:
    theta = logits.clone().requires_grad_(True)
    expected_reward(theta[None], reward[None]).sum().backward()
    assert theta.grad is not None
    return theta.grad


def sampled_gradient(
    logits: Tensor, reward: Tensor, draws: int, seed: int, baseline: bool, k: int = 1
) -> Tensor:
    """Return the gradient of J that `policy_loss` estimates from k picks for each of the draws."""
    theta = logits.clone().requires_grad_(True)
    table = theta.expand(draws, POOL)
    samples, weights = gumbel_top_k(table.detach(), k, torch.Generator().manual_seed(seed))
    earned = reward[samples]
    base = (weights * earned).sum(1).mean() if baseline else 0.0
    policy_loss(table, samples, weights, earned - base).backward()
    assert theta.grad is not None
    return -theta.grad


def test_the_first_pick_follows_the_softmax() -> None:
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5, 3.0, 0.0])
    draws = 40_000
    samples, _ = gumbel_top_k(logits.expand(draws, 6), 3, torch.Generator().manual_seed(1))
    counts = np.bincount(samples[:, 0].numpy(), minlength=6)
    expected = torch.softmax(logits.double(), 0).numpy() * draws
    assert chisquare(counts, expected).pvalue > 0.01


def test_the_second_pick_follows_the_softmax_of_what_is_left() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    samples, _ = gumbel_top_k(logits.expand(40_000, 4), 2, torch.Generator().manual_seed(2))
    second = samples[samples[:, 0] == 3, 1].numpy()
    left = torch.softmax(logits[:3].double(), 0).numpy()
    assert chisquare(np.bincount(second, minlength=3), left * len(second)).pvalue > 0.01


def test_picks_do_not_repeat_and_never_exceed_the_pool() -> None:
    logits = torch.zeros(100, 7)
    logits[:, 0] = 50
    samples, weights = gumbel_top_k(logits, 20, torch.Generator().manual_seed(0))
    assert samples.shape == (100, 7)
    assert (samples.sort(1).values == torch.arange(7)).all()
    torch.testing.assert_close(weights, torch.softmax(logits, 1).gather(1, samples))


def test_one_generator_state_gives_one_draw() -> None:
    logits = torch.zeros(5, 9)
    first, again = (gumbel_top_k(logits, 4, torch.Generator().manual_seed(8)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_expected_reward_by_loop() -> None:
    logits, reward = problem()
    weights = [float(w) for w in logits.exp()]
    expected = sum(w * float(r) for w, r in zip(weights, reward, strict=True)) / sum(weights)
    torch.testing.assert_close(
        expected_reward(logits[None], reward[None]), torch.tensor([expected], dtype=torch.float64)
    )


def test_the_sampled_gradient_converges_to_the_exact_one() -> None:
    logits, reward = problem()
    exact = exact_gradient(logits, reward)
    errors = [
        float((sampled_gradient(logits, reward, n, 3, True) - exact).norm() / exact.norm())
        for n in (400, 200_000)
    ]
    assert errors[1] < 0.03
    assert errors[1] < errors[0] / 5  # about the square root of 500


def test_the_gradient_of_several_picks_is_the_exact_one_too() -> None:
    """Picks are drawn without replacement: weighted 1/K each, they would point elsewhere."""
    logits, reward = problem()
    exact = exact_gradient(3 * logits, reward)
    found = sampled_gradient(3 * logits, reward, 40_000, 5, True, k=16)
    assert float((found - exact).norm() / exact.norm()) < 0.1


def test_a_baseline_changes_the_variance_and_not_the_mean() -> None:
    logits, reward = problem()
    exact = exact_gradient(logits, reward)
    spread = {}
    for baseline in (False, True):
        runs = torch.stack(
            [sampled_gradient(logits, reward, 500, seed, baseline) for seed in range(200)]
        )
        spread[baseline] = float(runs.var(0).sum())
        assert float((runs.mean(0) - exact).norm() / exact.norm()) < 0.1
    assert spread[True] < 0.5 * spread[False]


def test_the_loss_scores_picks_over_the_whole_pool() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    samples, reward = torch.tensor([[1, 0]]), torch.tensor([[2.0, -0.5]])
    loss = policy_loss(logits, samples, torch.tensor([[0.75, 0.25]]), reward)
    p = torch.softmax(logits.detach(), 1)[0]
    expected = -(0.75 * 2.0 * p[1].log() - 0.25 * 0.5 * p[0].log())
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 2] != 0  # what was not picked loses to what was


def test_no_gradient_flows_through_the_reward() -> None:
    reward = torch.ones(1, 1, requires_grad=True)
    logits = torch.zeros(1, 3, requires_grad=True)
    policy_loss(logits, torch.tensor([[0]]), torch.ones(1, 1), reward).backward()
    assert reward.grad is None
