"""ContrastLosses: the loss terms on all pairs, labelled or not, that several networks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import permutations

import torch
from torch import Tensor

from crossbit.methods.deep.base import DeepHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.losses import bit_balance, contrast, orthogonality, quantisation, signed
from crossbit.networks.pathway import HashNetwork
from crossbit.training.data import TrainingData

# Weights of small terms. None moves MAP by more than .002 on any data set when it is left out
# (results/ablation.md); they keep bits from dying on data that nobody has tried.
QUANTISATION = 0.01  # the distance from the nearest bit; the large-batch study's
BALANCE = 0.1  # the squared mean of each bit
ORTHOGONAL = 1e-4  # the hash layers' correlations; the large-batch study's

__all__ = ["ContrastLosses", "Losses", "Relevance", "total"]

Relevance = Callable[[Tensor, Tensor], Tensor]
Losses = Callable[[Tensor, dict[str, Tensor]], dict[str, Tensor]]


@method
class ContrastLosses(DeepHasher):
    """The contrast of each pair with the other pairs of a batch, and small terms on its codes.

    For both directions of every two views; the small terms are quantisation, bit balance and
    orthogonal hash layers.
    """

    temperature: float = hyper(0.3, "of the softmax over inner products, in units of bits", "tuned")
    contrast_weight: float = hyper(1.0, "of the contrast of all pairs")

    def _contrast_losses(
        self, network: HashNetwork, data: TrainingData, relevance: Relevance
    ) -> Losses:
        """Return the function of a batch of pairs and their codes that gives the losses by name.

        `relevance` tells of two sets of rows who is relevant to whom, in 0..1.
        """
        scale = self.temperature * self.bits

        def losses(pairs: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
            relevant = relevance(pairs, pairs)
            contrasts = []
            for a, b in permutations(codes, 2):
                at = data.having(pairs, a, b)
                similarity = signed(codes[a][at]) @ signed(codes[b][at]).T
                contrasts.append(contrast(similarity, relevant[at][:, at], scale))
            present = [h[data.having(pairs, view)] for view, h in codes.items()]
            weights = network.hash_layers()
            return {
                "contrast": self.contrast_weight * total(contrasts),
                "quantisation": QUANTISATION * total(map(quantisation, present)),
                "balance": BALANCE * total(map(bit_balance, present)),
                "orthogonal": ORTHOGONAL * total(map(orthogonality, weights)),
            }

        return losses


def total(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of scalars."""
    return torch.stack(list(terms)).sum()
