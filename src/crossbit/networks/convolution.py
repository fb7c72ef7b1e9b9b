"""Convolution: the pathway of a view that is pictures, from their pixels to logits of bits."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Convolution", "Shape", "jitter"]

ROWS = 128  # pictures that pass at a time: the first layer of one takes up to 10 MB
PLACES = 4  # the hash layer sees 4 x 4 parts of the picture, whatever its size
GROUPS = 4  # of channels that are normalised together


class Shape(NamedTuple):
    """How a row of pixels is to be read: `size` rows of `size` pixels of `colours` values."""

    size: int
    colours: int

    def images(self, rows: Tensor) -> Tensor:
        """Return rows, (b, size * size * colours), as images, (b, colours, size, size)."""
        return rows.view(len(rows), self.size, self.size, self.colours).permute(0, 3, 1, 2)

    def rows(self, images: Tensor) -> Tensor:
        """Return images as rows again."""
        return images.permute(0, 2, 3, 1).reshape(len(images), -1)


class Convolution(nn.Module):
    """Three blocks of convolution, normalisation, ReLU and pooling, then a linear hash layer.

    The first block halves the picture twice, so that the cost is that of one a quarter as wide.
    Channels are normalised in groups within a picture (Wu and He, ECCV 2018): a picture's code
    does not depend on what else is in its batch. The hash layer is as in `pathway.Pathway`.

    Parameters
    ----------
    shape : Shape
        Of the pictures.
    channels : int
        Of the first block, a multiple of 4; the next has twice, the last four times as many.
    bits : int
    rng : torch.Generator
        Source of the initial weights.
    """

    def __init__(self, shape: Shape, channels: int, bits: int, *, rng: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(
            pairwise((shape.colours, channels, 2 * channels, 4 * channels))
        ):
            kernel, stride = (5, 2) if number == 0 else (3, 1)
            convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.GroupNorm(GROUPS, after), nn.ReLU()]
            if number < 2:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.first = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(PLACES), nn.Flatten())
        width = 4 * channels * PLACES**2
        self.second = nn.Linear(width, bits)
        nn.init.normal_(self.second.weight, 0.0, 1 / math.sqrt(width), generator=rng)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (b, bits), of rows of pixels (b, d)."""
        parts = [self.second(self.first(self.shape.images(part))) for part in x.split(ROWS)]
        return torch.cat(parts)


def jitter(rows: Tensor, shape: Shape, *, mirror: bool, shift: int, rng: torch.Generator) -> Tensor:
    """Return each picture mirrored half of the time and moved by up to `shift` pixels, at random.

    What a move uncovers is filled with the pixels of the border.
    """
    images = shape.images(rows)
    if mirror:
        turned = torch.rand(len(images), generator=rng) < 0.5
        images = torch.where(turned[:, None, None, None], images.flip(3), images)
    if shift:
        moves = torch.randint(2 * shift + 1, (len(images), 2), generator=rng).tolist()
        wider = F.pad(images, [shift] * 4, mode="replicate")
        size = shape.size
        images = torch.stack(
            [p[:, y : y + size, x : x + size] for p, (y, x) in zip(wider, moves, strict=True)]
        )
    return shape.rows(images)
