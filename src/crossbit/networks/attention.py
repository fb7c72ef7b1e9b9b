"""Attention: which positions of a map, or which features, are attended: a hard mask that learns."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FeatureAttention", "SpatialAttention", "uniform_mask"]

TIE = 1e-5  # shares that differ from the uniform one by rounding alone are attended


def uniform_mask(scores: Tensor, spread: float = 0.0) -> Tensor:
    """Return 1 where the softmax of a row's scores is at the uniform level or above, else 0.

    P = softmax(scores), Z = 1[P >= alpha], alpha = 1 / n for scores (b, n). A row attends to at
    least one place, and to all of them only if its scores are equal. Backwards Z is n P: the
    straight-through estimator of BinaryNet (Hubara et al., NIPS 2016), whose cut at |P| <= 1 a
    share of a softmax never meets. It counts shares in units of the uniform one, so that their
    gradients do not shrink as places grow in number.

    Parameters
    ----------
    scores : (b, n)
    spread : float
        Standard deviation that each row's scores are brought to. The softmax of wide scores has
        one peak, above the uniform level alone; near 0 the level is that of the mean score. 0
        leaves the scores as they are.
    """
    if spread:
        scores = spread * F.layer_norm(scores, scores.shape[1:])
    shares = scores.shape[1] * F.softmax(scores, 1)
    hard = (shares >= 1 - TIE).to(shares.dtype)
    soft = shares.clamp(max=2)
    return hard + soft - soft.detach()


class SpatialAttention(nn.Module):
    """Scores the positions of a map by a 1x1 convolution, and masks them for all channels alike.

    At the start strong positions are attended: all weights are around one value.
    """

    def __init__(self, channels: int, *, spread: float, rng: torch.Generator) -> None:
        super().__init__()
        self.spread = spread
        self.score = nn.Conv2d(channels, 1, 1, bias=False)  # a softmax does not see a bias
        scale = 1 / math.sqrt(channels)
        nn.init.normal_(self.score.weight, scale, scale, generator=rng)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the mask, (b, 1, H, W), of maps (b, C, H, W)."""
        scores: Tensor = self.score(maps)
        return uniform_mask(scores.flatten(1), self.spread).view_as(scores)


class FeatureAttention(nn.Module):
    """Scores every feature of a vector by one layer from all of them.

    At the start strong features are attended: a feature's score is its value and some noise. The
    mask of a layer that starts at random would differ from item to item without any reason.
    """

    def __init__(self, width: int, *, spread: float, rng: torch.Generator) -> None:
        super().__init__()
        self.spread = spread
        self.score = nn.Linear(width, width)
        nn.init.normal_(self.score.weight, 0.0, 0.1 / math.sqrt(width), generator=rng)
        nn.init.zeros_(self.score.bias)
        with torch.no_grad():
            self.score.weight += torch.eye(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return the mask, (b, p), of features (b, p)."""
        return uniform_mask(self.score(features), self.spread)
