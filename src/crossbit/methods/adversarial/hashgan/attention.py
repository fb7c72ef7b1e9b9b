"""Attention: which positions of a map, or which features, are attended: a hard mask that learns."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FeatureAttention", "SpatialAttention", "uniform_mask"]

TIE = 1e-5  # shares that differ from the uniform one by rounding alone are attended


def uniform_mask(scores: Tensor, opening: float | None = None) -> Tensor:
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
    if opening is not None:
        scores = F.logsigmoid(F.layer_norm(scores, scores.shape[1:]) + opening)
    shares = scores.shape[1] * F.softmax(scores, 1)
    hard = (shares >= 1 - TIE).to(shares.dtype)
    soft = shares.clamp(max=2)
    return hard + (soft - soft.detach())


class SpatialAttention(nn.Module):
    """Scores the positions of a map by a 1x1 convolution, and masks them for all channels alike.

    At the start strong positions are attended: all weights are around one value.
    """

    def __init__(self, channels: int, *, opening: float | None, rng: torch.Generator) -> None:
        super().__init__()
        self.opening = opening
        self.score = nn.Conv2d(channels, 1, 1, bias=False)  # a softmax does not see a bias
        scale = 1 / math.sqrt(channels)
        nn.init.normal_(self.score.weight, scale, scale, generator=rng)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the mask, (b, 1, H, W), of maps (b, C, H, W)."""
        scores: Tensor = self.score(maps)
        return uniform_mask(scores.flatten(1), self.opening).view_as(scores)


class FeatureAttention(nn.Module):
    """Scores every feature of a vector by one layer from all of them.

    At the start strong features are attended: a feature's score is its value and some noise. The
    mask of a layer that starts at random would differ from item to item without any reason.
    """

    def __init__(self, width: int, *, opening: float | None, rng: torch.Generator) -> None:
        super().__init__()
        self.opening = opening
        self.score = nn.Linear(width, width)
        nn.init.normal_(self.score.weight, 0.0, 0.1 / math.sqrt(width), generator=rng)
        nn.init.zeros_(self.score.bias)
        with torch.no_grad():
            self.score.weight += torch.eye(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return the mask, (b, p), of features (b, p)."""
        return uniform_mask(self.score(features), self.opening)
