"""Squares of one colour, and the keys of the services in tests."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220)}
WRITE_KEY = "the-key-of-who-may-write"
READ_KEY = "the-key-of-who-may-read"
N = 60


def square(colour: str, seed: int = 0, size: int = 8) -> bytes:
    """Return a PNG of a noisy square."""
    noise = np.random.default_rng(seed).integers(-20, 20, size=(size, size, 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def colour_of(k: int) -> str:
    return list(COLOURS)[k % 3]
