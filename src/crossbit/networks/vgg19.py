"""VGG-19, whose fc7 outputs stand for pictures in the papers, in torchvision's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from crossbit.errors import DataError

__all__ = ["VGG19"]

# Configuration E of Simonyan and Zisserman, table 1: channels as multiples of the first layer's,
# all 3 x 3 with a border of one, each followed by a ReLU; "M" halves height and width.
PLAN: tuple[int | str, ...] = (
    *(1, 1, "M"),
    *(2, 2, "M"),
    *(4, 4, 4, 4, "M"),
    *(8, 8, 8, 8, "M"),
    *(8, 8, 8, 8, "M"),
)
SIDE = 7  # of the last pooled maps, of pictures of 224 pixels


class VGG19(nn.Module):
    """Sixteen convolutions and three fully connected layers, 143,667,240 parameters.

    K. Simonyan, A. Zisserman. Very deep convolutional networks for large-scale image recognition.
    ICLR 2015. Parameters have torchvision's names, ``features.0.weight`` to
    ``classifier.6.bias``, so its weight files fit.

    Parameters
    ----------
    width : int
        Channels of the first block; the last two have eight times as many.
    hidden : int
        Units of fc6 and fc7.
    classes : int
    """

    def __init__(self, width: int = 64, hidden: int = 4096, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for step in PLAN:
            if isinstance(step, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(before, step * width, 3, padding=1), nn.ReLU()]
            before = step * width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            *(nn.Linear(before * SIDE * SIDE, hidden), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()),
            nn.Linear(hidden, classes),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Return the network with the parameters in `state`, ready to encode; shares them.

        Raises
        ------
        DataError
            If they are not those of a VGG-19.
        """
        try:
            width, hidden, classes = (
                len(state[f"{name}.weight"])
                for name in ("features.0", "classifier.0", "classifier.6")
            )
            with torch.device("meta"):
                network = cls(width, hidden, classes)
            network.load_state_dict(dict(state), assign=True)
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"the weights are not those of a VGG-19 in torchvision's layout ({reason:.200})"
            ) from error
        return network.eval().requires_grad_(False)

    def forward(self, images: Tensor, layer: str | None = None) -> Tensor:
        """Return the outputs of a layer for images, (b, 3, 224, 224), normalised.

        "conv5" is conv5_4 before its pooling, (b, 512, 14, 14), "fc6" and "fc7" are (b, 4096),
        all after their ReLU; no layer: the logits, (b, classes).
        """
        if layer == "conv5":
            maps: Tensor = self.features[:-1](images)
            return maps
        flat = self.features(images).flatten(1)
        ends = {"fc6": 2, "fc7": 5, None: 7}
        found: Tensor = self.classifier[: ends[layer]](flat)
        return found
