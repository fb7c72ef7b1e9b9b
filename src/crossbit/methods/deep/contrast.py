"""ContrastLosses: the loss terms on all pairs, labelled or not, that several networks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from crossbit.methods.deep.base import DeepHasher
from crossbit.methods.settings import hyper
from crossbit.networks.losses import bit_balance, contrast, orthogonality, quantisation, signed
from crossbit.networks.pathway import HashNetwork
from crossbit.training.data import TrainingData

__all__ = ["ContrastLosses", "Losses", "Relevance", "total"]

Relevance = Callable[[Tensor, Tensor], Tensor]
Losses = Callable[[Tensor, dict[str, Tensor]], dict[str, Tensor]]


@dataclass
class ContrastLosses(DeepHasher):
    """The contrast of each pair with the other pairs of a batch, and small terms on its codes.

    For both directions of every two views; the small terms are quantisation, bit balance and
    orthogonal hash layers.
    """

    temperature: float = hyper(0.3, "of the softmax over inner products, in units of bits", "tuned")
    contrast_weight: float = hyper(1.0, "of the contrast of all pairs")
    half_binary: float = hyper(
        0.0, "of the contrast with bits: the searched side rounded and fixed", "DGCPN; an ablation"
    )
    quantisation: float = hyper(0.01, "of the distance from the nearest bit", "large-batch study")
    balance: float = hyper(0.1, "of the squared mean of each bit")
    orthogonal: float = hyper(1e-4, "of the hash layers' correlations", "large-batch study")

    def _contrast_losses(
        self, network: HashNetwork, data: TrainingData, relevance: Relevance
    ) -> Losses:
        """Return the function of a batch of pairs and their codes that gives the losses by name.

        `relevance` tells of two sets of rows who is relevant to whom, in 0..1.
        """
        scale = self.temperature * self.bits

        def losses(pairs: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
            table = relevance(pairs, pairs)
            contrasts, halves = [], []
            for a, b in permutations(codes, 2):
                at = data.having(pairs, a, b)
                asking, searched = signed(codes[a][at]), signed(codes[b][at])
                contrasts.append(contrast(asking @ searched.T, table[at][:, at], scale))
                if self.half_binary:
                    bits = torch.where(searched > 0, 1.0, -1.0)  # no gradient passes
                    halves.append(contrast(asking @ bits.T, table[at][:, at], scale))
            held = [h[data.having(pairs, view)] for view, h in codes.items()]
            weights = network.hash_layers()
            half = {"half_binary": self.half_binary * total(halves)} if halves else {}
            return {
                "contrast": self.contrast_weight * total(contrasts),
                **half,
                "quantisation": self.quantisation * total(map(quantisation, held)),
                "balance": self.balance * total(map(bit_balance, held)),
                "orthogonal": self.orthogonal * total(map(orthogonality, weights)),
            }

        return losses


def total(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of scalars."""
    return torch.stack(list(terms)).sum()
