"""The generator's policy: sampling from a pool and its gradient, batched over queries."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["expected_reward", "gumbel_top_k", "policy_loss"]


def gumbel_top_k(logits: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """Draw k different candidates per query from softmax(logits), (q, pool) -> (q, k) int64.

    Sampling without replacement by the k largest logits after Gumbel noise is added (Kool et
    al., ICML 2019); the first column alone is an exact draw from the softmax. O(q pool).
    """
    uniform = torch.rand(logits.shape, generator=rng).clamp_(1e-20, 1 - 1e-7)
    return (logits - torch.log(-torch.log(uniform))).topk(min(k, logits.shape[1]), dim=1).indices


def policy_loss(logits: Tensor, picks: Tensor, reward: Tensor) -> Tensor:
    """Return the loss whose gradient is minus eq. (11): -(1/K) sum_k log p(i_k | q) r_k.

    `logits` (q, pool) are scored over the *whole* pool, as eq. (5) says, not over the picks;
    `reward` (q, K) carries no gradient and has its baseline subtracted already.
    """
    log_p = torch.log_softmax(logits, 1).gather(1, picks)
    return -(log_p * reward.detach()).mean()


def expected_reward(logits: Tensor, reward: Tensor) -> Tensor:
    """Return E_p[r] of every query exactly, (q,): what `policy_loss` estimates by sampling.

    `reward` is given for the whole pool, (q, pool). The reference in tests, and cheap enough to
    train with where all rewards are at hand.
    """
    return (torch.softmax(logits, 1) * reward).sum(1)
