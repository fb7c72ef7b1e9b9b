"""Limits: what one request may cost, and how many may be at work."""

from __future__ import annotations

from dataclasses import dataclass, fields

from crossbit.errors import ConfigError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of every input; beyond them a request is refused with the bound in the answer.

    Attributes
    ----------
    body : int
        Bytes of a request.
    bodies : int
        Bytes of all bodies that are held at a time.
    pixels : int
        Pixels of a picture, told from its header before it is decoded.
    text : int
        Characters of a text.
    k : int
        Items that one search returns.
    batch : int
        Texts, vectors or items in one request.
    searches : int
        Searches that one call of the kernel answers together; 1 answers one at a time.
    concurrency : int
        Requests at work; further ones are told to come again.
    seconds : float
        Time for a request, from its first line to its answer.
    """

    body: int = 16 << 20
    bodies: int = 256 << 20
    pixels: int = 32_000_000
    text: int = 10_000
    k: int = 1_000
    batch: int = 1_000
    searches: int = 256
    concurrency: int = 512
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) <= 0:
                raise ConfigError(f"the limit {item.name} must be above 0")
