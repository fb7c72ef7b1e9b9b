"""VGG19Encoder: torchvision's recipe for pictures, layers, and weights that must be the same."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_models import save_pictures, vgg19_state

from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.features import from_json
from crossbit.features.vgg19 import VGG19Encoder
from crossbit.features.weight_file import standard_crop
from crossbit.files import file_sha256
from crossbit.networks.vgg19 import VGG19


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg19") / "vgg19.pth"
    torch.save(vgg19_state(), path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return save_pictures(tmp_path_factory.mktemp("pictures"), 5)


def shrunk(rows: np.ndarray, size: int) -> np.ndarray:
    """Resize the first axis by a triangle filter as wide as what one output row covers."""
    scale = len(rows) / size
    reach = max(scale, 1.0)
    weights = np.zeros((size, len(rows)))
    for k in range(size):
        centre = (k + 0.5) * scale
        weights[k] = np.maximum(0, 1 - np.abs(np.arange(len(rows)) + 0.5 - centre) / reach)
    made = np.tensordot(weights / weights.sum(axis=1, keepdims=True), rows, axes=1)
    return np.round(np.clip(made, 0, 255))


@pytest.mark.parametrize(("width", "height"), [(300, 520), (401, 300), (90, 70), (256, 256)])
def test_pictures_are_treated_by_torchvisions_recipe(width, height) -> None:
    """Resize the shorter side to 256 (bilinear, antialias), then crop the middle 224."""
    array = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    short = min(width, height)
    new_width, new_height = int(256 * width / short), int(256 * height / short)
    across = shrunk(array.astype(float).transpose(1, 0, 2), new_width).transpose(1, 0, 2)
    resized = shrunk(across, new_height)
    top, left = round((new_height - 224) / 2.0), round((new_width - 224) / 2.0)
    expected = resized[top : top + 224, left : left + 224]
    found = standard_crop(array)
    assert found.dtype == np.uint8
    assert found.shape == (224, 224, 3)
    assert np.abs(found - expected).max() <= 1


def test_colours_are_normalised_by_those_of_imagenet(weights, pictures) -> None:
    crop = standard_crop(pictures[1]).astype(np.float32) / 255
    normal = (crop - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    images = torch.tensor(normal.transpose(2, 0, 1)[None], dtype=torch.float32)
    expected = VGG19.from_state(vgg19_state())(images, "fc7").numpy()
    found = VGG19Encoder(weights)([pictures[1]])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-4)


def test_maps_are_rows_of_places_of_channels(weights, pictures) -> None:
    encoder = VGG19Encoder(weights, layer="conv5")
    assert encoder.shape == (14, 14, 16)
    found = encoder(pictures[:2])
    assert found.shape == (2, 14 * 14 * 16)
    crops = torch.tensor(np.stack([standard_crop(file) for file in pictures[:2]])) / 255.0
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    network = VGG19.from_state(vgg19_state())
    maps = network(((crops - mean) / deviation).permute(0, 3, 1, 2), "conv5").numpy()
    np.testing.assert_allclose(
        found.reshape(2, 14, 14, 16), maps.transpose(0, 2, 3, 1), atol=1e-5, rtol=1e-4
    )


def test_a_row_does_not_depend_on_its_batch(weights, pictures) -> None:
    encoder = VGG19Encoder(weights)
    encoder.batch = 3
    together = encoder(pictures)
    alone = np.concatenate([encoder(file) for file in pictures])
    assert np.ptp(together, axis=0).max() > 1e-3
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=1e-5)


def test_safetensors_hold_the_same(weights, pictures, tmp_path) -> None:
    save_file(vgg19_state(), tmp_path / "vgg19.safetensors")
    np.testing.assert_allclose(
        VGG19Encoder(tmp_path / "vgg19.safetensors")(pictures[:1]),
        VGG19Encoder(weights)(pictures[:1]),
        rtol=1e-5,
    )


def test_json_names_the_file_and_what_is_in_it(weights, pictures) -> None:
    encoder = VGG19Encoder(weights, layer="fc6")
    told = encoder.to_json()
    assert told == {
        "kind": "vgg19",
        "weights": str(weights),
        "layer": "fc6",
        "sha256": file_sha256(weights),
        "shape": [12],
    }
    again = from_json(told)
    np.testing.assert_array_equal(again(pictures[:1]), encoder(pictures[:1]))


def test_a_saved_encoder_knows_its_shape_without_its_weights(weights, tmp_path) -> None:
    told = VGG19Encoder(weights, layer="conv5").to_json()
    elsewhere = from_json({**told, "weights": str(tmp_path / "none.pth")})
    assert elsewhere.shape == (14, 14, 16)


def test_other_weights_in_the_same_place_are_refused(tmp_path, pictures) -> None:
    torch.save(vgg19_state(), tmp_path / "w.pth")
    told = VGG19Encoder(tmp_path / "w.pth").to_json()
    torch.save(vgg19_state(hidden=7), tmp_path / "w.pth")
    with pytest.raises(DataError, match="is not the file this encoder was made with"):
        from_json(told)(pictures[:1])


def test_files_that_are_no_weights_are_refused(tmp_path, pictures) -> None:
    with pytest.raises(DataError, match=r"there is no weight file .*vgg19-dcbb9e9d\.pth"):
        VGG19Encoder(tmp_path / "none.pth")(pictures[:1])
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match="is no readable weight file"):
        VGG19Encoder(tmp_path / "bad.pth")(pictures[:1])
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="holds no parameters by name"):
        VGG19Encoder(tmp_path / "list.pth")(pictures[:1])


def test_a_file_that_would_run_code_is_not_read(tmp_path, pictures) -> None:
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"features.0.weight": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(DataError, match="is no readable weight file"):
        VGG19Encoder(tmp_path / "harmful.pth")(pictures[:1])
    assert not (tmp_path / "ran").exists()


def test_bad_options_and_pictures_are_refused(weights) -> None:
    with pytest.raises(ConfigError, match=r"no layer 'fc8' of vgg19; did you mean 'fc"):
        VGG19Encoder(weights, layer="fc8")
    encoder = VGG19Encoder(weights)
    encoder.device = "tpu"
    with pytest.raises(ConfigError, match="choose from auto, cpu, cuda"):
        encoder([np.zeros((4, 4), np.uint8)])
    with pytest.raises(DataError, match="1 x 2000 pixels is too long for its width"):
        standard_crop(Image.new("L", (1, 2000)))


def test_without_torch_the_extra_is_named(weights, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"needs torch.*crossbit\[features\]"):
        VGG19Encoder(weights)([np.zeros((4, 4), np.uint8)])
