"""SCH-GAN: a generator picks items for each query, a discriminator learns codes from the picks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from crossbit.errors import ConfigError
from crossbit.methods.base import Citation
from crossbit.methods.deep.dis import PAPER, triplet_losses
from crossbit.methods.deep.displus import PairLosses, Relevance
from crossbit.methods.settings import hyper
from crossbit.networks.pathway import HashNetwork
from crossbit.networks.relevance import class_posterior, relevance
from crossbit.training.data import TrainingData
from crossbit.training.game import Anchor, Game
from crossbit.training.hand import Rules

__all__ = ["SCHGAN"]


@dataclass
class SCHGAN(PairLosses):
    """Semi-supervised cross-modal hashing by a generative adversarial network.

    Generator G and discriminator D are two-pathway networks of one shape, eq. (1). For a query q
    and a pool of candidates G picks items by p(i | q) = softmax(-||h(i) - h(q)||^2 / T), eq. (5);
    D learns that its positives are nearer than the picks, f = max(0, m + d(q, i+) - d(q, i)),
    eq. (7); G is rewarded for picks that D gets wrong and follows the policy gradient of eq.
    (11) over the *whole* pool, with the mean reward of the picks as baseline. Only D encodes,
    by h > 1/2, eq. (2).

    The sign of eq. (8). With D(i | q) = sigmoid(f), eq. (6), minimising -log(1 - D) = softplus(f)
    over picks is a triplet loss, as it should be; but maximising log sigmoid(f) over true pairs,
    eq. (9) to the letter, would push positives away. The true pairs' hinge, eq. (8), must be
    *minimised*: D(i+ | q) = sigmoid(-f). So L_D = mean g(f_7) + mean g(f_8), with g the softplus
    (`loss="softplus"`) or the identity (`loss="hinge"`, what the released code optimises).

    What is ours. As published the game does not help where the pool holds many relevant items:
    a generator that ranks well picks them, and D pushes them away. Here every pool item has a
    probability of being relevant to the query, from class heads on the views that learn from
    the visible labels alone (`relevance="posterior"`). With `loss="ranking"`, D ranks the
    generator's picks and some candidates drawn by relevance with a softmax whose target is that
    probability: all margin triplets between the two kinds of pick at once, each weighted by how
    likely its items are what they are taken for. G is rewarded by how much more D believes in a
    pick than is warranted (`reward="excess"`), so it hunts for D's mistakes, not for positives.
    All pairs also meet in a contrast whose probably relevant negatives count less. The losses
    beside the game are those of Dis+; the published forms are in ``experiments/``.

    Views are a dictionary: the game runs in both directions of every two of them.

    Cost of a step: O((batch + pool) d hidden + batch pool bits), whatever n is.
    """

    name: ClassVar[str] = "schgan"
    summary: ClassVar[str] = "semi-supervised adversarial hashing: few labels, many pairs"
    citation: ClassVar[Citation | None] = PAPER

    labelled_batch: int = hyper(128, "labelled pairs in a step", "tuned")
    asked: int = hyper(128, "queries in a step of the game", "64 in the paper, 1 in its code")
    picks: int = hyper(64, "items that G picks for a query", "20 in the paper, 2 in its code")
    positives: int = hyper(16, "candidates drawn by their relevance beside the picks")
    pool: int = hyper(
        384, "candidates shared by the queries of a step", "a tenth of all in the code"
    )
    pool_from: Literal["all", "unlabelled"] = hyper(
        "all", "rows that candidates come from", "the paper: unlabelled; its code: all"
    )
    queries: Literal["all", "labelled"] = hyper(
        "all", "rows that are asked for", "labelled in the paper"
    )
    policy_temperature: float = hyper(
        1.0, "of eq. (5), in units of bits / 8", "1 / (bits / 8) in the paper"
    )
    loss: Literal["ranking", "hinge", "softplus"] = hyper("ranking", "D's loss on picks, see above")
    reward: Literal["excess", "log1pexp", "sigmoid", "margin"] = hyper(
        "excess", "G's reward", "log1pexp: eq. (10); sigmoid: UGACH's code; margin: SCH-GAN's code"
    )
    relevance: Literal["posterior", "labels"] = hyper(
        "posterior", "which picks may be relevant: by class posterior, or by visible labels alone"
    )
    margin: float = hyper(
        1.0, "of the hinges, in units of bits / 8, squared distance", "UGACH's code"
    )
    game_weight: float = hyper(2.0, "of D's loss on picks", "tuned")
    triplets: bool = hyper(
        False, "eq. (8) on labelled rows in place of the losses of Dis+", "paper"
    )
    baseline: bool = hyper(True, "subtract the mean reward of the picks", "IRGAN")
    whole_pool: bool = hyper(
        True, "policy over the pool, eq. (5); else over the picks, as the code"
    )
    generator_start: Literal["random", "discriminator"] = hyper(
        "discriminator",
        "G's weights before the game",
        "a pretrained G, in an unknown way, in the code",
    )
    pretrain_rounds: int = hyper(
        3, "rounds of D alone before the game", "1,000 epochs at most in the code"
    )
    generator_steps: int = hyper(5, "steps of G in a round", "2 epochs to D's one in the code")
    generator_rate: float = hyper(1e-3, "learning rate of G", "0.01 in the code")
    generator_decay: float = hyper(1e-4, "weight decay of G; a large one shrinks it to a constant")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("asked", "picks", "positives", "pool", "generator_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{self.name}: {name} must be at least 1")
        if self.picks > self.pool:
            raise ConfigError(
                f"{self.name}: {self.picks} picks need a pool of as many, not {self.pool}"
            )

    def _task(self, data: TrainingData, rng: torch.Generator) -> Game:
        discriminator = self._new_network(data, rng)
        generator = self._new_network(data, rng)
        optimisers = {
            "discriminator": self._new_optimiser(discriminator, self.rate, self.decay),
            "generator": self._new_optimiser(generator, self.generator_rate, self.generator_decay),
        }
        beliefs = self._classes(data, rng)
        related = self._relevance(data, beliefs)
        hidden = torch.ones(len(data), dtype=torch.bool)
        hidden[data.labelled] = False
        candidates = torch.arange(len(data))
        apart = self.pool_from == "unlabelled" and bool(hidden.any())
        if apart:
            candidates = torch.nonzero(hidden)[:, 0]

        def draw_pool(count: int) -> Tensor:
            """Different rows where there are enough: a pool without repeats."""
            order = torch.randperm(len(candidates), generator=rng)[:count]
            return candidates[order]

        def draw_queries(count: int) -> Tensor:
            if self.queries == "labelled":
                return data.draw_labelled(count, rng)
            return data.draw(count, rng)

        def draw_positives() -> Tensor:
            """The paper's i+ are labelled: a pool without labels holds none that is known."""
            return data.draw_labelled(self.labelled_batch, rng)

        return Game(
            data,
            generator,
            discriminator,
            optimisers,
            rng,
            rules=self._rules(data),
            beliefs=beliefs,
            relevance=related,
            draw_queries=draw_queries,
            draw_pool=draw_pool,
            anchor=self._anchor(discriminator, data, rng, related),
            draw_positives=draw_positives if apart else None,
        )

    def _anchor(
        self, network: HashNetwork, data: TrainingData, rng: torch.Generator, related: Relevance
    ) -> Anchor:
        """Return D's losses beside the game: those of Dis+, or eq. (8) alone."""
        if not self.triplets:
            return self._pair_losses(network, data, rng, related)
        triplet = triplet_losses(
            network, data, rng, self.labelled_batch, self.margin * self.bits / 8
        )

        def anchor(pool: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
            return triplet()

        return anchor

    def _rules(self, data: TrainingData) -> Rules:
        unit = self.bits / 8  # distances grow with the bits: so do margin and temperature
        return Rules(
            picks=self.picks,
            positives=self.positives,
            pool=self.pool,
            batch=self.asked,
            temperature=self.policy_temperature * unit,
            ranking_temperature=self.temperature * self.bits,
            margin=self.margin * unit,
            weight=self.game_weight,
            loss=self.loss,
            reward=self.reward,
            baseline=self.baseline,
            whole_pool=self.whole_pool,
            generator_steps=self.generator_steps,
            discriminator_steps=self._steps(data),
            pretrain_rounds=self.pretrain_rounds,
            copy_discriminator=self.generator_start == "discriminator",
        )

    def _classes(self, data: TrainingData, rng: torch.Generator) -> Tensor:
        """Return what G's class heads believe of every row, (n, c), and the truth where visible."""
        if self.relevance == "labels":
            return data.labels
        return class_posterior(list(data.views.values()), data.labels, data.labelled, rng)

    def _relevance(self, data: TrainingData, beliefs: Tensor) -> Relevance:
        """Return the function of two sets of rows that gives who is relevant to whom, in 0..1."""
        single = bool((data.labels[data.labelled].sum(1) == 1).all())
        exclusive = single and self.relevance == "posterior"

        def related(rows: Tensor, others: Tensor) -> Tensor:
            found = relevance(beliefs[rows], beliefs[others], exclusive=exclusive)
            return torch.where(rows[:, None] == others, torch.ones_like(found), found)

        return related
