"""A hand of the game: the rules, what lies on the table, D's losses on it and G's rewards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.networks.losses import mean, ranking, signed
from crossbit.networks.pathway import squared_distance

__all__ = ["LOSSES", "REWARDS", "GameBatch", "Rules"]


@dataclass(frozen=True)
class Rules:
    """What the two players may do; every field is documented where a method exposes it."""

    samples: int
    positives: int
    pool: int
    bank: int  # rows that the queries bring their candidates from, by cached codes; 0: none
    batch: int
    temperature: float  # of the policy, in squared distance
    ranking_temperature: float  # of the discriminator's ranking, in inner product
    margin: float  # in squared distance
    weight: float
    loss: str
    reward: str
    baseline: bool
    whole_pool: bool
    generator_steps: int
    discriminator_steps: int
    warmup_epochs: int
    copy_discriminator: bool  # into the generator, when the game begins


@dataclass
class GameBatch:
    """What lies on the table in one direction: queries, the shared pool, the samples."""

    samples: Tensor  # (q, K) positions in the pool
    weights: Tensor  # (q, K) what each sample stands for in an expectation over the policy
    positive: Tensor  # (q, P) positions in the pool and what follows it, drawn by relevance
    relevance: Tensor  # (q, pool) in 0..1
    queries: Tensor  # (q, bits) codes of the discriminator
    pool: Tensor  # (pool, bits) codes of the discriminator, further positives at the end


# -- eq. (7) and (8): the discriminator's losses on a hand ----------------------------------


def _violations(batch_: GameBatch, rules: Rules) -> tuple[Tensor, Tensor]:
    """Return margin + d(q, i+) - d(q, i_k) for a drawn positive, (q, K), and its weight.

    The weight is the probability that the positive is one and the sample is not.
    """
    distance = squared_distance(batch_.queries, batch_.pool)
    positive = batch_.positive[:, :1]
    violation = rules.margin + distance.gather(1, positive) - distance.gather(1, batch_.samples)
    weight = batch_.relevance.gather(1, positive) * (1 - batch_.relevance.gather(1, batch_.samples))
    return violation, weight


def _hinge(batch_: GameBatch, rules: Rules) -> Tensor:
    """Eq. (7) minimised as a hinge, as the released code does."""
    violation, weight = _violations(batch_, rules)
    return mean(F.relu(violation) * weight)


def _softplus(batch_: GameBatch, rules: Rules) -> Tensor:
    """Eq. (9) to the letter: -log(1 - sigmoid(f)) = softplus(f), f the hinge of eq. (7)."""
    violation, weight = _violations(batch_, rules)
    return mean(F.softplus(F.relu(violation)) * weight)


def _candidates(batch_: GameBatch) -> tuple[Tensor, Tensor]:
    """Return inner products and relevance of the samples and drawn positives, (q, K + P) each."""
    chosen = torch.cat([batch_.samples, batch_.positive], 1)
    similarity = signed(batch_.queries) @ signed(batch_.pool).T
    return similarity.gather(1, chosen), batch_.relevance.gather(1, chosen)


def _ranked(batch_: GameBatch, rules: Rules) -> Tensor:
    """All margin triplets between the samples at once, each item weighted by its relevance."""
    similarity, relevance = _candidates(batch_)
    return ranking(similarity, relevance, rules.ranking_temperature)


LOSSES = {"hinge": _hinge, "softplus": _softplus, "ranking": _ranked}


# -- rewards of the samples, (q, K) ------------------------------------------------------------


def _log1pexp(batch_: GameBatch, rules: Rules) -> Tensor:
    """Eq. (10): log(1 + e^f), f the hinge of eq. (7); a sample that is likely relevant earns less."""
    violation, weight = _violations(batch_, rules)
    return F.softplus(F.relu(violation)) * weight


def _sigmoid(batch_: GameBatch, rules: Rules) -> Tensor:
    """UGACH's released code: sigmoid(f)."""
    violation, weight = _violations(batch_, rules)
    return torch.sigmoid(F.relu(violation)) * weight


def _margin(batch_: GameBatch, rules: Rules) -> Tensor:
    """SCH-GAN's released code: 10^-|f|, a peak where the sample lies just on the margin.

    The exponent is in units of the margin: unscaled it is nearly zero unless |f| < 1.
    """
    violation, _ = _violations(batch_, rules)
    return torch.pow(10.0, -violation.abs() / max(rules.margin, 1e-6))


def _excess(batch_: GameBatch, rules: Rules) -> Tensor:
    """How much more the discriminator believes in a sample than its relevance warrants."""
    similarity, relevance = _candidates(batch_)
    believed = torch.softmax(similarity / rules.ranking_temperature, 1)
    warranted = relevance / relevance.sum(1, keepdim=True).clamp(min=1e-6)
    k = batch_.samples.shape[1]
    return (believed - warranted).clamp(min=0)[:, :k] * k


REWARDS = {"log1pexp": _log1pexp, "sigmoid": _sigmoid, "margin": _margin, "excess": _excess}
