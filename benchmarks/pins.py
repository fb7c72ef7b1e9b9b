"""Pins: published figures whose code has changed since, with the reasons that pages show."""

from __future__ import annotations

import tomllib
from functools import cache

from benchmarks import ROOT
from crossbit import methods
from crossbit.errors import CrossbitError
from crossbit.runs.code_hash import code_hash

__all__ = ["code_hashes", "note", "pins", "stale"]

FILE = ROOT / "results" / "pins.toml"


@cache
def pins() -> dict[str, str]:
    """Return why a result stands though its code has changed, by the result's name."""
    found: dict[str, str] = tomllib.loads(FILE.read_text(encoding="utf-8"))["pinned"]
    return found


def code_hashes(value: dict[str, object]) -> dict[str, str]:
    """Return the hash of today's code of every method that a result is of, by its name."""
    hashes = {}
    for name in sorted(_methods(value)):
        try:
            hashes[name] = code_hash(methods.get(name))
        except CrossbitError:
            hashes[name] = "not in this version"
    return hashes


def stale(value: dict[str, object]) -> list[str]:
    """Return the methods of a result whose code is not the one that it was measured with."""
    measured = value.get("code_hashes") or {}
    assert isinstance(measured, dict)
    return [name for name, today in code_hashes(value).items() if measured.get(name) != today]


def note(name: str) -> str:
    """Return what a page says of a pinned result, as Markdown; nothing of others."""
    reason = pins().get(name)
    return f"\n**Pinned**: {reason}\n" if reason else ""


def _methods(value: object) -> set[str]:
    """Return the names of methods anywhere in a result."""
    if isinstance(value, dict):
        named = {value["method"]} if isinstance(value.get("method"), str) else set()
        return named.union(*map(_methods, value.values()))
    if isinstance(value, list):
        return set().union(*map(_methods, value))
    return set()
