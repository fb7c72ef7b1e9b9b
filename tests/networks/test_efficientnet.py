"""EfficientNetLite0: the published size, and the same outputs as its layers written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_models import efficientnet_state

from crossbit.errors import DataError
from crossbit.networks.efficientnet import EfficientNetLite0

PUBLISHED = 4_652_008  # parameters, of 4.7 M in the Lite models' table


def test_the_number_of_parameters_is_the_published_one() -> None:
    with torch.device("meta"):
        network = EfficientNetLite0()
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED


def test_sides_halve_five_times() -> None:
    with torch.device("meta"):
        network, images = EfficientNetLite0(), torch.empty(2, 3, 224, 224)
    assert network(images, "maps").shape == (2, 320, 7, 7)
    assert network(images, "pooled").shape == (2, 1280)
    assert network(images).shape == (2, 1000)


# Blocks written out: their number, kernel, stride, and whether the input is added to the output.
BLOCKS = [
    *((0, 3, 1, False), (1, 3, 2, False), (2, 3, 1, True), (3, 5, 2, False), (4, 5, 1, True)),
    *((5, 3, 2, False), (6, 3, 1, True), (7, 3, 1, True)),
    *((8, 5, 1, False), (9, 5, 1, True), (10, 5, 1, True)),
    *((11, 5, 2, False), (12, 5, 1, True), (13, 5, 1, True), (14, 5, 1, True), (15, 3, 1, False)),
]
# Zeros before and after a row of an even number of places, as TensorFlow's "same" puts them.
BORDERS = {(3, 1): (1, 1), (3, 2): (0, 1), (5, 1): (2, 2), (5, 2): (1, 2)}


def naive(state: dict[str, torch.Tensor], x: torch.Tensor) -> dict[str | None, torch.Tensor]:
    """The network layer by layer, from the parameters by their published names."""

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance, weight, bias = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 0.001).sqrt() * weight + bias

    def bordered(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
        return F.pad(x, BORDERS[kernel, stride] * 2)

    x = F.conv2d(bordered(x, 3, 2), state["_conv_stem.weight"], stride=2)
    x = norm(x, "_bn0").clamp(0, 6)
    for k, kernel, stride, adds in BLOCKS:
        name, wide = f"_blocks.{k}", x
        if k > 0:
            wide = F.conv2d(x, state[f"{name}._expand_conv.weight"])
            wide = norm(wide, f"{name}._bn0").clamp(0, 6)
        weight = state[f"{name}._depthwise_conv.weight"]
        seen = F.conv2d(bordered(wide, kernel, stride), weight, stride=stride, groups=len(weight))
        seen = norm(seen, f"{name}._bn1").clamp(0, 6)
        narrow = norm(F.conv2d(seen, state[f"{name}._project_conv.weight"]), f"{name}._bn2")
        x = x + narrow if adds else narrow
    head = norm(F.conv2d(x, state["_conv_head.weight"]), "_bn1").clamp(0, 6)
    pooled = head.mean((2, 3))
    logits = pooled @ state["_fc.weight"].T + state["_fc.bias"]
    return {"maps": x, "pooled": pooled, None: logits}


def test_outputs_are_those_of_the_layers_written_out() -> None:
    state = efficientnet_state()
    network = EfficientNetLite0.from_state(state)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    for layer, expected in naive(state, images).items():
        assert expected.std() > 0.01
        torch.testing.assert_close(network(images, layer), expected, atol=1e-4, rtol=1e-3)


def test_it_is_ready_to_encode() -> None:
    network = EfficientNetLite0.from_state(efficientnet_state())
    assert not network.training, "statistics of a batch would change features from call to call"
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("kind", ["with one missing", "with one more", "of another shape"])
def test_other_weights_are_refused(kind) -> None:
    state = efficientnet_state()
    if kind == "with one missing":
        del state["_blocks.3._bn0.bias"]
    elif kind == "with one more":
        state["_blocks.3._se_reduce.bias"] = torch.zeros(1)  # EfficientNet-B0's
    else:
        state["_fc.weight"] = state["_fc.weight"][:10]
    with pytest.raises(DataError, match="not those of an EfficientNet-Lite0"):
        EfficientNetLite0.from_state(state)
