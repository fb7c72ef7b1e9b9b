"""Crossbit: learned cross-modal hashing, from a few labelled pairs and many unlabelled ones."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "AsyncClient": "crossbit.serving.client:AsyncClient",
    "Client": "crossbit.serving.client:Client",
    "Codes": "crossbit.codes:Codes",
    "Corpus": "crossbit.corpus:Corpus",
    "Hasher": "crossbit.methods.base:Hasher",
    "Index": "crossbit.index:Index",
    "Report": "crossbit.evaluation.report:Report",
    "Split": "crossbit.splits:Split",
    "evaluate": "crossbit.evaluation:evaluate",
    "load": "crossbit.methods:load",
    "make_split": "crossbit.splits:make_split",
    "open_index": "crossbit.index:open_index",
}
_MODULES = (
    "datasets",
    "errors",
    "evaluation",
    "features",
    "hamming",
    "index",
    "methods",
    "metrics",
)

__all__ = sorted([*_PUBLIC, *_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import crossbit` stays fast and torch-free."""
    if name in _PUBLIC:
        module, _, attribute = _PUBLIC[name].partition(":")
        return getattr(import_module(module), attribute)
    if name in _MODULES:
        return import_module(f"crossbit.{name}")
    raise AttributeError(f"module 'crossbit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
