"""Convolution: the pathway of a view that is pictures, from their pixels to logits of bits."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Convolution", "Parts", "Shape", "jitter"]

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
        return images.permute(0, 2, 3, 1).flatten(1)


class Parts(nn.Module):
    """The means of 4 x 4 parts of a map, equal ones where its sides allow, which is faster."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return (b, C, 4, 4) of maps (b, C, H, W)."""
        height, width = maps.shape[2:]
        if height % PLACES or width % PLACES:
            return F.adaptive_avg_pool2d(maps, PLACES)
        return F.avg_pool2d(maps, (height // PLACES, width // PLACES))


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
    border : "zeros" or "replicate"
        What lies beyond the border: nothing, or the border again, which takes a sixth longer. A map
        of the former stands out at its border.
    rng : torch.Generator
        Source of the initial weights.
    """

    def __init__(
        self,
        shape: Shape,
        channels: int,
        bits: int,
        *,
        border: Literal["zeros", "replicate"] = "zeros",
        rng: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(
            pairwise((shape.colours, channels, 2 * channels, 4 * channels))
        ):
            kernel, stride = (5, 2) if number == 0 else (3, 1)
            convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, padding_mode=border)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.GroupNorm(GROUPS, after), nn.ReLU()]
            if number < 2:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.first = nn.Sequential(*layers, Parts(), nn.Flatten())
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
    n, size = len(rows), shape.size
    lines = columns = torch.arange(size).expand(n, size)  # whence each new pixel comes
    if mirror:
        turned = torch.rand(n, generator=rng) < 0.5
        columns = torch.where(turned[:, None], columns.flip(1), columns)
    if shift:
        moves = torch.randint(2 * shift + 1, (n, 2), generator=rng) - shift
        down, across = ((torch.arange(size) + move[:, None]) for move in moves.unbind(1))
        lines = down.clamp(0, size - 1)
        columns = columns.gather(1, across.clamp(0, size - 1))
    pictures = torch.arange(n)[:, None, None] * size**2
    places = pictures + lines[:, :, None] * size + columns[:, None, :]
    pixels = rows.reshape(n * size**2, shape.colours)
    return pixels.index_select(0, places.flatten()).view_as(rows)
