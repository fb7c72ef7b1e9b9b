"""ImageGenerator: draws a picture of some classes from noise, doubling a small map repeatedly."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossbit.methods.adversarial.dshgan.discriminator import halvings
from crossbit.networks.convolution import Shape, jitter

__all__ = ["ImageGenerator", "augment", "ema_update"]

EMBEDDING = 32  # numbers that stand for a set of classes
SPREAD = 0.02  # of the initial weights, as in DCGAN


class ImageGenerator(nn.Module):
    """The conditional generator of DSH-GAN, in the form of DCGAN (Radford et al., ICLR 2016).

    Noise and the embedding of the labels, one beside the other, become a small map of many
    channels; each `Doubling`, in place of DCGAN's deconvolutions, doubles its sides and halves its
    channels, and the middle of the last map is the picture. Several labels have the mean of their
    embeddings.

    Parameters
    ----------
    shape : Shape
        Of the pictures.
    classes : int
    noise : int
        Numbers that a picture is drawn from, beside its labels.
    channels : int
        Of the map before the last doubling.
    rng : torch.Generator
        Source of the initial weights.
    """

    def __init__(
        self, shape: Shape, classes: int, noise: int, channels: int, *, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.shape, self.noise = shape, noise
        doublings = halvings(shape.size)
        self.side = math.ceil(shape.size / 2**doublings)
        self.labels = nn.Linear(classes, EMBEDDING, bias=False)
        widths = [channels * 2**k for k in reversed(range(doublings))]
        self.start = nn.Linear(noise + EMBEDDING, widths[0] * self.side**2)
        layers: list[nn.Module] = []
        for before, after in zip(widths, [*widths[1:], shape.colours], strict=True):
            layers += [nn.BatchNorm2d(before), nn.ReLU(), Doubling(before, after)]
        self.layers = nn.Sequential(*layers)
        nn.init.normal_(self.labels.weight, generator=rng)
        for layer in (self.start, *self.layers):
            if not isinstance(layer, nn.BatchNorm2d | nn.ReLU):
                nn.init.normal_(layer.weight, 0.0, SPREAD, generator=rng)
                nn.init.zeros_(layer.bias)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return pictures as rows of pixels in -1..1, (b, d), of noise (b, z), labels (b, c)."""
        embedded = self.labels(labels) / labels.sum(1, keepdim=True).clamp(min=1)
        small = self.start(torch.cat([noise, embedded], 1))
        images = self.layers(small.unflatten(1, (-1, self.side, self.side)))
        cut = (images.shape[2] - self.shape.size) // 2
        middle = slice(cut, cut + self.shape.size)
        return self.shape.rows(torch.tanh(images[:, :, middle, middle]))

    def draw(self, labels: Tensor, rng: torch.Generator) -> Tensor:
        """Return one picture of each set of labels, from noise of N(0, 1)."""
        return self(torch.randn(len(labels), self.noise, generator=rng), labels)


class Doubling(nn.Module):
    """Every position of a map becomes 2 x 2 equal ones, and a 3 x 3 convolution goes over them.

    A deconvolution has weights of their own for even and odd positions, and draws chequers and
    stripes by them (Odena et al., Distill 2016). It is computed as one all the same, of 4 x 4
    weights that overlap in threes: with four products an output where nine would be taken.

    Parameters
    ----------
    before, after : int
        Channels.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(before, after, 3, 3))
        self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (b, after, 2 H, 2 W) of maps (b, before, H, W)."""
        wide = F.pad(self.weight, (1, 1, 1, 1))
        tall = wide[..., 1:, :] + wide[..., :-1, :]
        kernel = tall[..., 1:] + tall[..., :-1]
        return F.conv_transpose2d(maps, kernel, self.bias, 2, 1)


@torch.no_grad()
def ema_update(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move the weights of `average` by `share` towards those of `network`."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, share)


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
