"""The generator's policy: sampling from a pool and its gradient, batched over queries."""

from __future__ import annotations

import torch
from torch import Tensor

from crossbit.networks.losses import mean

__all__ = ["expected_reward", "gumbel_top_k", "policy_loss"]


def gumbel_top_k(logits: Tensor, k: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw k different candidates per query from softmax(logits), with their weights.

    Sampling without replacement by the k largest log-probabilities after Gumbel noise is added
    (Kool, van Hoof and Welling, ICML 2019); the first column alone is an exact draw. O(q pool).

    Returns
    -------
    samples : (q, K) int64
        Positions in the pool; K is k, or the pool's size if that is smaller.
    weights : (q, K) float32
        p_i / P(i is among the samples), scaled to sum to one: sum_k w_k f(i_k) estimates E_p[f].
        Without them likely candidates would count too little and unlikely ones too much.
    """
    log_p = torch.log_softmax(logits, 1)
    uniform = torch.rand(logits.shape, generator=rng).clamp_(1e-20, 1 - 1e-7)
    noisy = log_p - torch.log(-torch.log(uniform))
    if k >= logits.shape[1]:
        samples = noisy.argsort(dim=1, descending=True)
        return samples, log_p.gather(1, samples).exp()
    top = noisy.topk(k + 1, dim=1)
    samples, threshold = top.indices[:, :k], top.values[:, k:]
    chosen = log_p.gather(1, samples)
    included = -torch.expm1(-torch.exp(chosen - threshold))
    weights = chosen.exp() / included.clamp(min=1e-20)
    return samples, weights / weights.sum(1, keepdim=True).clamp(min=1e-20)


def policy_loss(logits: Tensor, samples: Tensor, weights: Tensor, reward: Tensor) -> Tensor:
    """Return the loss whose gradient is minus eq. (11): -sum_k w_k log p(i_k | q) r_k.

    `logits` (q, pool) are scored over the *whole* pool, as eq. (5) says, not over the samples. The
    weights, 1/K in the paper's independent draws, are those of `gumbel_top_k`. `reward` (q, K)
    carries no gradient and has its baseline subtracted already.
    """
    log_p = torch.log_softmax(logits, 1).gather(1, samples)
    return -mean((weights * log_p * reward.detach()).sum(1))


def expected_reward(logits: Tensor, reward: Tensor) -> Tensor:
    """Return E_p[r] of every query exactly, (q,): what `policy_loss` estimates by sampling.

    `reward` is given for the whole pool, (q, pool). The reference in tests, and cheap enough to
    train with where all rewards are at hand.
    """
    return (torch.softmax(logits, 1) * reward).sum(1)
