"""VGG19Encoder: a picture becomes the fc7 outputs of VGG-19, or its last convolutional maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.network import NetworkEncoder, open_colour, require, torch_device
from crossbit.files import file_sha256

if TYPE_CHECKING:
    from crossbit.networks.vgg19 import VGG19

__all__ = ["VGG19Encoder", "standard_crop"]

LAYERS = ("conv5", "fc6", "fc7")
RESIZED, CROPPED = 256, 224  # pixels
# Of ImageNet's colours in 0..1, with which the published weights were trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG19Encoder(NetworkEncoder):
    """The outputs of one layer of VGG-19, after its ReLU; fc7 is what the papers use.

    Pictures are treated as torchvision's weights want them: the shorter side becomes 256 pixels
    (bilinear, averaged when shrinking), the middle 224 x 224 are kept, and colours normalised.

    Parameters
    ----------
    weights : str or path
        torchvision's file for VGG-19 (``vgg19-dcbb9e9d.pth``), or the same as .safetensors.
    layer : "fc7", "fc6" or "conv5"
        4,096 numbers, or 14 x 14 x 512: rows of places of channels.
    sha256 : str, optional
        Of the file; checked when it is read.
    shape : sequence of int, optional
        Of one picture's features, where it is known without reading the file.

    Raises
    ------
    ConfigError
        For an unknown layer.
    """

    kind = "vgg19"

    def __init__(
        self,
        weights: str | Path,
        layer: str = "fc7",
        sha256: str = "",
        shape: Sequence[int] = (),
    ) -> None:
        if layer not in LAYERS:
            raise ConfigError(f"there is no layer {layer!r} of vgg19{suggest(str(layer), LAYERS)}")
        self.weights, self.layer = str(Path(weights).expanduser().resolve()), layer
        self._sha256, self._shape = sha256, tuple(shape)
        self._ready: tuple[str, VGG19] | None = None  # on a device

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture's features: (4096,), or (14, 14, 512) for rows of places of channels."""
        if not self._shape:
            network = self._network()[1]
            if self.layer == "conv5":
                self._shape = 14, 14, len(network.features[-3].bias)  # type: ignore[arg-type]
            else:
                self._shape = (len(network.classifier[0].bias),)  # type: ignore[arg-type]
        return self._shape

    def prepare(self, item: Any) -> np.ndarray:
        """Return the middle of a picture, (224, 224, 3) uint8."""
        return standard_crop(item)

    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Return the layer's outputs, (b, 4096) or (b, 14 * 14 * 512) float32."""
        torch = require("torch")
        device, network = self._network()
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(prepared)).to(device).float() / 255
            normal = (pixels - pixels.new_tensor(MEAN)) / pixels.new_tensor(DEVIATION)
            found = network(normal.permute(0, 3, 1, 2), self.layer)
            if self.layer == "conv5":
                found = found.permute(0, 2, 3, 1)
            rows: np.ndarray = found.flatten(1).cpu().numpy()
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the file, its checksum, the layer and its shape."""
        if not self._sha256:
            self._sha256 = _checksum(self.weights)
        return {
            "kind": self.kind,
            "weights": self.weights,
            "layer": self.layer,
            "sha256": self._sha256,
            "shape": list(self.shape),
        }

    def _network(self) -> tuple[str, VGG19]:
        device = torch_device(self.device)
        if self._ready is None or self._ready[0] != device:
            from crossbit.networks.vgg19 import VGG19

            found = _checksum(self.weights)
            if self._sha256 not in ("", found):
                raise DataError(
                    f"{self.weights} is not the file this encoder was made with (SHA-256 "
                    f"{found[:12]}, not {self._sha256[:12]}); put that one in its place"
                )
            self._sha256 = found
            self._ready = device, VGG19.from_state(_read(self.weights)).to(device)
        return self._ready


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


def _checksum(weights: str) -> str:
    try:
        return file_sha256(weights)
    except FileNotFoundError:
        raise DataError(
            f"there is no weight file {weights}; put torchvision's there, "
            "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
        ) from None


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
        raise DataError(f"{weights} holds no parameters by name, as torchvision's files do")
    return state
