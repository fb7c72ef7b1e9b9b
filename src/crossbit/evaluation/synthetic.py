"""A sheet of synthetic pictures, a row for each class, by a method that has a generator."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Protocol, runtime_checkable

import numpy as np

from crossbit.errors import ConfigError

__all__ = ["Synthesises", "synthetic_sheet"]

LETTERS, LETTER, GAP = 14, 7, 2  # of a name; pixels: of a letter, around a picture
SMALLEST = 56  # pixels, side of a picture on the sheet


@runtime_checkable
class Synthesises(Protocol):
    """A fitted method with a generator of pictures."""

    @property
    def classes(self) -> int:
        """How many classes it draws pictures of."""
        ...

    def synthesise(self, labels: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return one picture of each row of labels, (n, size, size, colours) in 0..1."""
        ...


def synthetic_sheet(
    hasher: Synthesises, names: Sequence[str] = (), *, columns: int = 12, seed: int = 0
) -> bytes:
    """Return a PNG: a row of `columns` pictures for each class, its name before them.

    Nobody picked the good ones: the seed draws the noise of all of them.

    Raises
    ------
    ConfigError
        If `columns` is below 1, or the model has no generator.
    """
    from PIL import Image, ImageDraw, ImageFont

    if columns < 1:
        raise ConfigError(f"a sheet needs at least one column, got {columns}")
    classes = hasher.classes
    drawn = hasher.synthesise(np.repeat(np.eye(classes), columns, axis=0), seed)
    pixels = np.round(255 * drawn.clip(0, 1)).astype(np.uint8)
    side = pixels.shape[1]
    shown = side * -(-SMALLEST // side)
    margin, cell = LETTERS * LETTER if names else 0, shown + 2 * GAP
    sheet = Image.new("RGB", (margin + columns * cell, classes * cell), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for row in range(classes):
        top = row * cell + GAP
        if names:
            pen.text((GAP, top + shown // 2 - LETTER), names[row][:LETTERS], "black", font)
        for column in range(columns):
            picture = Image.fromarray(pixels[row * columns + column].squeeze())
            enlarged = picture.convert("RGB").resize((shown, shown), Image.Resampling.BICUBIC)
            sheet.paste(enlarged, (margin + column * cell + GAP, top))
    stream = BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()
