"""Dis+: the strong network without an adversary, the yardstick of every adversarial gain."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

import torch
from torch import Tensor

from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.contrast import ContrastLosses, Losses, Relevance, total
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.losses import pair_likelihood, ranking, signed
from crossbit.networks.pathway import HashNetwork
from crossbit.training.data import TrainingData
from crossbit.training.supervised import SupervisedTask

__all__ = ["DisPlus", "PairLosses"]

# Weight of the binary cross entropy of pairs, the large-batch study's; left out, no data set moves
# by more than .002 (results/ablation.md).
LIKELIHOOD = 0.01


@method
class PairLosses(ContrastLosses, LabelledHasher):
    """The loss terms on labelled rows and on all pairs that Dis+ and SCH-GAN's discriminator share.

    Per step, for both directions of every two views: the ranking of a labelled batch by shared
    labels (a log-sum-exp over all in-batch triplets), and a small likelihood of "shares a label";
    with them the contrast of all pairs (see `ContrastLosses`).
    """

    labelled_weight: float = hyper(1.0, "of the ranking of labelled rows")
    min_label_passes: int = hyper(
        2,
        "least passes over the labelled rows in an epoch",
        "more steps won on one development split",
    )

    def _steps(self, data: TrainingData) -> int:
        """A pass over all pairs would see only a few of many labelled rows."""
        labelled = -(-self.min_label_passes * len(data.labelled) // self.labelled_batch)
        return max(super()._steps(data), labelled)

    def _pair_losses(
        self,
        network: HashNetwork,
        data: TrainingData,
        rng: torch.Generator,
        relevance: Relevance,
    ) -> Losses:
        """Return the function of a batch of pairs and their codes that gives all losses by name."""
        contrast_losses = self._contrast_losses(network, data, relevance)
        scale = self.temperature * self.bits

        def losses(pairs: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
            rows = data.draw_labelled(self.labelled_batch, rng)
            relevant = data.labels[rows] @ data.labels[rows].T > 0
            known = {view: network(view, x[rows]) for view, x in data.views.items()}
            ranked, likely = [], []
            for a, b in permutations(known, 2):
                asking, searched = data.having(rows, a), data.having(rows, b)
                similarity = signed(known[a][asking]) @ signed(known[b][searched]).T
                shared = relevant[asking][:, searched]
                ranked.append(ranking(similarity, shared.float(), scale))
                likely.append(pair_likelihood(similarity / scale, shared))
            return {
                "labelled": self.labelled_weight * total(ranked),
                "likelihood": LIKELIHOOD * total(likely),
                **contrast_losses(pairs, codes),
            }

        return losses


@method
class DisPlus(PairLosses):
    """Two-pathway network with in-batch ranking, contrast of all pairs and regularisers; no GAN.

    A network of this kind beat the re-run of SCH-GAN in the large-batch triplet study, so a gain
    of an adversarial method counts only beside it. It sees the same rows as SCH-GAN: labels
    where they are given, and every pair in the contrast (van den Oord et al., 2018).

    Cost of a step: O((batch + labelled_batch) d hidden + batch^2 bits).
    """

    name: ClassVar[str] = "displus"
    title: ClassVar[str] = "Dis+"
    family: ClassVar[str] = "Deep"
    summary: ClassVar[str] = "strong network without an adversary: ranking, contrast, balance"
    citation: ClassVar[Citation | None] = Citation(
        "A. van den Oord, Y. Li, O. Vinyals",
        "Representation Learning with Contrastive Predictive Coding (the contrastive term)",
        "arXiv",
        2018,
        "https://arxiv.org/abs/1807.03748",
    )

    weight_decay: float = hyper(0.1, "weight decay of the hash layers", "tuned")
    temperature: float = hyper(
        0.45, "of the softmax over inner products, in units of bits", "tuned"
    )
    contrast_weight: float = hyper(0.5, "of the contrast of all pairs", "tuned")

    def _task(
        self, data: TrainingData, rng: torch.Generator, progress: Progress = silent
    ) -> SupervisedTask:
        network = self._new_network(data, rng)
        optimizer = self._new_optimizer(network, self.lr, self.weight_decay)

        def known(rows: Tensor, others: Tensor) -> Tensor:
            """Known labels only: 1 where two rows visibly share one, else 0."""
            return (data.labels[rows] @ data.labels[others].T > 0).float()

        pair_losses = self._pair_losses(network, data, rng, known)

        def losses() -> dict[str, Tensor]:
            pairs = data.draw_distinct(self.batch, rng)
            return pair_losses(pairs, {v: network(v, x[pairs]) for v, x in data.views.items()})

        return SupervisedTask(network, optimizer, rng, losses, self._steps(data), data.labels)
