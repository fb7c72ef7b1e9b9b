"""EfficientNet-Lite0: a small network of ImageNet's thousand classes, for features of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossbit.errors import DataError

__all__ = ["EfficientNetLite0"]

# EfficientNet-B0's stages, table 1: blocks, kernel, stride of the first, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
EPSILON = 1e-3  # of batch normalisation


class EfficientNetLite0(nn.Module):
    """A stem, sixteen inverted bottlenecks and a head, 4,652,008 parameters.

    M. Tan, Q. Le. EfficientNet: rethinking model scaling for convolutional neural networks. ICML
    2019. The Lite form has no squeeze and excitation, and ReLU6 for swish. Parameters have the
    names of lukemelas' EfficientNet-PyTorch without their leading underscores.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn0 = _Same(3, STEM, 3, 2), _norm(STEM)
        blocks, before = [], STEM
        for count, kernel, stride, expansion, after in STAGES:
            for number in range(count):
                blocks.append(
                    _Block(before, after, kernel, 1 if number else stride, expansion * before)
                )
                before = after
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = _Same(before, HEAD, 1, 1), _norm(HEAD)
        self.fc = nn.Linear(HEAD, CLASSES)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Return the network with the parameters in `state`, ready to encode; shares them.

        Raises
        ------
        DataError
            If they are not those of an EfficientNet-Lite0.
        """
        with torch.device("meta"):
            network = cls()
        try:
            network.load_state_dict(
                {f".{name}".replace("._", ".")[1:]: value for name, value in state.items()},
                assign=True,
            )
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"the weights are not those of an EfficientNet-Lite0 ({reason:.200})"
            ) from error
        return network.eval().requires_grad_(False)

    def forward(self, images: Tensor, layer: str | None = None) -> Tensor:
        """Return the outputs of a layer for images, (b, 3, H, W), normalised.

        "maps" are those of the last bottleneck, (b, 320, H / 32, W / 32), "pooled" the means of
        the head's, (b, 1280); no layer: the logits, (b, 1000).
        """
        x = F.relu6(self.bn0(self.conv_stem(images)))
        for block in self.blocks:
            x = block(x)
        if layer == "maps":
            return x
        pooled: Tensor = F.relu6(self.bn1(self.conv_head(x))).mean((2, 3))
        if layer == "pooled":
            return pooled
        logits: Tensor = self.fc(pooled)
        return logits


class _Block(nn.Module):
    """An inverted bottleneck: wide, by place, narrow; added to what came in where it fits."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, wide: int) -> None:
        super().__init__()
        self.adds, self.expands = stride == 1 and before == after, wide != before
        if self.expands:
            self.expand_conv, self.bn0 = _Same(before, wide, 1, 1), _norm(wide)
        self.depthwise_conv, self.bn1 = _Same(wide, wide, kernel, stride, wide), _norm(wide)
        self.project_conv, self.bn2 = _Same(wide, after, 1, 1), _norm(after)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        seen = F.relu6(self.bn1(self.depthwise_conv(wide)))
        narrow: Tensor = self.bn2(self.project_conv(seen))
        return x + narrow if self.adds else narrow


class _Same(nn.Conv2d):
    """A convolution with TensorFlow's border: as little as is needed, the odd one at the end."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        edges = []
        for side in (x.shape[3], x.shape[2]):
            border = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            edges += [border // 2, border - border // 2]
        return super().forward(F.pad(x, edges))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)
