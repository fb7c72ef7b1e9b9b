"""NetworkEncoder: what encoders that are networks share: batches, devices, checked weights."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.features.pixels import MAX_PIXELS, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NetworkEncoder", "open_colour", "require", "torch_device"]


class NetworkEncoder(ABC):
    """Raw items are prepared one by one, and pass through a network in batches.

    The network is read when the first item comes, and its weights are then compared with the
    checksum that the encoder was saved with. A row depends on the batch it was in by no more than
    the rounding of float32.

    Attributes
    ----------
    device : "auto", "cpu" or "cuda"
        Where the network is; "auto" takes a GPU if there is one. Not saved.
    batch : int
        Items that pass together. Not saved.
    """

    kind: str
    device: str = "auto"
    batch: int = 32

    def __call__(self, items: Sequence[Any]) -> np.ndarray:
        """Return the features of raw items, (n, d) float32.

        Raises
        ------
        DataError
            For an item that cannot be read, or weights that are missing or not the saved ones.
        MissingDependencyError
            If torch or transformers is not installed.
        """
        if isinstance(items, str | os.PathLike) or hasattr(items, "getpixel"):
            items = [items]
        if not len(items):
            raise DataError(f"there are no items for the {self.kind} encoder")
        starts = range(0, len(items), self.batch)
        return np.concatenate(
            [
                self.features([self.prepare(item) for item in items[at : at + self.batch]])
                for at in starts
            ]
        )

    @abstractmethod
    def prepare(self, item: Any) -> Any:
        """Return one item as the network wants it; may run in several threads."""

    @abstractmethod
    def features(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return the features of a batch of prepared items, (b, d) float32."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return what `crossbit.features.from_json` needs, with a checksum of the weights."""


def open_colour(item: Any) -> Image:
    """Return a picture in red, green and blue; see `open_picture` for what it can be.

    Raises
    ------
    DataError
        If it cannot be read, or is so long and thin that enlarging it would fill memory.
    """
    picture = open_picture(item)
    short, long = sorted(picture.size)
    if 256 * 256 * long > MAX_PIXELS * short:
        raise DataError(
            f"a picture of {picture.width} x {picture.height} pixels is too long for its width; "
            "cut it into parts"
        )
    return picture.convert("RGB")


def torch_device(name: str) -> str:
    """Return the device that "auto", "cpu" or "cuda" stands for.

    Raises
    ------
    ConfigError
        For another name, or a GPU that torch does not see.
    """
    torch = require("torch")
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device is {name!r}; choose from auto, cpu, cuda")
    seen = torch.cuda.is_available()
    if name == "cuda" and not seen:
        raise ConfigError("torch sees no GPU; use the device cpu, or install torch with CUDA")
    return "cuda" if seen and name != "cpu" else "cpu"


def require(module: str) -> Any:
    """Return an optional package.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise MissingDependencyError(
            f"encoding by a network needs {module}; install it with "
            "pip install 'crossbit[features]'"
        ) from None
