"""Models of the published kinds with few random weights, saved as the published ones are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

TOKENS = 16  # of a text, at most
SIDE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = {**SIDE, "image_size": 32, "patch_size": 8}


def save_clip(folder: Path, seed: int = 0) -> Path:
    """Save a CLIP of 12 dimensions for pictures of 32 pixels and texts of small letters."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    letters = [chr(point) for point in range(ord("a"), ord("z") + 1)]
    ends = [f"{letter}</w>" for letter in letters]
    tokens = [*letters, *ends, "re", "red</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: k for k, token in enumerate(tokens)}
    first, last = len(tokens) - 2, len(tokens) - 1
    merges = [("r", "e"), ("re", "d</w>")]
    CLIPTokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    text = {**SIDE, "vocab_size": len(tokens), "max_position_embeddings": TOKENS}
    ids = {"bos_token_id": first, "eos_token_id": last, "pad_token_id": last}
    config = CLIPConfig(text_config={**text, **ids}, vision_config=VISION, projection_dim=12)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """Save a SigLIP of 16 dimensions; its word pieces are learnt from three sentences."""
    import sentencepiece
    from transformers import SiglipConfig, SiglipModel, SiglipTokenizer
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red square", "a blue circle", "green trees by the lake"]),
        model_writer=pieces,
        vocab_size=40,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(pieces.getvalue())
    SiglipTokenizer(str(folder / "spiece.model")).save_pretrained(folder)
    text = {**SIDE, "vocab_size": 64, "max_position_embeddings": TOKENS}
    ids = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 1}
    config = SiglipConfig(text_config={**text, **ids}, vision_config=VISION)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def vgg19_state(width: int = 2, hidden: int = 12, classes: int = 5) -> dict[str, torch.Tensor]:
    """Return random weights under the names that torchvision gives them, written out."""
    random = torch.Generator().manual_seed(0)
    channels = [1, 1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8]
    places = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    state: dict[str, torch.Tensor] = {}
    before = 3
    for place, times in zip(places, channels, strict=True):
        shape = (times * width, before, 3, 3)
        gain = (2 / (9 * before)) ** 0.5  # values neither grow nor fade from layer to layer
        state[f"features.{place}.weight"] = gain * torch.randn(shape, generator=random)
        state[f"features.{place}.bias"] = 0.1 * torch.randn(shape[0], generator=random)
        before = times * width
    for place, units, inputs in (
        (0, hidden, before * 49),
        (3, hidden, hidden),
        (6, classes, hidden),
    ):
        weight = (2 / inputs) ** 0.5 * torch.randn(units, inputs, generator=random)
        state[f"classifier.{place}.weight"] = weight
        state[f"classifier.{place}.bias"] = 0.1 * torch.randn(units, generator=random)
    return state


def efficientnet_state() -> dict[str, torch.Tensor]:
    """Return random weights under the names that EfficientNet-Lite0's file has, written out."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def convolution(name: str, *shape: int) -> None:
        gain = (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        state[f"{name}.weight"] = gain * torch.randn(shape, generator=random)

    def norm(name: str, channels: int) -> None:
        for part, low in (
            ("weight", 0.5),
            ("bias", 0),
            ("running_mean", -0.5),
            ("running_var", 0.5),
        ):
            state[f"{name}.{part}"] = low + torch.rand(channels, generator=random)
        state[f"{name}.num_batches_tracked"] = torch.tensor(1)

    convolution("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    widths = [32, 16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
    kernels = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    for k, kernel in enumerate(kernels):
        before, after = widths[k], widths[k + 1]
        wide = before if k == 0 else 6 * before
        if k > 0:
            convolution(f"_blocks.{k}._expand_conv", wide, before, 1, 1)
            norm(f"_blocks.{k}._bn0", wide)
        convolution(f"_blocks.{k}._depthwise_conv", wide, 1, kernel, kernel)
        norm(f"_blocks.{k}._bn1", wide)
        convolution(f"_blocks.{k}._project_conv", after, wide, 1, 1)
        norm(f"_blocks.{k}._bn2", after)
    convolution("_conv_head", 1280, 320, 1, 1)
    norm("_bn1", 1280)
    state["_fc.weight"] = 0.03 * torch.randn(1000, 1280, generator=random)
    state["_fc.bias"] = torch.randn(1000, generator=random)
    return state


def save_pictures(folder: Path, count: int) -> list[Path]:
    """Save pictures of several sizes, all different."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for k in range(count):
        shape = (20 + 3 * (k % 4), 40 - 5 * (k % 3), 3)
        files.append(folder / f"{k}.png")
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(files[-1])
    return files
