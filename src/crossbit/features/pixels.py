"""Pixels: a picture of any size becomes the grey or colour values of a small one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_PIXELS", "Pixels", "open_picture"]

MAX_PIXELS = 64_000_000  # an 8000 x 8000 picture; decoding one takes 200 MB
FAINTEST = 8.0  # of 255: ink must differ from the background by so much


class Pixels:
    """Shrinks pictures to `size` x `size` and returns their values in 0..1, row by row.

    Transparent parts become white. Values are averaged when shrinking, so thin lines stay.

    Parameters
    ----------
    size : int
        Width and height in pixels, 1 to 512.
    colour : bool
        Three values per pixel (red, green, blue), otherwise one (grey).
    ink : bool
        For drawings and characters: the background (the median of the border) is 0 and what
        differs from it most is 1, so that black on white and white on black give the same
        values. The picture is padded to a square with background and keeps its margins, for
        the size of a comma tells it from a slash. Without ink, the whole picture is squeezed
        into the square and 1 is white.

    Raises
    ------
    ConfigError
        For a size outside the range, or ink in colour.
    """

    kind = "pixels"

    def __init__(self, size: int = 32, colour: bool = True, ink: bool = False) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 512:
            raise ConfigError(f"the size of pixels must be a whole number 1..512, got {size!r}")
        if ink and colour:
            raise ConfigError("ink pixels are grey: set colour to false")
        self.size, self.colour, self.ink = size, bool(colour), bool(ink)

    @property
    def width(self) -> int:
        """Numbers per picture."""
        return self.size * self.size * (3 if self.colour else 1)

    def __call__(self, items: Sequence[Any] | np.ndarray) -> np.ndarray:
        """Return n pictures as (n, width) float32.

        Items are paths, bytes of image files, PIL images, or arrays (h, w), (h, w, 3) or
        (h, w, 4), of uint8 or of floats in 0..1. One picture is decoded at a time.

        Raises
        ------
        DataError
            For a picture that is missing, unreadable or larger than 64 million pixels.
        """
        if isinstance(items, str | os.PathLike) or hasattr(items, "getpixel"):
            items = [items]
        rows = np.empty((len(items), self.width), dtype=np.float32)
        for k in range(len(items)):
            rows[k] = self.prepare(items[k])
        return rows

    def prepare(self, item: Any) -> np.ndarray:
        """Return one picture as (width,) float32; for `features`."""
        return self._values(open_picture(item)).ravel()

    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Return prepared pictures as (n, width) float32."""
        return np.stack(prepared)

    def to_json(self) -> dict[str, Any]:
        """Return the options, for `crossbit.features.from_json`."""
        return {"kind": self.kind, "size": self.size, "colour": self.colour, "ink": self.ink}

    def _values(self, picture: Image) -> np.ndarray:
        from PIL.Image import Resampling

        mode = "RGB" if self.colour else "L"
        picture = _drawing(picture) if self.ink else picture.convert(mode)
        if picture.size != (self.size, self.size):
            picture = picture.resize((self.size, self.size), Resampling.BOX)
        return np.asarray(picture, dtype=np.float32) / 255.0


def open_picture(item: Any) -> Image:
    """Return a path, the bytes of a file, a PIL image or an array as RGB or grey, on white.

    Raises
    ------
    DataError
        If it is missing, unreadable, larger than `MAX_PIXELS`, or no picture at all.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(item, np.ndarray):
        return _on_white(_from_array(item))
    if isinstance(item, Image.Image):
        return _on_white(item)
    if not isinstance(item, str | os.PathLike | bytes):
        raise DataError(
            f"a picture must be a path, an image or an array, got {type(item).__name__}"
        )
    name = "in memory" if isinstance(item, bytes) else str(item)
    try:
        with warnings.catch_warnings():
            # The limit below is lower than the size at which Pillow warns.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(item) if isinstance(item, bytes) else item) as picture:
                _check_size(picture.size, name)
                return _on_white(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise DataError(f"there is no picture {name}; check the path") from None
    except Image.DecompressionBombError:
        raise DataError(_too_large(name)) from None
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow's readers raise
        # Pillow names bytes in memory by their address, which is nothing to anybody.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "it is of no format that Pillow knows" if unknown else str(error)
        raise DataError(
            f"the picture {name} cannot be read ({reason}); save it again as PNG or JPEG"
        ) from error


def _from_array(array: np.ndarray) -> Image:
    from PIL import Image

    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not shaped or not array.size:
        raise DataError(
            f"a picture array must be (h, w), (h, w, 3) or (h, w, 4), got {array.shape}"
        )
    _check_size((array.shape[1], array.shape[0]), "array")
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise DataError("a picture array of floats must have values in 0..1; divide by 255")
        array = np.round(array * 255).astype(np.uint8)
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype != np.uint8:
        raise DataError(f"a picture array must be uint8 or float in 0..1, got {array.dtype}")
    return Image.fromarray(array)


def _on_white(picture: Image) -> Image:
    """Return RGB or grey without transparency; 16-bit grey is scaled, not cut off."""
    from PIL import Image

    if picture.mode.startswith("I"):
        deep = np.asarray(picture, dtype=np.float64)
        picture = Image.fromarray(np.clip(deep / 257.0, 0, 255).astype(np.uint8))
    if picture.mode in ("L", "RGB"):
        picture.load()
        return picture
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _drawing(picture: Image) -> Image:
    """Return the drawing as bright ink on black, padded to a square."""
    from PIL import Image

    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    strongest = float(ink.max())
    # An almost empty picture stays empty: compression noise is no drawing.
    ink *= 255.0 / strongest if strongest >= FAINTEST else 0.0
    height, width = ink.shape
    side = max(height, width)
    square = np.zeros((side, side), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = np.round(ink)
    return Image.fromarray(square)


def _check_size(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(_too_large(f"{name} of {size[0]} x {size[1]} pixels"))


def _too_large(name: str) -> str:
    return f"the picture {name} is larger than {MAX_PIXELS:,} pixels; make it smaller"
