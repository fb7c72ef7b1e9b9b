"""Sign: the features' own signs, as they are or randomly rotated."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from crossbit.errors import DataError
from crossbit.methods.base import Citation
from crossbit.methods.classical.lsh import LSH
from crossbit.methods.classical.rotation import random_rotation
from crossbit.methods.settings import hyper, method

__all__ = ["Sign"]


@method
class Sign(LSH):
    """Bit k is 1 if feature k of the rotated vector is above 0: what many users do to CLIP vectors.

    A random rotation spreads the variance over all features before `bits` of them are kept; without
    it the first `bits` features give their signs, as they come. Unlike the hyperplanes of `LSH`,
    those of one rotation stand at right angles to each other; with more bits than features that is
    impossible, and the features' directions are spread over the bits as evenly as can be.

    Cost: O(d bits) for an item.
    """

    name: ClassVar[str] = "sign"
    title: ClassVar[str] = "Sign"
    family: ClassVar[str] = "What users pick today"
    summary: ClassVar[str] = "signs of the (rotated) features of vectors of one space"
    citation: ClassVar[Citation | None] = None

    rotate: bool = hyper(True, "rotate at random before the signs are taken")

    def _draw(self, width: int, rng: np.random.Generator) -> np.ndarray:
        if self.rotate:
            return random_rotation(width, self.bits, rng)
        if self.bits > width:
            raise DataError(
                f"{width} features give no {self.bits} signs; set bits to {width} or "
                "fewer, or rotate=true"
            )
        return np.eye(width, self.bits)
