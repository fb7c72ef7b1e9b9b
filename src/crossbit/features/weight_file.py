"""WeightFileEncoder: what picture encoders share whose network is read from one file of weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.network import NetworkEncoder, open_colour, require, torch_device
from crossbit.files import file_sha256

__all__ = ["WeightFileEncoder", "standard_crop"]

RESIZED, CROPPED = 256, 224  # pixels


class WeightFileEncoder(NetworkEncoder):
    """The outputs of one layer of a network for pictures of 224 x 224 pixels.

    The shorter side of a picture becomes 256 pixels (bilinear, averaged when shrinking), the
    middle 224 x 224 are kept, and colours normalised as the network's weights want them.

    Parameters
    ----------
    weights : str or path
    layer : str
        One of `layers`; the first if nothing is said.
    sha256 : str, optional
        Of the file; checked when it is read.
    shape : sequence of int, optional
        Of one picture's features, where it is known without reading the file.

    Raises
    ------
    ConfigError
        For an unknown layer.

    Attributes
    ----------
    layers : tuple of str
        What can be taken; rows are flat.
    source : str
        Where the file is to be had, said when it is missing.
    """

    layers: ClassVar[tuple[str, ...]]
    source: ClassVar[str]

    def __init__(
        self,
        weights: str | Path,
        layer: str = "",
        sha256: str = "",
        shape: Sequence[int] = (),
    ) -> None:
        layer = layer or self.layers[0]
        if layer not in self.layers:
            raise ConfigError(
                f"there is no layer {layer!r} of {self.kind}{suggest(layer, self.layers)}"
            )
        self.weights = str(weights and Path(weights).expanduser().resolve())
        self.layer = layer
        self._sha256, self._shape = sha256, tuple(shape)
        self._ready: tuple[str, Any] | None = None  # on a device

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture's features: (d,), or (H, W, C) for rows of places of channels."""
        if not self._shape:
            self._shape = self._shape_of(self._network()[1])
        return self._shape

    @abstractmethod
    def _shape_of(self, network: Any) -> tuple[int, ...]:
        """Return the shape of the layer's outputs."""

    @abstractmethod
    def _build(self, state: Mapping[str, Any]) -> Any:
        """Return the network with these parameters, ready to encode."""

    @abstractmethod
    def _forward(self, network: Any, pixels: Any) -> Any:
        """Return the layer's outputs, (b, d) or (b, C, H, W), of pixels (b, 3, H, W), 0 to 255."""

    def _file(self) -> str:
        """Return the path of the weights."""
        return self.weights

    def prepare(self, item: Any) -> np.ndarray:
        """Return the middle of a picture, (224, 224, 3) uint8."""
        return standard_crop(item)

    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Return the layer's outputs, (b, d) float32; of maps rows of places of channels."""
        torch = require("torch")
        device, network = self._network()
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(prepared)).to(device).float()
            found = self._forward(network, pixels.permute(0, 3, 1, 2))
            if found.ndim == 4:
                found = found.permute(0, 2, 3, 1)
            rows: np.ndarray = found.flatten(1).cpu().numpy()
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the file, its checksum, the layer and its shape."""
        if not self._sha256:
            self._sha256 = self._checksum()
        return {
            "kind": self.kind,
            "weights": self.weights,
            "layer": self.layer,
            "sha256": self._sha256,
            "shape": list(self.shape),
        }

    def _network(self) -> tuple[str, Any]:
        device = torch_device(self.device)
        if self._ready is None or self._ready[0] != device:
            found = self._checksum()
            if self._sha256 not in ("", found):
                raise DataError(
                    f"{self._file()} is not the file this encoder was made with (SHA-256 "
                    f"{found[:12]}, not {self._sha256[:12]}); put that one in its place"
                )
            self._sha256 = found
            self._ready = device, self._build(_read(self._file())).to(device)
        return self._ready

    def _checksum(self) -> str:
        try:
            return file_sha256(self._file())
        except FileNotFoundError:
            raise DataError(
                f"there is no weight file {self._file()}; put {self.source} there"
            ) from None


def standard_crop(item: Any) -> np.ndarray:
    """Return a picture's middle, (224, 224, 3) uint8, its shorter side made 256 pixels before."""
    from PIL.Image import Resampling

    picture = open_colour(item)
    short = min(picture.size)
    width, height = (RESIZED * side // short for side in picture.size)
    # Pillow's bilinear filter widens when shrinking, which torchvision calls antialias.
    picture = picture.resize((width, height), Resampling.BILINEAR)
    left, top = round((width - CROPPED) / 2), round((height - CROPPED) / 2)
    return np.asarray(picture.crop((left, top, left + CROPPED, top + CROPPED)))


def _read(weights: str) -> Mapping[str, Any]:
    torch = require("torch")
    try:
        if weights.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(weights)
        # Tensors alone: weights_only runs no code that a file might hold.
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile, pickle and safetensors each raise their own
        reason = " ".join(str(error).split())
        raise DataError(f"{weights} is no readable weight file ({reason:.150})") from error
    if not isinstance(state, Mapping):
        raise DataError(f"{weights} holds no parameters by name, as published files do")
    return state
