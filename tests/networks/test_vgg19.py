"""VGG19: the published sizes and names, and the same outputs as its layers written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_models import vgg19_state

from crossbit.errors import DataError
from crossbit.networks.vgg19 import VGG19

PUBLISHED = 143_667_240  # parameters, as torchvision's documentation gives them


@pytest.fixture(scope="module")
def full() -> VGG19:
    with torch.device("meta"):  # sizes without the 550 MB
        return VGG19()


def test_the_number_of_parameters_is_the_published_one(full) -> None:
    assert sum(parameter.numel() for parameter in full.parameters()) == PUBLISHED


def test_names_are_torchvisions(full) -> None:
    assert list(full.state_dict()) == list(vgg19_state())
    sizes = {name: tuple(value.shape) for name, value in full.state_dict().items()}
    assert sizes["features.0.weight"] == (64, 3, 3, 3)
    assert sizes["features.34.weight"] == (512, 512, 3, 3)
    assert sizes["classifier.0.weight"] == (4096, 25088)
    assert sizes["classifier.3.weight"] == (4096, 4096)
    assert sizes["classifier.6.weight"] == (1000, 4096)


def test_a_picture_of_224_pixels_has_the_published_shapes(full) -> None:
    images = torch.empty(2, 3, 224, 224, device="meta")
    assert full(images, "conv5").shape == (2, 512, 14, 14)
    assert full(images, "fc6").shape == (2, 4096)
    assert full(images, "fc7").shape == (2, 4096)
    assert full(images).shape == (2, 1000)
    sides, x = [], images
    for layer in full.features:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool2d):
            sides.append(tuple(x.shape[1:]))
    assert sides == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def naive(state: dict[str, torch.Tensor], images: torch.Tensor) -> dict[str | None, torch.Tensor]:
    """Configuration E written out, layer by layer."""
    found: dict[str | None, torch.Tensor] = {}
    x = images
    for block in [(0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)]:
        for k in block:
            x = F.conv2d(x, state[f"features.{k}.weight"], state[f"features.{k}.bias"], padding=1)
            x = x.clamp(min=0)
        found["conv5"] = x
        x = F.max_pool2d(x, 2, 2)
    x = x.reshape(len(x), -1)
    for k, name in ((0, "fc6"), (3, "fc7"), (6, None)):
        x = x @ state[f"classifier.{k}.weight"].T + state[f"classifier.{k}.bias"]
        if name:
            x = x.clamp(min=0)
        found[name] = x
    return found


def test_outputs_are_those_of_the_layers_written_out() -> None:
    state = vgg19_state()
    network = VGG19.from_state(state)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    for layer, expected in naive(state, images).items():
        assert expected.abs().max() > 0.01
        torch.testing.assert_close(network(images, layer), expected, atol=1e-5, rtol=1e-4)


def test_it_is_ready_to_encode() -> None:
    network = VGG19.from_state(vgg19_state())
    assert not network.training, "dropout would change features from call to call"
    assert not any(parameter.requires_grad for parameter in network.parameters())


def damaged(kind: str) -> dict[str, torch.Tensor]:
    state = vgg19_state()
    if kind == "of VGG-16":
        del state["features.34.weight"]
    elif kind == "of another shape":
        state["features.5.weight"] = state["features.5.weight"][:1]
    elif kind == "with more":
        state["features.36.weight"] = torch.zeros(1)
    else:
        state = {}
    return state


@pytest.mark.parametrize("kind", ["of VGG-16", "of another shape", "with more", "of nothing"])
def test_other_weights_are_refused(kind) -> None:
    with pytest.raises(DataError, match="not those of a VGG-19 in torchvision's layout"):
        VGG19.from_state(damaged(kind))
