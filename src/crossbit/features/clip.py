"""CLIP and SigLIP: images and texts as unit vectors of one space, by models of transformers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from crossbit.errors import ConfigError, DataError, MissingDependencyError, suggest
from crossbit.features.network import NetworkEncoder, open_colour, require, torch_device
from crossbit.files import file_sha256, sha256

__all__ = ["ClipEncoder", "SiglipEncoder"]

SIDES = ("image", "text")
FILES = ["*.json", "*.txt", "*.model", "model*.safetensors"]  # of a model on the Hub


class ClipEncoder(NetworkEncoder):
    """The embedding of an image or a text by CLIP, at length 1: CLIP compares by cosine.

    A. Radford et al. Learning transferable visual models from natural language supervision.
    ICML 2021. Only safetensors are read, and no code of the model's own is run.

    Parameters
    ----------
    model : str
        A folder that transformers saved, or a name on the Hugging Face Hub, with @revision behind
        it to fix one.
    side : "image" or "text"
        What raw items are.
    sha256 : str, optional
        Of the weights; checked when they are read.

    Raises
    ------
    ConfigError
        For another side.
    """

    kind = "clip"
    families: ClassVar[tuple[str, ...]] = ("clip",)  # of transformers' models
    padding: ClassVar[str] = "longest"
    inputs: ClassVar[tuple[str, ...]] = ("input_ids", "attention_mask")

    def __init__(self, model: str, side: str, sha256: str = "") -> None:
        if side not in SIDES:
            raise ConfigError(f"the side of {self.kind} is {side!r}{suggest(str(side), SIDES)}")
        folder = Path(model).expanduser()
        self.model = str(folder.resolve()) if folder.is_dir() else model
        self.side = side
        self._sha256 = sha256

    def prepare(self, item: Any) -> Any:
        """Return an image's pixel values, (3, h, w) float32, or the text itself."""
        if self.side == "image":
            found = self._loaded().processor(images=open_colour(item), return_tensors="np")
            return found["pixel_values"][0]
        if not isinstance(item, str):
            raise DataError(f"a text must be a string, got {type(item).__name__}: {item!r:.60}")
        return item

    def features(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return unit vectors, (b, d) float32."""
        torch = require("torch")
        loaded = self._loaded()
        with torch.inference_mode():
            if self.side == "image":
                pixels = torch.from_numpy(np.stack(prepared)).to(loaded.device)
                found = loaded.network.get_image_features(pixel_values=pixels)
            else:
                tokens = loaded.processor(
                    list(prepared),
                    padding=self.padding,
                    max_length=loaded.network.config.text_config.max_position_embeddings,
                    truncation=True,
                    return_tensors="pt",
                )
                found = loaded.network.get_text_features(
                    **{name: tokens[name].to(loaded.device) for name in self.inputs}
                )
            vectors = getattr(found, "pooler_output", found)
            unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
        rows: np.ndarray = unit.cpu().numpy()
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the model, the side and the weights' checksum."""
        if not self._sha256:
            folder = _folder(self.model)
            self._sha256 = _checksum(folder)
            if folder != self.model:  # the Hub's folder is named after the commit, which stays
                self.model = f"{self.model.partition('@')[0]}@{Path(folder).name}"
        return {
            "kind": self.kind,
            "model": self.model,
            "side": self.side,
            "sha256": self._sha256,
        }

    def _loaded(self) -> _Loaded:
        with LOCK:  # several threads prepare; one of them reads the model
            loaded = _load(self.model, self.side, torch_device(self.device))
        family = loaded.network.config.model_type
        if family not in self.families:
            raise ConfigError(
                f"{self.model} is a {family} model, not {self.kind}"
                + (f"; write {family}:{self.model}" if family in ("clip", "siglip") else "")
            )
        if self._sha256 not in ("", loaded.sha256):
            raise DataError(
                f"the weights of {self.model} are not those this encoder was made with (SHA-256 "
                f"{loaded.sha256[:12]}, not {self._sha256[:12]}); put those in their place, or "
                "name their revision on the Hub: NAME@REVISION"
            )
        self._sha256 = loaded.sha256
        return loaded


class SiglipEncoder(ClipEncoder):
    """The embedding of an image or a text by SigLIP, at length 1.

    X. Zhai et al. Sigmoid loss for language image pre-training. ICCV 2023. Texts are padded to
    their full length, as in training. SigLIP 2 models of fixed size are of this kind, too.
    """

    kind = "siglip"
    families: ClassVar[tuple[str, ...]] = ("siglip",)
    padding: ClassVar[str] = "max_length"
    inputs: ClassVar[tuple[str, ...]] = ("input_ids",)  # in training, padding was read like words


class _Loaded(NamedTuple):
    network: Any
    processor: Any  # of images, or a tokenizer of texts
    device: str
    sha256: str


LOCK = threading.Lock()


@lru_cache(maxsize=4)
def _load(model: str, side: str, device: str) -> _Loaded:
    transformers = require("transformers")
    folder = _folder(model)
    network, checksum = _network(model, device)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        if side == "image":
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder, backend="pil", **local
            )
        else:
            processor = transformers.AutoTokenizer.from_pretrained(folder, **local)
    except ImportError as error:  # SigLIP's tokenizer needs sentencepiece
        raise MissingDependencyError(
            f"the {side} side of {model} needs another package "
            f"({' '.join(str(error).split()):.100}...); install it with "
            "pip install 'crossbit[features]'"
        ) from error
    except Exception as error:  # transformers and tokenizers each raise their own
        raise DataError(_unreadable(model, error)) from error
    return _Loaded(network, processor, device, checksum)


@lru_cache(maxsize=2)
def _network(model: str, device: str) -> tuple[Any, str]:
    """Return the network, which both sides share, and the checksum of its weights."""
    torch, transformers = require("torch"), require("transformers")
    folder = _folder(model)
    checksum = _checksum(folder)
    noise = transformers.utils.logging
    shown = noise.is_progress_bar_enabled()
    noise.disable_progress_bar()  # it would break into the command line's own
    try:
        network, told = transformers.AutoModel.from_pretrained(
            folder,
            output_loading_info=True,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
        )
    except Exception as error:  # transformers, torch and safetensors each raise their own
        raise DataError(_unreadable(model, error)) from error
    finally:
        if shown:
            noise.enable_progress_bar()
    if told["missing_keys"]:  # transformers would fill them with random numbers
        raise DataError(
            f"the weights of {model} lack {min(told['missing_keys'])}; get the model again"
        )
    return network.eval().requires_grad_(False).to(device), checksum


@lru_cache(maxsize=8)
def _folder(model: str) -> str:
    """Return where the model's files are, fetched from the Hub if need be."""
    if Path(model).is_dir():
        return model
    hub = require("huggingface_hub")
    name, _, revision = model.partition("@")
    try:
        return str(hub.snapshot_download(name, revision=revision or None, allow_patterns=FILES))
    except (OSError, ValueError) as error:  # what its errors of network, name and access are
        reason = " ".join(str(error).split())
        raise DataError(
            f"there is no folder {model}, and the Hugging Face Hub did not give a model of that "
            f"name ({reason:.200}); check the name, or give the folder of a downloaded one"
        ) from error


def _checksum(folder: str) -> str:
    files = sorted(Path(folder).glob("model*.safetensors"))
    if not files:
        raise DataError(
            f"{folder} holds no weights in safetensors (model.safetensors), and others are not "
            "read; where the Hub has a converted copy, give its revision: NAME@refs/pr/NUMBER"
        )
    prints = [file_sha256(file) for file in files]
    return prints[0] if len(prints) == 1 else sha256(*prints)


def _unreadable(model: str, error: Exception) -> str:
    return f"the model {model} cannot be read ({' '.join(str(error).split()):.200})"
