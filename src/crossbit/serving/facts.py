"""Facts: what a service holds, for the panel of the page and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import crossbit
from crossbit.serving.service import Service
from crossbit.serving.shelf import Shelf

__all__ = ["facts"]

SAMPLE = 2_000  # codes that the health is measured on


def facts(service: Service) -> dict[str, Any]:
    """Return views, model and limits as the schema `Facts` says; O(sample bits^2)."""
    return {
        "version": crossbit.__version__,
        "views": {view: _view(shelf) for view, shelf in service.views.items()},
        "model": _model(service),
        "limits": asdict(service.limits),
    }


def _view(shelf: Shelf) -> dict[str, Any]:
    items = len(shelf)
    health = None
    if items > 1:
        sample = shelf.reader.sample(SAMPLE)
        health = {"sample": len(sample), **asdict(sample.health())}
    return {
        "items": items,
        "bits": shelf.bits,
        "writable": shelf.writer is not None,
        "health": health,
    }


def _model(service: Service) -> dict[str, Any] | None:
    hasher = service.hasher
    if hasher is None:
        return None
    return {
        "method": hasher.name,
        "summary": hasher.summary,
        "bits": hasher.bits,
        "fingerprint": service.fingerprint,
        "validation_map": hasher.trained.get("validation_map"),
        "asks": service.asks(),
    }
