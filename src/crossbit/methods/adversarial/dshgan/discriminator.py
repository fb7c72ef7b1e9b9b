"""MultiHeadDiscriminator: convolutions that hash a picture, classify it and judge it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crossbit.networks.convolution import ROWS, Shape
from crossbit.networks.pathway import ACTIVATIONS

__all__ = ["DiscriminatorOutput", "MultiHeadDiscriminator", "halvings"]

PLACES = 4  # convolutions halve the picture until it is no larger than 4 x 4
SLOPE = 0.2  # of the leaky ReLU below zero


class DiscriminatorOutput(NamedTuple):
    """What is seen in b pictures.

    Attributes
    ----------
    shared : (b, hidden)
        What all streams look at.
    bits : (b, bits), logits
    classes : (b, c), logits
    """

    shared: Tensor
    bits: Tensor
    classes: Tensor


class MultiHeadDiscriminator(nn.Module):
    """Convolutions and a hidden layer that three linear streams share: hash, adversary, classes.

    Every convolution halves the picture by its stride: a generator learns through this network,
    and pooling would hide from it all pixels but the largest. Nothing is normalised: to a network
    that evens contrasts out a grey picture would be as good as a colourful one. The hash stream is
    called `second`, as in `pathway.Pathway`, and drawn last: with one source of random numbers the
    rest starts equal whatever the bits.

    Parameters
    ----------
    shape : Shape
        Of the pictures.
    channels : int
        Of the first convolution; every further one has twice as many.
    hidden, bits, classes : int
        Widths of the shared layer and of two of the streams.
    activation : str
        Of the shared layer, one of `pathway.ACTIVATIONS`.
    gain : float
        Standard deviation of a shared unit's input at the start.
    rng : torch.Generator
        Source of the initial weights.
    """

    def __init__(
        self,
        shape: Shape,
        channels: int,
        hidden: int,
        bits: int,
        classes: int,
        *,
        activation: str,
        init_std: float,
        rng: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape, self.activation = shape, ACTIVATIONS[activation]
        layers: list[nn.Module] = []
        before, side = shape.colours, shape.size
        for number in range(halvings(shape.size)):
            after, side = channels * 2**number, side // 2
            convolution = nn.Conv2d(before, after, 4, 2, 1)
            nn.init.kaiming_normal_(convolution.weight, SLOPE, generator=rng)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.LeakyReLU(SLOPE)]
            before = after
        width = before * side * side
        shared = nn.Linear(width, hidden)
        # He's initial weights keep the mean square of a picture's values, about 1/2 in -1..1.
        nn.init.normal_(shared.weight, 0.0, init_std / math.sqrt(width / 2), generator=rng)
        nn.init.zeros_(shared.bias)
        self.first = nn.Sequential(*layers, nn.Flatten(), shared)
        self.adversary = _stream(hidden, 1, rng)
        self.classes = _stream(hidden, classes, rng)
        self.projection = nn.Linear(classes, hidden, bias=False)
        nn.init.normal_(self.projection.weight, 0.0, 1 / math.sqrt(hidden), generator=rng)
        self.second = _stream(hidden, bits, rng)

    def forward(self, x: Tensor) -> Tensor:
        """Return the hash stream's logits, (b, bits), of rows of pixels (b, d) in -1..1."""
        return torch.cat([self.second(self._shared(part)) for part in x.split(ROWS)])

    def judge(self, x: Tensor) -> DiscriminatorOutput:
        """Return what the network sees in rows of pixels."""
        shared = self._shared(x)
        return DiscriminatorOutput(shared, self.second(shared), self.classes(shared))

    def real(self, shared: Tensor, labels: Tensor | None) -> Tensor:
        """Return the logit that each picture is no synthetic one, (b,).

        With labels, (b, c), that it is none of those: as if each class had an adversary of its own
        beside the common one (projection: Miyato and Koyama, ICLR 2018).
        """
        common: Tensor = self.adversary(shared)[:, 0]
        return common if labels is None else common + (self.projection(labels) * shared).sum(1)

    def _shared(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.activation(self.first(self.shape.images(x)))
        return hidden


def halvings(size: int) -> int:
    """Return how often a picture is halved, at least once."""
    return max(1, math.ceil(math.log2(size / PLACES)))


def _stream(hidden: int, outputs: int, rng: torch.Generator) -> nn.Linear:
    layer = nn.Linear(hidden, outputs)
    nn.init.normal_(layer.weight, 0.0, 1 / math.sqrt(hidden), generator=rng)
    nn.init.zeros_(layer.bias)
    return layer
