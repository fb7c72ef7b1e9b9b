"""The game of attention: D ranks by what masks leave over, masks hide whatever it ranks by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

import torch
from torch import Tensor, nn

from crossbit.networks.losses import drawn_triplets, mean, ranking, signed, without_self
from crossbit.networks.pathway import HashNetwork, squared_distance
from crossbit.networks.rows import Rows
from crossbit.training.data import TrainingData
from crossbit.training.run import FitRun
from crossbit.training.task import Task

__all__ = ["EXTREME", "AttentionGame", "AttentionRules", "AttentionRun", "collapse"]

Codes = dict[str, Tensor]


@dataclass(frozen=True)
class AttentionRules:
    """The numbers of the game.

    Attributes
    ----------
    attention : bool
        False: whole maps are hashed, and there is no game.
    loss, temperature, margin, triplets
        The ranking loss F: "ranking" by a softmax at a temperature, or "triplets" with a margin,
        so many drawn for a query.
    adversarial, within, pairs : float
        Weights of the terms on what is not attended, of those within a view, and of those of pairs
        whose labels do not count.
    batch, pair_batch, steps : int
        Labelled rows and rows of any kind in a step, and steps in an epoch.
    """

    attention: bool
    loss: Literal["ranking", "triplets"]
    temperature: float
    margin: float
    triplets: int
    adversarial: float
    within: float
    pairs: float
    batch: int
    pair_batch: int
    steps: int


class AttentionGame(Task):
    """Features E and hash functions D against attention G, by turns in every step.

    Parameters
    ----------
    network : HashNetwork
        Of attended pathways.
    optimizers : dict
        "discriminator" over E and D; "generator" over G, if masks are to learn.
    inputs : callable
        View and its rows -> the rows as they are learnt from, such as moved pictures.

    Notes
    -----
    E, which costs most, runs once a step: D hashes its features twice, and G learns from the same
    features. A step takes O(batch (d hidden + hidden^2) + batch^2 bits), or the convolutions.
    """

    def __init__(
        self,
        network: HashNetwork,
        optimizers: dict[str, torch.optim.Optimizer],
        data: TrainingData,
        rng: torch.Generator,
        *,
        rules: AttentionRules,
        inputs: Callable[[str, Rows], Rows],
    ) -> None:
        self.network, self.optimizers, self.data, self.rng = network, optimizers, data, rng
        self.networks: dict[str, nn.Module] = {"discriminator": network}
        self.rules, self.inputs, self.class_probabilities = rules, inputs, data.labels
        self.pathways: dict[str, Any] = dict(network.pathways.items())

    def begin_epoch(self, epoch: int) -> int:
        """Return the steps of an epoch, always as many."""
        return self.rules.steps

    def step(self) -> dict[str, Tensor]:
        """Let E and D learn with G as it is, then G with E and D as they are."""
        rules = self.rules
        rows = self.data.draw_labelled(rules.batch, self.rng)
        features = self._features(rows)
        masks = self._masks(features)
        losses = self._losses(rows, features, masks)
        if rules.pairs:
            losses["pairs"] = rules.pairs * self._pair_loss()
        # min over E, D of all terms.
        self.optimizers["discriminator"].zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.optimizers["discriminator"].step()
        figures = {name: value.detach() for name, value in losses.items()}
        if rules.attention:
            if "generator" in self.optimizers:
                self._attend(rows, {view: found.detach() for view, found in features.items()})
            for view, mask in masks.items():
                figures[f"attended_{view}"] = mean(mask[self.data.having(rows, view)])
        return figures

    # -- the terms -------------------------------------------------------------------------

    def _losses(self, rows: Tensor, features: Codes, masks: Codes) -> dict[str, Tensor]:
        """Return the six terms of two views, by kind: those of more views are alike."""
        attended = self._hashed(features, masks)
        across = self._ranked(rows, attended, attended, permutations(attended, 2))
        within = self._ranked(rows, attended, attended, ((view, view) for view in attended))
        losses = {"across": across, "within": self.rules.within * within}  # F_T->I, F_I->T, ...
        if self.rules.attention and self.rules.adversarial:
            losses["adversarial"] = self._adversarial(rows, features, masks, attended)
        return losses

    def _adversarial(self, rows: Tensor, features: Codes, masks: Codes, attended: Codes) -> Tensor:
        """Return F_T->I^ + F_I->T^: attended codes ask, codes of what is left over are searched."""
        rest = self._hashed(features, {view: 1 - mask for view, mask in masks.items()})
        terms = self._ranked(rows, attended, rest, permutations(attended, 2))
        return self.rules.adversarial * terms

    def _attend(self, rows: Tensor, features: Codes) -> None:
        """Take G's step: max over G of the adversarial terms, by gradients of G alone."""
        masks = {view: self.pathways[view].attention(found) for view, found in features.items()}
        attended = self._hashed(features, masks)
        loss = -self._adversarial(rows, features, masks, attended)
        optimizer = self.optimizers["generator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=[p for group in optimizer.param_groups for p in group["params"]])
        optimizer.step()

    def _pair_loss(self) -> Tensor:
        """Return the terms across views in which a row's own other view is what is relevant."""
        rows = self.data.draw_distinct(self.rules.pair_batch, self.rng)
        features = self._features(rows)
        codes = self._hashed(features, self._masks(features))
        own = torch.eye(len(rows), dtype=torch.bool)
        return self._ranked(rows, codes, codes, permutations(codes, 2), own)

    def _ranked(
        self,
        rows: Tensor,
        asking: Codes,
        searched: Codes,
        directions: Any,
        relevant: Tensor | None = None,
    ) -> Tensor:
        """Return the sum of F over directions; labels say who is relevant, if nothing else does."""
        labels = self.data.labels[rows]
        table = labels @ labels.T > 0 if relevant is None else relevant
        terms = []
        for a, b in directions:
            left, right = self.data.having(rows, a), self.data.having(rows, b)
            terms.append(
                self._ranking(asking[a][left], searched[b][right], table[left][:, right], a == b)
            )
        return torch.stack(terms).sum()

    def _ranking(self, queries: Tensor, items: Tensor, relevant: Tensor, same: bool) -> Tensor:
        """Return F of one direction: sum of max(0, margin + d(i, j) - d(i, k)), or its soft form.

        The soft form, `losses.ranking`, is a log-sum-exp over all triplets of the batch.
        """
        rules, soft = self.rules, self.rules.loss == "ranking"
        table = signed(queries) @ signed(items).T if soft else squared_distance(queries, items)
        if same:  # nothing is learnt from an item that finds itself
            table, relevant = without_self(table), without_self(relevant)
        if soft:
            return ranking(table, relevant.float(), rules.temperature)
        return drawn_triplets(table, relevant, rules.margin, rules.triplets, self.rng)

    # -- the modules -----------------------------------------------------------------------

    def _features(self, rows: Tensor) -> Codes:
        return {
            view: self.pathways[view].first(self.inputs(view, x[rows]))
            for view, x in self.data.views.items()
        }

    def _masks(self, features: Codes) -> Codes:
        """Return masks that E and D take as they are; all ones without attention."""
        if not self.rules.attention:
            return {view: torch.ones(()) for view in features}
        with torch.no_grad():
            return {view: self.pathways[view].attention(found) for view, found in features.items()}

    def _hashed(self, features: Codes, masks: Codes) -> Codes:
        """Return relaxed codes in 0..1 of masked features."""
        return {
            view: torch.sigmoid(self.pathways[view].second(masks[view] * found))
            for view, found in features.items()
        }


EXTREME = 0.02  # a mean attended share this near to 0 or 1 is no attention


class AttentionRun(FitRun):
    """Adds a warning to the event of an epoch whose masks have collapsed."""

    def log(self, events: list[dict[str, Any]]) -> None:
        """Write and report the events, each with its warning: a resumed fit gives the same."""
        for event in events:
            event["warning"] = event["warning"] or collapse(event["loss"])
        super().log(events)


def collapse(figures: Mapping[str, float], extreme: float = EXTREME) -> str | None:
    """Return what is wrong with the attended shares of an epoch, and the likely cause, or None.

    Parameters
    ----------
    figures : mapping
        Of an epoch of `AttentionGame`: shares are called "attended_VIEW".
    """
    for name, share in figures.items():
        view = name.removeprefix("attended_")
        if view != name and not extreme <= share <= 1 - extreme:
            what = "nothing" if share > 0.5 else "all but a few places"
            return (
                f"the {view} masks have collapsed: they leave out {what} (attended share "
                f"{share:.3f}); lower generator_rate, or change opening"
            )
    return None
