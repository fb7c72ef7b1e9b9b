"""The model folder: weights, settings and preprocessing, replaced as one and checked when read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossbit.errors import MissingDependencyError, ModelError
from crossbit.files import check_format, move_file, replace_file, sha256, write_json

__all__ = ["FORMAT", "read_model", "write_model"]

FORMAT = 2  # 1 had other names of settings and arrays
WEIGHTS, NEXT = "model.safetensors", "model.safetensors.next"


def write_model(folder: str | Path, config: dict[str, Any], weights: bytes) -> None:
    """Write the model so that its config.json is the one moment at which it changes.

    The new weights lie beside the old ones until config.json names their checksum; a reader
    takes whichever file has it.
    """
    folder = Path(folder)
    with replace_file(folder / NEXT) as stream:
        stream.write(weights)
    write_json(folder / "config.json", config)
    move_file(folder / NEXT, folder / WEIGHTS)


def read_model(folder: str | Path, get: Callable[[str], Any]) -> Any:
    """Load the model in `folder`; `get` finds the class of a method's name.

    Raises
    ------
    ModelError
        If a file is missing, truncated, edited or of an unknown version.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"no model in {folder}: config.json is missing; train one with `crossbit fit`"
        )
    try:
        config = json.loads((folder / "config.json").read_text())
        check_format(folder / "config.json", config["format"], FORMAT, "train again", ModelError)
        weights = _weights(folder, config["weights_sha256"])
        hasher = get(config["method"])._load(config, weights)
        if hasher.fingerprint != config["fingerprint"]:
            raise ModelError(
                f"{folder}/config.json was edited after training: settings and weights no "
                "longer match their fingerprint; restore it or train again"
            )
    except (ModelError, MissingDependencyError):
        raise
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise ModelError(f"{folder} lacks {name}; copy the whole model folder") from None
    except Exception as error:
        raise ModelError(
            f"the model in {folder} cannot be read ({type(error).__name__}: {error}); "
            "restore it or train again"
        ) from error
    return hasher


def _weights(folder: Path, checksum: str) -> bytes:
    """Return the weights with the checksum, from an interrupted save if need be."""
    if (folder / NEXT).is_file():
        weights = (folder / NEXT).read_bytes()
        if sha256(weights) == checksum:
            return weights
    weights = (folder / WEIGHTS).read_bytes()
    if sha256(weights) != checksum:
        raise ModelError(
            f"{folder}/{WEIGHTS} does not match its checksum: it was truncated or edited; "
            "restore it or train again"
        )
    return weights
