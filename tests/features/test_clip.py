"""CLIP and SigLIP encoders: what transformers gives when it is called directly."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_models import TOKENS, save_clip, save_pictures, save_siglip

from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.features import clip, from_json
from crossbit.features.clip import ClipEncoder, SiglipEncoder
from crossbit.files import file_sha256

transformers = pytest.importorskip("transformers")
TEXTS = ["red", "a red bee", "the quick brown fox jumps over the lazy dog again and again", "x"]
ENCODERS = {"clip": ClipEncoder, "siglip": SiglipEncoder}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"clip": save_clip(folder / "clip"), "siglip": save_siglip(folder / "siglip")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return save_pictures(tmp_path_factory.mktemp("pictures"), 5)


def unit(found) -> np.ndarray:
    vectors = found.pooler_output.detach()
    return (vectors / vectors.norm(dim=-1, keepdim=True)).numpy()


@pytest.mark.parametrize("kind", ENCODERS)
def test_images_are_embedded_as_transformers_does(models, pictures, kind) -> None:
    model = transformers.AutoModel.from_pretrained(models[kind]).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(models[kind], backend="pil")
    inputs = processor(images=[Image.open(file) for file in pictures], return_tensors="pt")
    expected = unit(model.get_image_features(**inputs))
    encoder = ENCODERS[kind](models[kind], "image")
    encoder.batch = 2
    found = encoder(pictures)
    assert found.dtype == np.float32
    assert np.ptp(found, axis=0).max() > 0.01, "the pictures must differ"
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ENCODERS)
def test_texts_are_embedded_as_transformers_does(models, kind) -> None:
    """SigLIP's were padded to their full length in training, and padding was not masked."""
    model = transformers.AutoModel.from_pretrained(models[kind]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(models[kind])
    expected = []
    for text in TEXTS:
        options = {"truncation": True, "max_length": TOKENS, "return_tensors": "pt"}
        if kind == "siglip":
            tokens = tokenizer([text], padding="max_length", **options)
            expected.append(unit(model.get_text_features(input_ids=tokens["input_ids"])))
        else:
            expected.append(unit(model.get_text_features(**tokenizer([text], **options))))
    found = ENCODERS[kind](models[kind], "text")(TEXTS)
    assert np.ptp(found, axis=0).max() > 0.01, "the texts must differ"
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)


def test_images_and_texts_share_a_space_and_a_network(models, pictures) -> None:
    image, text = ClipEncoder(models["clip"], "image"), ClipEncoder(models["clip"], "text")
    assert image(pictures).shape[1] == text(TEXTS).shape[1] == 12
    assert image._loaded().network is text._loaded().network
    np.testing.assert_allclose(np.linalg.norm(image(pictures), axis=1), 1, atol=1e-6)


def test_pictures_can_be_prepared_in_threads(models, pictures) -> None:
    clip._load.cache_clear()
    encoder = ClipEncoder(models["clip"], "image")
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(encoder.prepare, pictures * 4))
    expected = encoder(pictures)
    np.testing.assert_allclose(encoder.features(prepared), np.tile(expected, (4, 1)), atol=1e-6)


def test_json_names_the_model_and_its_weights(models) -> None:
    encoder = ClipEncoder(str(models["clip"]), "text")
    told = encoder.to_json()
    assert told == {
        "kind": "clip",
        "model": str(models["clip"]),
        "side": "text",
        "sha256": file_sha256(models["clip"] / "model.safetensors"),
    }
    np.testing.assert_array_equal(from_json(told)(TEXTS), encoder(TEXTS))


def test_other_weights_in_the_same_place_are_refused(models, tmp_path) -> None:
    told = ClipEncoder(models["clip"], "text").to_json()
    other = save_clip(tmp_path / "clip", seed=5)
    with pytest.raises(DataError, match="not those this encoder was made with"):
        from_json({**told, "model": str(other)})(TEXTS)


def test_another_kind_of_model_is_refused(models) -> None:
    with pytest.raises(ConfigError, match=r"is a siglip model, not clip; write siglip:"):
        ClipEncoder(models["siglip"], "image")([np.zeros((8, 8, 3), np.uint8)])
    with pytest.raises(ConfigError, match=r"the side of clip is 'audio'"):
        ClipEncoder(models["clip"], "audio")


def test_only_safetensors_are_read(models, tmp_path) -> None:
    shutil.copytree(models["clip"], tmp_path / "clip")
    (tmp_path / "clip" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "clip" / "pytorch_model.bin")
    with pytest.raises(DataError, match="holds no weights in safetensors"):
        ClipEncoder(tmp_path / "clip", "text")(TEXTS)


def test_damaged_models_are_refused(models, tmp_path) -> None:
    shutil.copytree(models["clip"], tmp_path / "clip")
    weights = tmp_path / "clip" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(DataError, match="cannot be read"):
        ClipEncoder(tmp_path / "clip", "text")(TEXTS)
    tensors = load_file(models["clip"] / "model.safetensors")
    del tensors["text_projection.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"lack text_projection\.weight"):
        ClipEncoder(tmp_path / "clip", "text")(TEXTS)


def in_hub_cache(model, cache, commit: str) -> None:
    """Put a model where the Hub's client keeps what it fetched."""
    home = cache / "models--someone--tiny"
    shutil.copytree(model, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)


def test_a_name_of_the_hub_is_kept_with_its_commit(models, tmp_path, monkeypatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    fetch = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *names, **options: fetch(*names, cache_dir=tmp_path, **options),
    )
    commit = "0123456789abcdef0123456789abcdef01234567"
    in_hub_cache(models["clip"], tmp_path, commit)
    encoder = ClipEncoder("someone/tiny", "text")
    told = encoder.to_json()
    assert told["model"] == f"someone/tiny@{commit}"
    expected = ClipEncoder(models["clip"], "text")(TEXTS)
    np.testing.assert_array_equal(from_json(told)(TEXTS), expected)
    with pytest.raises(DataError, match="the Hugging Face Hub did not give a model"):
        ClipEncoder("someone/else", "text")(TEXTS)


def test_what_is_no_item_is_refused(models, tmp_path) -> None:
    with pytest.raises(DataError, match="a text must be a string, got int"):
        ClipEncoder(models["clip"], "text")([3])
    with pytest.raises(DataError, match="there is no picture"):
        ClipEncoder(models["clip"], "image")([tmp_path / "none.png"])
    with pytest.raises(DataError, match="there are no items for the clip encoder"):
        ClipEncoder(models["clip"], "text")([])


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_packages_the_extra_is_named(models, monkeypatch, package) -> None:
    clip._load.cache_clear()
    clip._network.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {package}.*crossbit\[features\]"):
        ClipEncoder(models["clip"], "text")(TEXTS)
