"""Losses of the game: the discriminator's on the generator's samples, rewards, the generator's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.networks.losses import mean, ranking, signed
from crossbit.networks.pathway import squared_distance
from crossbit.training.policy import policy_loss

__all__ = ["GENERATOR_LOSSES", "LOSSES", "REWARDS", "GameBatch", "GameConfig"]


@dataclass(frozen=True)
class GameConfig:
    """Sizes and losses of the game; every field is documented where a method exposes it."""

    samples: int
    positives: int
    pool: int
    query_batch: int
    policy_temperature: float  # in squared distance
    ranking_temperature: float  # of the discriminator's ranking, in inner product
    margin: float  # in squared distance
    adversarial_weight: float
    loss: str
    reward: str
    generator_loss: str
    generator_steps: int
    discriminator_steps: int
    warmup_epochs: int
    copy_discriminator: bool  # into the generator, when the game begins


@dataclass
class GameBatch:
    """One direction of a step: queries, the shared pool, the samples of the generator."""

    samples: Tensor  # (q, K) positions in the pool
    weights: Tensor  # (q, K) what each sample stands for in an expectation over the policy
    positives: Tensor  # (q, P) positions among the candidates, drawn by relevance
    relevance: Tensor  # (q, candidates) in 0..1
    queries: Tensor  # (q, bits) codes of the discriminator
    candidates: Tensor  # (pool + further positives, bits) codes of the discriminator


# -- eq. (7) and (8): the discriminator's losses ----------------------------------


def _violations(batch: GameBatch, config: GameConfig) -> tuple[Tensor, Tensor]:
    """Return margin + d(q, i+) - d(q, i_k) for a drawn positive, (q, K), and its weight.

    The weight is the probability that the positive is one and the sample is not.
    """
    distance = squared_distance(batch.queries, batch.candidates)
    positive = batch.positives[:, :1]
    violation = config.margin + distance.gather(1, positive) - distance.gather(1, batch.samples)
    weight = batch.relevance.gather(1, positive) * (1 - batch.relevance.gather(1, batch.samples))
    return violation, weight


def _hinge(batch: GameBatch, config: GameConfig) -> Tensor:
    """Eq. (7) minimised as a hinge, as the released code does."""
    violation, weight = _violations(batch, config)
    return mean(F.relu(violation) * weight)


def _softplus(batch: GameBatch, config: GameConfig) -> Tensor:
    """Eq. (9) to the letter: -log(1 - sigmoid(f)) = softplus(f), f the hinge of eq. (7)."""
    violation, weight = _violations(batch, config)
    return mean(F.softplus(F.relu(violation)) * weight)


def _candidates(batch: GameBatch) -> tuple[Tensor, Tensor]:
    """Return inner products and relevance of the samples and drawn positives, (q, K + P) each."""
    chosen = torch.cat([batch.samples, batch.positives], 1)
    similarity = signed(batch.queries) @ signed(batch.candidates).T
    return similarity.gather(1, chosen), batch.relevance.gather(1, chosen)


def _ranked(batch: GameBatch, config: GameConfig) -> Tensor:
    """All margin triplets between the samples at once, each item weighted by its relevance."""
    similarity, relevance = _candidates(batch)
    return ranking(similarity, relevance, config.ranking_temperature)


LOSSES = {"hinge": _hinge, "softplus": _softplus, "ranking": _ranked}


# -- rewards of the samples, (q, K) ------------------------------------------------------------


def _log1pexp(batch: GameBatch, config: GameConfig) -> Tensor:
    """Eq. (10): log(1 + e^f), f the hinge of eq. (7); a likely relevant sample earns less."""
    violation, weight = _violations(batch, config)
    return F.softplus(F.relu(violation)) * weight


def _sigmoid(batch: GameBatch, config: GameConfig) -> Tensor:
    """UGACH's released code: sigmoid(f)."""
    violation, weight = _violations(batch, config)
    return torch.sigmoid(F.relu(violation)) * weight


def _margin(batch: GameBatch, config: GameConfig) -> Tensor:
    """SCH-GAN's released code: 10^-|f|, a peak where the sample lies just on the margin.

    The exponent is in units of the margin: unscaled it is nearly zero unless |f| < 1.
    """
    violation, _ = _violations(batch, config)
    return torch.pow(10.0, -violation.abs() / max(config.margin, 1e-6))


def _excess(batch: GameBatch, config: GameConfig) -> Tensor:
    """How much more the discriminator believes in a sample than its relevance warrants."""
    similarity, relevance = _candidates(batch)
    believed = torch.softmax(similarity / config.ranking_temperature, 1)
    warranted = relevance / relevance.sum(1, keepdim=True).clamp(min=1e-6)
    k = batch.samples.shape[1]
    return (believed - warranted).clamp(min=0)[:, :k] * k


REWARDS = {"log1pexp": _log1pexp, "sigmoid": _sigmoid, "margin": _margin, "excess": _excess}


# -- the generator's loss of logits over the pool, (q, pool), and rewards, (q, K) --------------


def _baseline(logits: Tensor, batch: GameBatch, reward: Tensor) -> Tensor:
    """Eq. (11) with the mean reward of a query's samples subtracted, as in IRGAN."""
    expected = (batch.weights * reward).sum(1, keepdim=True)
    return policy_loss(logits, batch.samples, batch.weights, reward - expected)


def _policy_gradient(logits: Tensor, batch: GameBatch, reward: Tensor) -> Tensor:
    """Eq. (11) as published: the whole pool's policy gradient, without a baseline."""
    return policy_loss(logits, batch.samples, batch.weights, reward)


def _regression(logits: Tensor, batch: GameBatch, reward: Tensor) -> Tensor:
    """The released code: the softmax over the samples alone is fitted to the rewards."""
    share = torch.softmax(logits.gather(1, batch.samples), 1)
    return mean((share - reward).abs())


GENERATOR_LOSSES: dict[str, Callable[[Tensor, GameBatch, Tensor], Tensor]] = {
    "baseline": _baseline,
    "policy_gradient": _policy_gradient,
    "regression": _regression,
}
