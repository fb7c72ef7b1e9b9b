"""Attended pathways: features E, an attention mask G over them, and a hash function D of both."""

from __future__ import annotations

import math
import re
from typing import NamedTuple, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossbit.errors import ConfigError
from crossbit.networks.convolution import PLACES, Convolution, Parts, Shape
from crossbit.networks.pathway import ACTIVATIONS
from crossbit.networks.rows import Rows, linear

__all__ = [
    "AttendedPathway",
    "FeatureAttention",
    "MapShape",
    "SpatialAttention",
    "map_pathway",
    "uniform_mask",
    "vector_pathway",
]

_Layer = TypeVar("_Layer", nn.Conv2d, nn.Linear)
ROWS = 128  # items that pass at a time: maps are large


class MapShape(NamedTuple):
    """How a row is to be read as a map: `height` rows of `width` positions of `channels` values."""

    height: int
    width: int
    channels: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shape that is spelt "14x14x512"."""
        if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", text):
            raise ConfigError(f"{text!r} is no shape of a map; write such as 14x14x512")
        return cls(*map(int, text.split("x")))

    @classmethod
    def parse_views(cls, text: str) -> dict[str, Self]:
        """Return the shapes that are spelt "image=14x14x512, ..." by view; none of ""."""
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        return {view.strip(): cls.parse(shape.strip()) for view, _, shape in parts}

    def maps(self, rows: Tensor) -> Tensor:
        """Return rows, (b, height * width * channels), as maps, (b, channels, height, width)."""
        return rows.view(len(rows), *self).permute(0, 3, 1, 2)


class AttendedPathway(nn.Module):
    """One view's three modules; logits of bits are D(Z * E(x)), Z the mask of G.

    `first` is E, `attention` G and `second` D: the names by which `HashNetwork` tells layers that
    hash, and decay, from others.

    Attributes
    ----------
    attends : bool
        Otherwise D sees all features, and G is not asked.
    """

    def __init__(
        self, features: nn.Module, attention: nn.Module, hashing: nn.Module, *, attends: bool
    ) -> None:
        super().__init__()
        self.first, self.attention, self.second = features, attention, hashing
        self.attends = attends

    def forward(self, x: Rows) -> Tensor:
        """Return logits, (b, bits), of rows (b, d)."""
        parts = []
        for part in x.split(ROWS):
            found = self.first(part)
            parts.append(self.second(self.attention(found) * found if self.attends else found))
        return torch.cat(parts)

    def masks(self, x: Rows) -> Tensor:
        """Return which positions, (b, H, W), or which features, (b, p), are attended: 0 or 1."""
        found = [self.attention(self.first(part)) for part in x.split(ROWS)]
        whole = torch.cat(found)
        return whole[:, 0] if whole.ndim == 4 else whole


def vector_pathway(
    dim: int,
    hidden: int,
    bits: int,
    *,
    activation: str,
    init_std: float,
    total_variance: float,
    attends: bool,
    gate_bias: float | None,
    rng: torch.Generator,
) -> AttendedPathway:
    """Return the pathway of vectors: two layers, a mask of their features, one hash layer."""
    features = Layers(
        dim,
        hidden,
        activation=activation,
        init_std=init_std,
        total_variance=total_variance,
        rng=rng,
    )
    attention = FeatureAttention(hidden, gate_bias=gate_bias, rng=rng)
    return AttendedPathway(features, attention, _hash_layer(hidden, bits, rng), attends=attends)


def map_pathway(
    shape: Shape | MapShape,
    channels: int,
    hidden: int,
    bits: int,
    *,
    attends: bool,
    gate_bias: float | None,
    rng: torch.Generator,
) -> AttendedPathway:
    """Return the pathway of pixels or maps: a mask of positions, parts pooled, two layers.

    Pixels go through the convolutions of `Convolution`, which leave an eighth of the picture's
    side; maps that another network made go through one 1x1 convolution. Both then have four times
    `channels`. A hash layer alone would add up what it makes of the parts: its logits of what is
    attended and of what is not would sum to those of the whole, whatever the mask.
    """
    width = 4 * channels
    if isinstance(shape, Shape):
        whole = Convolution(shape, channels, bits, border="replicate", rng=rng)
        layers = [*whole.first][:-2]  # before they pool
    else:
        layers = [_kaiming(nn.Conv2d(shape.channels, width, 1), rng), nn.ReLU()]
    inner = _kaiming(nn.Linear(width * PLACES**2, hidden), rng)
    hashing = nn.Sequential(Parts(), nn.Flatten(), inner, nn.ReLU(), _hash_layer(hidden, bits, rng))
    return AttendedPathway(
        nn.Sequential(_Images(shape), *layers),
        SpatialAttention(width, gate_bias=gate_bias, rng=rng),
        hashing,
        attends=attends,
    )


class Layers(nn.Module):
    """The two layers from a vector to its features."""

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        activation: str,
        init_std: float,
        total_variance: float,
        rng: torch.Generator,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, hidden)
        scale = init_std / math.sqrt(max(total_variance, 1e-12))
        nn.init.normal_(self.inner.weight, 0.0, scale, generator=rng)
        nn.init.normal_(self.outer.weight, 0.0, math.sqrt(2 / hidden), generator=rng)
        nn.init.zeros_(self.inner.bias)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Rows) -> Tensor:
        """Return features, (b, hidden), of rows (b, dim)."""
        inner = self.activation(linear(x, self.inner.weight, self.inner.bias))
        features: Tensor = F.relu(self.outer(inner))
        return features


class _Images(nn.Module):
    """Reads rows as images or maps."""

    def __init__(self, shape: Shape | MapShape) -> None:
        super().__init__()
        self.read = shape.images if isinstance(shape, Shape) else shape.maps

    def forward(self, rows: Tensor) -> Tensor:
        """Return images (b, C, H, W)."""
        return self.read(rows)


def _hash_layer(width: int, bits: int, rng: torch.Generator) -> nn.Linear:
    layer = nn.Linear(width, bits)
    nn.init.normal_(layer.weight, 0.0, 1 / math.sqrt(width), generator=rng)
    nn.init.zeros_(layer.bias)
    return layer


def _kaiming(layer: _Layer, rng: torch.Generator) -> _Layer:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


TIE = 1e-5  # shares that differ from the uniform one by rounding alone are attended


def uniform_mask(scores: Tensor, gate_bias: float | None = None) -> Tensor:
    """Return 1 where the softmax of a row's scores is at the uniform level or above, else 0.

    P = softmax(scores), Z = 1[P >= alpha], alpha = 1 / n for scores (b, n). A row attends to at
    least one place, and to all of them only if its scores are equal. Backwards Z is n P: the
    straight-through estimator of BinaryNet (Hubara et al., NIPS 2016), in units of the uniform
    level, from which its cut is as far as 0 is: a place of 2 alpha and more gets no gradient.

    Parameters
    ----------
    scores : (b, n)
    opening : float, optional
        Take each row's scores, standardised and so much higher, as gates: their softmax is that of
        log(sigmoid). A gate is open at the most, so none outdoes the others by far, as peaks of
        wide scores do: then a few alone are above the uniform level. The higher, the more are.
    """
    if gate_bias is not None:
        scores = F.logsigmoid(F.layer_norm(scores, scores.shape[1:]) + gate_bias)
    shares = scores.shape[1] * F.softmax(scores, 1)
    hard = (shares >= 1 - TIE).to(shares.dtype)
    soft = shares.clamp(max=2)
    return hard + (soft - soft.detach())


class SpatialAttention(nn.Module):
    """Scores the positions of a map by a 1x1 convolution, and masks them for all channels alike.

    At the start strong positions are attended: all weights are around one value.
    """

    def __init__(self, channels: int, *, gate_bias: float | None, rng: torch.Generator) -> None:
        super().__init__()
        self.gate_bias = gate_bias
        self.score = nn.Conv2d(channels, 1, 1, bias=False)  # a softmax does not see a bias
        scale = 1 / math.sqrt(channels)
        nn.init.normal_(self.score.weight, scale, scale, generator=rng)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the mask, (b, 1, H, W), of maps (b, C, H, W)."""
        scores: Tensor = self.score(maps)
        return uniform_mask(scores.flatten(1), self.gate_bias).view_as(scores)


class FeatureAttention(nn.Module):
    """Scores every feature of a vector by one layer from all of them.

    At the start strong features are attended: a feature's score is its value and some noise. The
    mask of a layer that starts at random would differ from item to item without any reason.
    """

    def __init__(self, width: int, *, gate_bias: float | None, rng: torch.Generator) -> None:
        super().__init__()
        self.gate_bias = gate_bias
        self.score = nn.Linear(width, width)
        nn.init.normal_(self.score.weight, 0.0, 0.1 / math.sqrt(width), generator=rng)
        nn.init.zeros_(self.score.bias)
        with torch.no_grad():
            self.score.weight += torch.eye(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return the mask, (b, p), of features (b, p)."""
        return uniform_mask(self.score(features), self.gate_bias)
