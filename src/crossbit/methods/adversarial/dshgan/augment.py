"""Augment: random changes of pictures that a network is not to tell real from synthetic by."""

from __future__ import annotations

import torch
from torch import Tensor

from crossbit.networks.convolution import Shape, jitter

__all__ = ["augment"]

MOVE = 1 / 8  # of a side, at most, in both directions
LIGHT = 0.3  # added to all pixels of -1..1, at most, or taken away
CUT = 3 / 8  # of a side: the square that is cut out


def augment(rows: Tensor, shape: Shape, *, rng: torch.Generator) -> Tensor:
    """Return pictures, each moved, made lighter or darker, and with a square cut out, at random.

    Differentiable augmentation (Zhao et al., NeurIPS 2020): where the network sees real and
    synthetic pictures through the same changes, it cannot learn the few real ones by heart, and
    the generator, which learns through them too, does not draw them.

    Parameters
    ----------
    rows : (b, size * size * colours) of pixels in -1..1; gradients pass
    rng : torch.Generator
    """
    size, n = shape.size, len(rows)
    moved = jitter(rows, shape, mirror=False, shift=int(MOVE * size), rng=rng)
    lit = moved + LIGHT * (2 * torch.rand(n, 1, generator=rng) - 1)
    half, places = int(CUT * size) / 2, torch.arange(size) + 0.5
    middle = torch.rand(n, 2, generator=rng) * size
    down, across = ((places - at[:, None]).abs() < half for at in middle.unbind(1))
    kept = ~(down[:, :, None] & across[:, None, :])
    pictures = lit.view(n, size, size, shape.colours)
    return (pictures * kept[..., None]).view_as(rows)
