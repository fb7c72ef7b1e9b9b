"""VGG19Encoder: a picture becomes the fc7 outputs of VGG-19, or its last convolutional maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from crossbit.features.weight_file import WeightFileEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from crossbit.networks.vgg19 import VGG19

__all__ = ["VGG19Encoder"]

# Of ImageNet's colours in 0..1, with which the published weights were trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG19Encoder(WeightFileEncoder):
    """The outputs of one layer of VGG-19, after its ReLU; fc7 is what the papers use.

    Pictures are treated as torchvision's weights want them.

    Parameters
    ----------
    weights : str or path
        torchvision's file for VGG-19 (``vgg19-dcbb9e9d.pth``), or the same as .safetensors.
    layer : "fc7", "fc6" or "conv5"
        4,096 numbers, or 14 x 14 x 512: rows of places of channels.
    sha256, shape
        See `WeightFileEncoder`.
    """

    kind = "vgg19"
    layers: ClassVar[tuple[str, ...]] = ("fc7", "fc6", "conv5")
    source: ClassVar[str] = "torchvision's, https://download.pytorch.org/models/vgg19-dcbb9e9d.pth,"

    def _shape_of(self, network: VGG19) -> tuple[int, ...]:
        if self.layer == "conv5":
            return 14, 14, len(network.features[-3].bias)  # type: ignore[arg-type]
        return (len(network.classifier[0].bias),)  # type: ignore[arg-type]

    def _build(self, state: Mapping[str, Any]) -> VGG19:
        from crossbit.networks.vgg19 import VGG19

        return VGG19.from_state(state)

    def _forward(self, network: VGG19, pixels: Tensor) -> Tensor:
        mean, deviation = (pixels.new_tensor(c)[:, None, None] for c in (MEAN, DEVIATION))
        found: Tensor = network((pixels / 255 - mean) / deviation, self.layer)
        return found
