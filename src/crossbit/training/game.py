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
from crossbit.training.game_losses import LOSSES, REWARDS, GameBatch, Rules
from crossbit.training.policy import gumbel_top_k, policy_loss
from crossbit.training.task import Task

__all__ = ["BaseLoss", "Game"]

BaseLoss = Callable[[Tensor, dict[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Side:
    """Which rows take part in one direction: those that have the view that asks, or is searched.

    Positions among a step's queries, its pool, and the pool with further positives after it.
    """

    asking: Tensor | slice
    pool: Tensor | slice
    known: Tensor | slice


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
        Number of rows wanted -> rows of the data.
    draw_positives : callable, optional
        Queries' rows -> rows that positives are drawn from beside the pool, and samples never:
        needed where the pool holds nothing that is known to be relevant.
    anchor : callable
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
        rules: Rules,
        class_probabilities: Tensor,
        relevance: Callable[[Tensor, Tensor], Tensor],
        draw_queries: Callable[[int], Tensor],
        draw_pool: Callable[[int], Tensor],
        base_loss: BaseLoss,
        draw_positives: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.data, self.rules, self.rng = data, rules, rng
        self.generator, self.discriminator = generator, discriminator
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimizers = optimizers
        self.class_probabilities, self.relevance, self.base_loss = (
            class_probabilities,
            relevance,
            base_loss,
        )
        self.draw_queries, self.draw_pool = draw_queries, draw_pool
        self.draw_positives = draw_positives
        self.directions = list(permutations(data.views, 2))

    def round(self, number: int) -> dict[str, float]:
        """Play one epoch: generator steps, then discriminator steps on fresh samples.

        In the first epochs the discriminator learns alone, by its anchor.
        """
        seen: dict[str, list[float]] = {}
        if number <= self.rules.warmup_epochs:
            for _ in range(self.rules.discriminator_steps):
                pool = self.draw_pool(self.rules.pool)
                losses = self.base_loss(pool, self._codes(pool))
                _step(self.optimizers["discriminator"], torch.stack(list(losses.values())).sum())
                _note(seen, {name: value.item() for name, value in losses.items()})
            return _means(seen)
        if number == self.rules.warmup_epochs + 1 and self.rules.copy_discriminator:
            self.generator.load_state_dict(self.discriminator.state_dict())
        for _ in range(self.rules.generator_steps):
            _note(seen, self.generator_step())
        cached = self._all_codes()
        for _ in range(self.rules.discriminator_steps):
            _note(seen, self.discriminator_step(cached))
        return _means(seen)

    def generator_step(self) -> dict[str, float]:
        """Move the policy towards samples that the discriminator gets wrong: eq. (11)."""
        rules = self.rules
        rows, pool, known = self._deal()
        table = self.relevance(rows, known)
        with torch.no_grad():
            queries, candidates = self._codes(rows), self._codes(known)
        loss, rewards = torch.zeros(()), torch.zeros(())
        for query_batch, searched in self.directions:
            side = self._side(rows, pool, known, query_batch, searched)
            logits = self._policy(
                self.generator(query_batch, self.data.views[query_batch][rows[side.asking]]),
                self.generator(searched, self.data.views[searched][pool[side.pool]]),
            )
            with torch.no_grad():
                batch_ = self._hand(logits, table, queries[query_batch], candidates[searched], side)
                reward = REWARDS[rules.reward](batch_, rules)
                rewards += mean(reward)
            if rules.whole_pool:
                expected = (batch_.weights * reward).sum(1, keepdim=True)
                base = expected if rules.baseline else 0.0
                loss = loss + policy_loss(logits, batch_.samples, batch_.weights, reward - base)
            else:  # the released code: the softmax over the samples alone is fitted to the rewards
                share = torch.softmax(logits.gather(1, batch_.samples), 1)
                loss = loss + mean((share - reward).abs())
        _step(self.optimizers["generator"], loss)
        return {"generator": loss.item(), "reward": rewards.item() / len(self.directions)}

    def discriminator_step(self, cached: dict[str, Tensor]) -> dict[str, float]:
        """Lower the discriminator's loss on its anchor and on the generator's samples."""
        rules = self.rules
        rows, pool, known = self._deal(cached)
        table = self.relevance(rows, known)
        queries, candidates = self._codes(rows), self._codes(known)
        losses = self.base_loss(pool, {view: h[: len(pool)] for view, h in candidates.items()})
        game, hits = torch.zeros(()), 0.0
        for query_batch, searched in self.directions:
            side = self._side(rows, pool, known, query_batch, searched)
            asking, offered = rows[side.asking], pool[side.pool]
            logits = self._policy(cached[query_batch][asking], cached[searched][offered])
            batch_ = self._hand(logits, table, queries[query_batch], candidates[searched], side)
            game = game + LOSSES[rules.loss](batch_, rules)
            hits += self._true_share(asking, offered[batch_.samples])
        losses["game"] = rules.weight * game
        _step(self.optimizers["discriminator"], torch.stack(list(losses.values())).sum())
        figures = {name: value.item() for name, value in losses.items()}
        return figures | {"picked_relevant": hits / len(self.directions)}

    # -- parts of a step -------------------------------------------------------------------

    def _deal(self, cached: dict[str, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows of queries, of the pool, and of the pool with further positives after it."""
        rows, pool = self.draw_queries(self.rules.batch), self.draw_pool(self.rules.pool)
        if self.rules.bank and cached is not None:
            pool = self._from_bank(rows, pool, cached)
        if self.draw_positives is None:
            return rows, pool, pool
        return rows, pool, torch.cat([pool, self.draw_positives(rows)])

    def _from_bank(self, rows: Tensor, pool: Tensor, cached: dict[str, Tensor]) -> Tensor:
        """Return a pool as large, most of it what the policy samples for each query from the bank.

        The bank's codes are cached, so it costs one product, (q, bank), in each direction.
        """
        bank = self.draw_pool(self.rules.bank)
        share = max(1, len(pool) // (len(rows) * len(self.directions)))
        brought = []
        for query_batch, searched in self.directions:
            asking = rows[self.data.having(rows, query_batch)]
            offered = bank[self.data.having(bank, searched)]
            logits = self._policy(cached[query_batch][asking], cached[searched][offered])
            brought.append(offered[gumbel_top_k(logits, share, self.rng)[0]].flatten())
        found = torch.cat(brought).unique()
        found = found[torch.randperm(len(found), generator=self.rng)][: len(pool)]
        others = pool[~torch.isin(pool, found)]
        return torch.cat([found, others[: len(pool) - len(found)]])

    def _policy(self, queries: Tensor, pool: Tensor) -> Tensor:
        """Return the logits of eq. (5): minus squared distance, over the temperature."""
        return -squared_distance(queries, pool) / self.rules.temperature

    def _codes(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the discriminator's codes of some rows in every view."""
        return {view: self.discriminator(view, x[rows]) for view, x in self.data.views.items()}

    def _side(
        self, rows: Tensor, pool: Tensor, known: Tensor, query_batch: str, searched: str
    ) -> Side:
        having = self.data.having
        return Side(having(rows, query_batch), having(pool, searched), having(known, searched))

    def _hand(
        self, logits: Tensor, table: Tensor, queries: Tensor, pool: Tensor, side: Side
    ) -> GameBatch:
        table = table[side.asking][:, side.known]
        queries, pool = queries[side.asking], pool[side.known]
        samples, weights = gumbel_top_k(logits.detach(), self.rules.samples, self.rng)
        likely = torch.log(table.clamp(min=1e-9))
        positive, _ = gumbel_top_k(likely, self.rules.positives, self.rng)
        return GameBatch(samples, weights, positive, table, queries, pool)

    @torch.no_grad()
    def _all_codes(self) -> dict[str, Tensor]:
        """Return the generator's codes of all rows: they serve every step of the epoch."""
        return {
            view: torch.cat([self.generator(view, part) for part in x.split(4096)])
            for view, x in self.data.views.items()
        }

    def _true_share(self, rows: Tensor, sampled: Tensor) -> float:
        """Return the share of samples that truly share a label, where both labels are visible."""
        labels = self.data.labels
        shared = (labels[rows][:, None, :] * labels[sampled]).sum(2) > 0
        visible = labels.any(1)
        known = visible[rows][:, None] & visible[sampled]
        return float((shared & known).sum() / known.sum().clamp(min=1))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _note(seen: dict[str, list[float]], figures: dict[str, float]) -> None:
    for name, value in figures.items():
        seen.setdefault(name, []).append(value)


def _means(seen: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in seen.items()}
