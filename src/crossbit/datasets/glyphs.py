"""Glyphs: the characters of DejaVu Sans as pictures, with their Unicode names (built in)."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crossbit.corpus import Corpus
from crossbit.datasets.unicode_groups import CATEGORIES, GROUPS, category_of, group_of
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.bow import BagOfWords
from crossbit.features.pixels import Pixels

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["draw", "load"]

SIZE = 32  # pixels
FONT_SIZE = 24  # pixels; all but some 40 wide or tall glyphs then fit into the square
MARGIN = 1  # pixels left free around a glyph that had to be made smaller


def load(labels: Literal["all", "script"] = "all") -> Corpus:
    """Return every printable letter, number, punctuation mark and symbol of the font.

    Views: image (1,024 values in 0..1, ink is 1), text (word counts of the official name, such
    as "BLACK CHESS KNIGHT"). Raw items: (32, 32) uint8, black on white, and the names. Ids are
    code points such as "U+265E". About two seconds.

    Parameters
    ----------
    labels : "all" or "script"
        "script": one label each, the script or Unicode block (see `unicode_groups`).
        "all" adds what cuts across scripts: upper and lower case, numbers, punctuation, ...

    Raises
    ------
    ConfigError
        If `labels` is neither.
    """
    if labels not in ("all", "script"):
        raise ConfigError(
            f"labels of glyphs is {labels!r}{suggest(str(labels), ('all', 'script'))}"
        )
    path = font_path()
    points = _printable(path)
    names = [unicodedata.name(chr(point)) for point in points]
    pictures = draw([chr(point) for point in points], path)
    pixels = Pixels(SIZE, colour=False, ink=True)
    words = BagOfWords.fit(names)
    matrix, label_names = _labels(points, names, labels)
    raw: dict[str, Any] = {"image": pictures, "text": names}
    return Corpus(
        views={"image": pixels(pictures), "text": words(names)},
        ids=np.array([f"U+{point:04X}" for point in points]),
        labels=matrix,
        name="glyphs",
        label_names=label_names,
        encoders={"image": pixels, "text": words},
        raw=raw,
    )


def draw(characters: list[str], path: Path) -> np.ndarray:
    """Return the characters in black on white, (n, 32, 32) uint8.

    All stand on one baseline at one size, centred sideways; one that does not fit is made
    smaller and centred.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(path), FONT_SIZE)
    ascent, descent = font.getmetrics()
    pictures = np.empty((len(characters), SIZE, SIZE), dtype=np.uint8)
    for k, character in enumerate(characters):
        used = font
        left, top, right, bottom = font.getbbox(character)
        x, y = (SIZE - left - right) / 2, (SIZE - ascent - descent) / 2
        if right - left > SIZE or y + top < 0 or y + bottom > SIZE:
            used = _smaller(font, max(right - left, bottom - top))
            left, top, right, bottom = used.getbbox(character)
            x, y = (SIZE - left - right) / 2, (SIZE - top - bottom) / 2
        picture = Image.new("L", (SIZE, SIZE), 255)
        ImageDraw.Draw(picture).text((x, y), character, font=used, fill=0)
        pictures[k] = np.asarray(picture)
    return pictures


def font_path() -> Path:
    """Return the path of the font, which comes with matplotlib."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    if not path.is_file():
        raise DataError(
            f"the glyphs are drawn with a font of matplotlib, but {path} is missing; "
            "install matplotlib again"
        )
    return path


def _printable(path: Path) -> list[int]:
    from matplotlib.ft2font import FT2Font

    return [
        point
        for point in sorted(FT2Font(str(path)).get_charmap())
        if unicodedata.category(chr(point))[0] in "LNPS" and unicodedata.name(chr(point), "") != ""
    ]


def _labels(points: list[int], names: list[str], kind: str) -> tuple[np.ndarray, tuple[str, ...]]:
    label_names = (*GROUPS, *CATEGORIES)
    column = {name: j for j, name in enumerate(label_names)}
    matrix = np.zeros((len(points), len(label_names)), dtype=bool)
    rows = np.arange(len(points))
    pairs = list(zip(points, names, strict=True))
    matrix[rows, [column[group_of(point, name)] for point, name in pairs]] = True
    if kind == "script":
        return matrix[:, : len(GROUPS)], GROUPS
    for k, point in enumerate(points):
        category = category_of(point)
        if category is not None:
            # "other" is for what nothing claims; with a category a glyph does not need it.
            matrix[k, column["other"]] = False
            matrix[k, column[category]] = True
    return matrix, label_names


def _smaller(font: FreeTypeFont, extent: float) -> FreeTypeFont:
    return font.font_variant(size=int(FONT_SIZE * (SIZE - 2 * MARGIN) / max(extent, SIZE)))
