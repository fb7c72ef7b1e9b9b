"""Dis: the discriminator of SCH-GAN trained by itself, the ablation of its paper."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from crossbit.corpus import Corpus
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.losses import all_triplets
from crossbit.networks.pathway import HashNetwork, squared_distance
from crossbit.training.data import TrainingData
from crossbit.training.supervised import SupervisedTask

__all__ = ["PAPER", "Dis", "triplet_losses"]


PAPER = Citation(
    "J. Zhang, Y. Peng, M. Yuan",
    "SCH-GAN: Semi-supervised Cross-modal Hashing by Generative Adversarial Network",
    "IEEE Transactions on Cybernetics",
    2018,
    "https://arxiv.org/abs/1802.02488",
)


@method
class Dis(LabelledHasher):
    """Two-pathway network with the triplet term of eq. (8) on labelled pairs, and nothing else.

    max(0, m + ||h(q) - h(i+)||^2 - ||h(q) - h(i-)||^2), i+ sharing a label with q and i- none,
    in both directions of every two views. The paper samples triplets; here every triplet of a
    batch counts. Unlabelled rows are not used. The kernel head of the stronger methods is off, so
    that this is the ablation of the paper; ``kernel_head="auto"`` lends it to it, on labelled rows.

    Cost of a step: O(labelled_batch^3 + labelled_batch d hidden).
    """

    name: ClassVar[str] = "dis"
    title: ClassVar[str] = "Dis"
    family: ClassVar[str] = "Deep"
    summary: ClassVar[str] = "triplet loss on labelled pairs (the ablation of SCH-GAN)"
    citation: ClassVar[Citation | None] = PAPER
    learns_from: ClassVar[str] = "labelled rows"

    labelled_batch: int = hyper(
        32, "labelled pairs in a step; triplets grow with its cube", "tuned"
    )
    margin: float = hyper(1.0, "margin in units of bits / 8, squared distance", "UGACH's code: q/8")
    kernel_head: Literal["auto", "never", "always"] = hyper(
        "never", "kernel head over the labelled rows", "the paper has none"
    )

    def _task(
        self, data: TrainingData, rng: torch.Generator, progress: Progress = silent
    ) -> SupervisedTask:
        network = self._new_network(data, rng)
        optimizer = self._new_optimizer(network, self.lr, self.weight_decay)

        losses = triplet_losses(
            network, data, rng, self.labelled_batch, self.margin * self.bits / 8
        )
        # A pass over the pairs would see a few of many labelled rows only: they are all it has.
        steps = max(self._steps(data), -(-len(data.labelled) // self.labelled_batch))
        return SupervisedTask(network, optimizer, rng, losses, steps, data.labels)

    def _kernel_rows(self, corpus: Corpus) -> np.ndarray:
        return corpus.labelled


def triplet_losses(
    network: HashNetwork, data: TrainingData, rng: torch.Generator, batch: int, margin: float
) -> Callable[[], dict[str, Tensor]]:
    """Return the function that draws labelled rows and gives eq. (8), summed over directions."""

    def losses() -> dict[str, Tensor]:
        rows = data.draw_labelled(batch, rng)
        relevant = data.labels[rows] @ data.labels[rows].T > 0
        codes = {view: network(view, x[rows]) for view, x in data.views.items()}
        terms = []
        for a, b in permutations(codes, 2):
            asking, searched = data.having(rows, a), data.having(rows, b)
            distance = squared_distance(codes[a][asking], codes[b][searched])
            terms.append(all_triplets(distance, relevant[asking][:, searched], margin))
        return {"triplet": torch.stack(terms).sum()}

    return losses
