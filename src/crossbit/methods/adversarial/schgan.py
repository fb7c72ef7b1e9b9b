"""SCH-GAN: a generator samples items for each query, a discriminator learns codes from them."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from crossbit.methods.adversarial.adversary import Adversary
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.contrast import Losses, Relevance
from crossbit.methods.deep.dis import PAPER, triplet_losses
from crossbit.methods.deep.displus import PairLosses
from crossbit.methods.settings import hyper, method
from crossbit.networks.pathway import HashNetwork
from crossbit.networks.relevance import class_posterior, relevance
from crossbit.training.data import TrainingData
from crossbit.training.game import Game

__all__ = ["SCHGAN"]


@method
class SCHGAN(Adversary, PairLosses):
    """Semi-supervised cross-modal hashing by a generative adversarial network.

    Generator G and discriminator D are two-pathway networks of one shape, eq. (1). For a query q
    and a pool of candidates G samples items by p(i | q) = softmax(-||h(i) - h(q)||^2 / T), eq. (5);
    D learns that its positives are nearer than the samples, f = max(0, m + d(q, i+) - d(q, i)),
    eq. (7); G is rewarded for samples that D gets wrong and follows the policy gradient of eq.
    (11) over the *whole* pool, with the mean reward of the samples as baseline. Only D encodes,
    by h > 1/2, eq. (2).

    The sign of eq. (8). With D(i | q) = sigmoid(f), eq. (6), minimising -log(1 - D) = softplus(f)
    over samples is a triplet loss, as it should be; but maximising log sigmoid(f) over true pairs,
    eq. (9) to the letter, would push positives away. The true pairs' hinge, eq. (8), must be
    *minimised*: D(i+ | q) = sigmoid(-f). So L_D = mean g(f_7) + mean g(f_8), with g the softplus
    (`loss="softplus"`) or the identity (`loss="hinge"`, what the released code optimises).

    What is ours. As published the game does not help where the pool holds many relevant items:
    a generator that ranks well picks them, and D pushes them away. Here every pool item has a
    probability of being relevant to the query, from class heads on the views that learn from
    the visible labels alone (`relevance="posterior"`). With `loss="ranking"`, D ranks the
    generator's samples and some candidates drawn by relevance with a softmax whose target is that
    probability: all margin triplets between the two kinds of sample at once, each weighted by how
    likely its items are what they are taken for. G is rewarded by how much more D believes in a
    sample than is warranted (`reward="excess"`), so it hunts for D's mistakes, not for positives.
    All pairs also meet in a contrast whose probably relevant negatives count less. The losses
    beside the game are those of Dis+; the published forms are in ``experiments/``.

    Views are a dictionary: the game runs in both directions of every two of them.

    Cost of a step: O((batch + pool) d hidden + batch pool bits), whatever n is.
    """

    name: ClassVar[str] = "schgan"
    title: ClassVar[str] = "SCH-GAN"
    family: ClassVar[str] = "Deep"
    summary: ClassVar[str] = "semi-supervised adversarial hashing: few labels, many pairs"
    citation: ClassVar[Citation | None] = PAPER

    labelled_batch: int = hyper(128, "labelled pairs in a step", "tuned")
    pool_from: Literal["all", "unlabelled"] = hyper(
        "all", "rows that candidates come from", "the paper: unlabelled; its code: all"
    )
    queries: Literal["all", "labelled"] = hyper(
        "all", "rows that are asked for", "labelled in the paper"
    )
    relevance: Literal["posterior", "labels"] = hyper(
        "posterior", "which samples may be relevant: by class posterior, or by visible labels alone"
    )
    triplets: bool = hyper(
        False, "eq. (8) on labelled rows in place of the losses of Dis+", "paper"
    )

    def _task(self, data: TrainingData, rng: torch.Generator, progress: Progress = silent) -> Game:
        class_probabilities = self._classes(data, rng)
        related = self._relevance(data, class_probabilities)
        hidden = torch.ones(len(data), dtype=torch.bool)
        hidden[data.labelled] = False
        apart = self.pool_from == "unlabelled" and bool(hidden.any())

        def draw_queries(count: int) -> Tensor:
            if self.queries == "labelled":
                return data.draw_labelled(count, rng)
            return data.draw(count, rng)

        def draw_positives(rows: Tensor) -> Tensor:
            """The paper's i+ are labelled: a pool without labels holds none that is known."""
            return data.draw_labelled(self.labelled_batch, rng)

        return self._game(
            data,
            rng,
            class_probabilities=class_probabilities,
            relevance=related,
            base_loss=lambda network: self._base_loss(network, data, rng, related),
            candidates=torch.nonzero(hidden)[:, 0] if apart else torch.arange(len(data)),
            draw_queries=draw_queries,
            draw_positives=draw_positives if apart else None,
        )

    def _base_loss(
        self, network: HashNetwork, data: TrainingData, rng: torch.Generator, related: Relevance
    ) -> Losses:
        """Return D's losses beside the game: those of Dis+, or eq. (8) alone."""
        if not self.triplets:
            return self._pair_losses(network, data, rng, related)
        triplet = triplet_losses(
            network, data, rng, self.labelled_batch, self.margin * self.bits / 8
        )

        def base_loss(pool: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
            return triplet()

        return base_loss

    def _classes(self, data: TrainingData, rng: torch.Generator) -> Tensor:
        """Return what G's class heads believe of every row, (n, c), and the truth where visible."""
        if self.relevance == "labels":
            return data.labels
        return class_posterior(data.views, data.labels, data.labelled, rng, data.present)

    def _relevance(self, data: TrainingData, class_probabilities: Tensor) -> Relevance:
        """Return the function of two sets of rows that gives who is relevant to whom, in 0..1."""
        single = bool((data.labels[data.labelled].sum(1) == 1).all())
        exclusive = single and self.relevance == "posterior"

        def related(rows: Tensor, others: Tensor) -> Tensor:
            found = relevance(
                class_probabilities[rows], class_probabilities[others], exclusive=exclusive
            )
            return torch.where(rows[:, None] == others, torch.ones_like(found), found)

        return related
