"""Pictures: a sequence of images that are decoded only when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from crossbit.features.pixels import open_picture

__all__ = ["Pictures"]


class Pictures(Sequence[Any]):
    """n images, each an (h, w, 3) or (h, w) uint8 array once it is asked for.

    Parameters
    ----------
    count : int
    source : callable
        Takes a position and returns a path, the bytes of an image file, or None for no image.
    """

    def __init__(self, count: int, source: Callable[[int], Any]) -> None:
        self._count, self._source = count, source

    def __len__(self) -> int:
        return self._count

    def source(self, position: int) -> Any:
        """Return the path or the bytes behind an image, without decoding it, or None."""
        return self._source(range(self._count)[position])

    def __getitem__(self, position: Any) -> Any:
        """Return one image, or None where there is none; a list of them for a slice."""
        if isinstance(position, slice):
            return [self[k] for k in range(*position.indices(self._count))]
        found = self.source(position)
        return None if found is None else np.asarray(open_picture(found))
