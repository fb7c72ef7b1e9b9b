"""Thumbnails of items: small PNGs from files inside declared folders or from a data set."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import open_picture

__all__ = ["Thumbnails", "check_upload"]

SIZES = range(16, 513)  # pixels of a thumbnail's longer side
CACHE = 64 << 20  # bytes of thumbnails in memory
LARGEST = 64 << 20  # bytes of a picture file
Source = Callable[[Any], Any]  # id -> a picture as `open_picture` takes it, or None


def check_upload(data: bytes, pixels: int) -> None:
    """Raise DataError if these bytes are no picture of at most so many pixels.

    Reads the header alone: what a small file would unpack to is never made.
    """
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        width = height = 1 << 20
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        raise DataError("the upload is no picture that can be read; send PNG or JPEG") from error
    if width * height > pixels:
        raise DataError(f"the picture has more than {pixels:,} pixels; make it smaller")


@dataclass
class Thumbnails:
    """Thumbnails by item.

    Parameters
    ----------
    roots : sequence of Path
        The folders that picture files may be in; a payload's ``path`` that leads elsewhere,
        also by links, is not looked at.
    sources : sequence of callable
        Functions from an id to its picture, tried where the payload names none.
    pixels : int
        The largest picture that is decoded.
    """

    roots: Sequence[Path] = ()
    sources: Sequence[Source] = ()
    pixels: int = 32_000_000
    _cache: OrderedDict[Any, bytes] = field(default_factory=OrderedDict, repr=False)
    _bytes: int = 0

    def __post_init__(self) -> None:
        resolved = []
        for root in self.roots:
            if not Path(root).is_dir():
                raise ConfigError(f"there is no folder of pictures {root}; check --images")
            resolved.append(Path(root).resolve())
        self.roots = resolved
        self._lock = threading.Lock()

    def has(self, key: Any, payload: Mapping[str, Any]) -> bool:
        """Say whether an item names a picture; whether it can be read, `png` finds out."""
        if self.roots and isinstance(payload.get("path"), str):
            return True
        return any(source(key) is not None for source in self.sources)

    def png(self, key: Any, payload: Mapping[str, Any], size: int) -> bytes | None:
        """Return a PNG whose longer side has `size` pixels at most, or None if there is none.

        Raises
        ------
        DataError
            For a picture that cannot be read or is too large.
        """
        name = (key, payload.get("path"), size)
        with self._lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
        picture = self._open(key, payload)
        if picture is None:
            return None
        png = _shrink(picture, size)
        with self._lock:
            if name not in self._cache:
                self._cache[name] = png
                self._bytes += len(png)
            while self._bytes > CACHE:
                _, old = self._cache.popitem(last=False)
                self._bytes -= len(old)
        return png

    def _open(self, key: Any, payload: Mapping[str, Any]) -> Any:
        path = self._file(payload)
        if path is None:
            pictures = (source(key) for source in self.sources)
            return next((picture for picture in pictures if picture is not None), None)
        # Opened once and judged by what was opened: a file that changes places meanwhile is not
        # followed out of its folder.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                raise DataError(f"a picture must be a file of at most {LARGEST >> 20} MB")
            now = self._file(payload)
            if now is None or not os.path.samestat(status, now.stat()):
                raise DataError("the picture was moved while it was read; try again")
            data = stream.read(LARGEST + 1)
        check_upload(data, self.pixels)
        return data

    def _file(self, payload: Mapping[str, Any]) -> Path | None:
        """Return the file of a payload's path, with all links followed, if it is in a root."""
        name = payload.get("path")
        if not isinstance(name, str) or not name or "\0" in name:
            return None
        for root in self.roots:
            try:
                path = (root / name).resolve(strict=True)
            except (OSError, RuntimeError, ValueError):
                continue
            if path.is_relative_to(root) and path.is_file():
                return path
        return None


def _shrink(item: Any, size: int) -> bytes:
    picture = open_picture(item)
    picture.thumbnail((size, size))
    stream = BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
