"""The minimax game of Algorithm 1: a generator samples items, a discriminator learns from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from crossbit.networks.losses import mean
from crossbit.networks.pathway import HashNetwork, squared_distance
from crossbit.training.data import TrainingData
from crossbit.training.game_losses import (
    GENERATOR_LOSSES,
    LOSSES,
    REWARDS,
    GameBatch,
    GameConfig,
)
from crossbit.training.policy import gumbel_top_k
from crossbit.training.task import Task, descend

__all__ = ["BaseLoss", "Game"]

BaseLoss = Callable[[Tensor, dict[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Direction:
    """Which rows take part in one direction: those that have the view of queries or candidates.

    Positions among a step's queries, its pool, and the pool with further positives after it.
    """

    queries: Tensor | slice
    pool: Tensor | slice
    candidates: Tensor | slice


class Game(Task):
    """The generator's policy against the discriminator's loss, over batches and pool samples.

    The caller supplies who is relevant to whom, which is all that tells SCH-GAN (labels and
    posteriors) from an unsupervised game (a neighbour graph), and the discriminator's own loss
    on labelled and paired data.

    Parameters
    ----------
    relevance : callable
        Rows (q,), rows (p,) of the data -> probability of relevance, (q, p).
    draw_queries, draw_pool : callable
        Number of rows -> rows of the data.
    draw_positives : callable, optional
        Queries' rows -> rows that positives are drawn from beside the pool, and samples never:
        needed where the pool holds nothing that is known to be relevant.
    base_loss : callable
        Rows of a pool, their codes by view -> named losses of the discriminator beside the game.

    Notes
    -----
    One step costs O((batch + pool) forward passes + batch pool bits); nothing grows with n but
    the codes that the generator caches once an epoch, O(n) forward passes.
    """

    def __init__(
        self,
        data: TrainingData,
        generator: HashNetwork,
        discriminator: HashNetwork,
        optimizers: dict[str, torch.optim.Optimizer],
        rng: torch.Generator,
        *,
        config: GameConfig,
        class_probabilities: Tensor,
        relevance: Callable[[Tensor, Tensor], Tensor],
        draw_queries: Callable[[int], Tensor],
        draw_pool: Callable[[int], Tensor],
        base_loss: BaseLoss,
        draw_positives: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.data, self.config, self.rng = data, config, rng
        self.generator, self.discriminator = generator, discriminator
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimizers = optimizers
        self.class_probabilities, self.relevance = class_probabilities, relevance
        self.base_loss, self.draw_positives = base_loss, draw_positives
        self.draw_queries, self.draw_pool = draw_queries, draw_pool
        self.directions = list(permutations(data.views, 2))
        self.warming_up, self.generator_steps_left = True, 0
        self.cached: dict[str, Tensor] = {}

    def begin_epoch(self, epoch: int) -> int:
        """Generator steps, then discriminator steps on fresh samples; in warm-up the latter alone.

        The generator starts the game as the discriminator is after warm-up, if it is to.
        """
        config = self.config
        self.warming_up = epoch <= config.warmup_epochs
        if self.warming_up:
            return config.discriminator_steps
        if epoch == config.warmup_epochs + 1 and config.copy_discriminator:
            self.generator.load_state_dict(self.discriminator.state_dict())
        self.generator_steps_left, self.cached = config.generator_steps, {}
        return config.generator_steps + config.discriminator_steps

    def step(self) -> dict[str, float]:
        """Take a step of the player whose turn it is; return its losses and figures."""
        if self.warming_up:
            return self.warmup_step()
        if self.generator_steps_left:
            self.generator_steps_left -= 1
            return self.generator_step()
        self.cached = self.cached or self._all_codes()
        return self.discriminator_step(self.cached)

    def warmup_step(self) -> dict[str, float]:
        """Lower the discriminator's own loss alone."""
        pool = self.draw_pool(self.config.pool)
        losses = self.base_loss(pool, self._codes(pool))
        descend(self.optimizers["discriminator"], losses)
        return {name: value.item() for name, value in losses.items()}

    def generator_step(self) -> dict[str, float]:
        """Move the policy towards samples that the discriminator gets wrong: eq. (11)."""
        config = self.config
        rows, pool, candidates = self._sample_rows()
        relevance = self.relevance(rows, candidates)
        with torch.no_grad():
            query_codes, codes = self._codes(rows), self._codes(candidates)
        loss, rewards = torch.zeros(()), torch.zeros(())
        for query_view, view in self.directions:
            at = self._direction(rows, pool, candidates, query_view, view)
            logits = self._policy(
                self.generator(query_view, self.data.views[query_view][rows[at.queries]]),
                self.generator(view, self.data.views[view][pool[at.pool]]),
            )
            with torch.no_grad():
                batch = self._batch(logits, relevance, query_codes[query_view], codes[view], at)
                reward = REWARDS[config.reward](batch, config)
                rewards += mean(reward)
            loss = loss + GENERATOR_LOSSES[config.generator_loss](logits, batch, reward)
        descend(self.optimizers["generator"], {"generator": loss})
        return {"generator": loss.item(), "reward": rewards.item() / len(self.directions)}

    def discriminator_step(self, cached: dict[str, Tensor]) -> dict[str, float]:
        """Lower the discriminator's own loss, and its loss on the generator's samples.

        `cached` holds the generator's codes of all rows by view, (n, bits).
        """
        config = self.config
        rows, pool, candidates = self._sample_rows()
        relevance = self.relevance(rows, candidates)
        query_codes, codes = self._codes(rows), self._codes(candidates)
        losses = self.base_loss(pool, {view: h[: len(pool)] for view, h in codes.items()})
        game, share = torch.zeros(()), 0.0
        for query_view, view in self.directions:
            at = self._direction(rows, pool, candidates, query_view, view)
            queries, offered = rows[at.queries], pool[at.pool]
            logits = self._policy(cached[query_view][queries], cached[view][offered])
            batch = self._batch(logits, relevance, query_codes[query_view], codes[view], at)
            game = game + LOSSES[config.loss](batch, config)
            share += self._relevant_share(queries, offered[batch.samples])
        losses["game"] = config.adversarial_weight * game
        descend(self.optimizers["discriminator"], losses)
        figures = {name: value.item() for name, value in losses.items()}
        return figures | {"relevant_samples": share / len(self.directions)}

    # -- parts of a step -------------------------------------------------------------------

    def _sample_rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows of queries, of the pool, and of the pool with further positives after it."""
        rows, pool = self.draw_queries(self.config.query_batch), self.draw_pool(self.config.pool)
        if self.draw_positives is None:
            return rows, pool, pool
        return rows, pool, torch.cat([pool, self.draw_positives(rows)])

    def _policy(self, queries: Tensor, pool: Tensor) -> Tensor:
        """Return the logits of eq. (5): minus squared distance, over the temperature."""
        return -squared_distance(queries, pool) / self.config.policy_temperature

    def _codes(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the discriminator's codes of some rows in every view."""
        return {view: self.discriminator(view, x[rows]) for view, x in self.data.views.items()}

    def _direction(
        self, rows: Tensor, pool: Tensor, candidates: Tensor, query_view: str, view: str
    ) -> Direction:
        having = self.data.having
        return Direction(having(rows, query_view), having(pool, view), having(candidates, view))

    def _batch(
        self, logits: Tensor, relevance: Tensor, queries: Tensor, codes: Tensor, at: Direction
    ) -> GameBatch:
        """Return one direction of a step, the policy's samples drawn."""
        relevance = relevance[at.queries][:, at.candidates]
        samples, weights = gumbel_top_k(logits.detach(), self.config.samples, self.rng)
        log_relevance = torch.log(relevance.clamp(min=1e-9))
        positives, _ = gumbel_top_k(log_relevance, self.config.positives, self.rng)
        return GameBatch(
            samples, weights, positives, relevance, queries[at.queries], codes[at.candidates]
        )

    @torch.no_grad()
    def _all_codes(self) -> dict[str, Tensor]:
        """Return the generator's codes of all rows: they serve every step of the epoch."""
        return {
            view: torch.cat([self.generator(view, part) for part in x.split(4096)])
            for view, x in self.data.views.items()
        }

    def _relevant_share(self, rows: Tensor, samples: Tensor) -> float:
        """Return the share of samples that truly share a label, where both labels are visible."""
        labels = self.data.labels
        shared = (labels[rows][:, None, :] * labels[samples]).sum(2) > 0
        visible = labels.any(1)
        judged = visible[rows][:, None] & visible[samples]
        return float((shared & judged).sum() / judged.sum().clamp(min=1))
