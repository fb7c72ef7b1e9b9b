"""Real pictures that the games of DSH-GAN draw from, and the sizes of their steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Pictures", "Rules"]


@dataclass(frozen=True)
class Pictures:
    """What both games draw real pictures from.

    Attributes
    ----------
    pixels : (n, d) float32 in -1..1
    labels : (n, c) of zeros and ones; rows without labels are zero
    labelled : (l,) int64, positions of the rows with labels
    vary : callable
        Rows of pixels -> the same pictures, mirrored or moved at random.
    augment : callable
        Rows of pixels, real or synthetic -> what stage 1 shows to the network of them.
    """

    pixels: Tensor
    labels: Tensor
    labelled: Tensor
    vary: Callable[[Tensor], Tensor]
    augment: Callable[[Tensor], Tensor]

    @property
    def single(self) -> bool:
        """Whether every labelled picture has one label: classes then exclude one another."""
        return bool((self.labels[self.labelled].sum(1) == 1).all())

    def show(self, rows: Tensor) -> Tensor:
        """Return pictures of some rows, varied."""
        return self.vary(self.pixels[rows])

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Return rows drawn evenly, labelled or not."""
        return torch.randint(len(self.pixels), (count,), generator=rng)

    def draw_labelled(self, count: int, rng: torch.Generator) -> Tensor:
        """Return rows drawn evenly among the labelled ones."""
        return self.labelled[torch.randint(len(self.labelled), (count,), generator=rng)]

    def draw_partners(self, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return for each set of labels a labelled row that shares one, and one that shares none.

        Any labelled row where there is none such: then the labels tell that it makes no triplet.
        """
        shared = labels @ self.labels[self.labelled].T > 0
        found = []
        for wanted in shared, ~shared:
            weight = wanted.float() + (~wanted.any(1, keepdim=True)).float()
            found.append(self.labelled[torch.multinomial(weight, 1, generator=rng)[:, 0]])
        return found[0], found[1]


@dataclass(frozen=True)
class Rules:
    """Sizes of a step, and weights of its losses; see the fields of `DSHGAN`."""

    steps: int
    batch: int
    labelled_batch: int
    synthetic: float
    first_trust: float
    trust: float
    classification_weight: float
    margin: float
    all_triplets: bool
    generator_every: int
    average: float
    conditional: bool
    smoothing: float
    smooth_every: int
    bfloat16: bool
