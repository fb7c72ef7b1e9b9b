"""Features: encoders that turn raw items into vectors, kept with a model as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from crossbit.errors import ConfigError, suggest

if TYPE_CHECKING:
    from crossbit.corpus import Encoder

__all__ = ["from_json", "kinds"]

KINDS = {
    "bow": "crossbit.features.bow:BagOfWords",
    "clip": "crossbit.features.clip:ClipEncoder",
    "efficientnet": "crossbit.features.efficientnet:EfficientNetEncoder",
    "pixels": "crossbit.features.pixels:Pixels",
    "siglip": "crossbit.features.clip:SiglipEncoder",
    "vgg19": "crossbit.features.vgg19:VGG19Encoder",
}


def kinds() -> list[str]:
    """Return the kinds of encoder."""
    return sorted(KINDS)


def from_json(spec: Mapping[str, Any]) -> Encoder:
    """Return the encoder that `Encoder.to_json` described, for example ``{"kind": "bow", ...}``.

    Raises
    ------
    ConfigError
        For an unknown kind or options that the encoder does not have.
    """
    options = dict(spec)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        raise ConfigError(f"there is no feature encoder {kind!r}{suggest(str(kind), KINDS)}")
    module, _, attribute = KINDS[kind].partition(":")
    make = getattr(import_module(module), attribute)
    try:
        encoder: Encoder = make(**options)
    except TypeError as error:
        raise ConfigError(f"the description of a {kind} encoder is wrong: {error}") from error
    return encoder
