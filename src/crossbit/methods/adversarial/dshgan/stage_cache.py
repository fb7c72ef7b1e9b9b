"""Stages: what networks learnt in a stage that many fits share, kept in a cache."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crossbit.files import replace_file, sha256
from crossbit.graph.graph import cache_folder

__all__ = ["keep_stage", "kept_stage", "stage_path"]

FORMAT = 2  # raised whenever a stage learns otherwise from the same data and settings

State = dict[str, dict[str, Tensor]]  # of each network


def stage_path(name: str, parts: Sequence[str | np.ndarray]) -> Path | None:
    """Return the file of a stage, named after the SHA-256 of all that decides it.

    Below the folder that ``CROSSBIT_CACHE`` names, as graphs are; None if nothing is to be kept.
    """
    folder = cache_folder()
    if folder is None:
        return None
    key = sha256(f"{FORMAT} {torch.__version__}", *parts)
    return folder.with_name("stages") / f"{name}-{key}.safetensors"


def kept_stage(path: Path | None) -> State | None:
    """Return what a stage learnt, if it was kept; a damaged file is learnt anew."""
    if path is None or not path.is_file():
        return None
    try:
        tensors = load(path.read_bytes())
    except SafetensorError as error:
        warnings.warn(f"{path} is damaged ({error}): learning it now", stacklevel=2)
        return None
    found: State = {}
    for name, value in tensors.items():
        network, _, key = name.partition("/")
        found.setdefault(network, {})[key] = value
    return found


def keep_stage(path: Path | None, state: State) -> None:
    """Keep what a stage learnt; where that is impossible, say so and go on."""
    if path is None:
        return
    tensors = {
        f"{network}/{key}": value.contiguous()
        for network, part in state.items()
        for key, value in part.items()
    }
    try:
        with replace_file(path) as stream:
            stream.write(save(tensors))
    except OSError as error:
        warnings.warn(f"a stage was not kept in {path.parent}: {error}", stacklevel=2)
