"""Files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from crossbit.errors import DataError

__all__ = [
    "canonical_json",
    "check_format",
    "file_sha256",
    "move_file",
    "read_array",
    "replace_file",
    "sha256",
    "write_array",
    "write_json",
    "write_text",
]


@contextmanager
def replace_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on success sync it and rename it over `path`.

    A crash at any moment leaves either the old file or the new one, never a part.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def move_file(source: Path, target: Path) -> None:
    """Rename `source` over `target` within one folder, durably."""
    os.replace(source, target)
    _sync_folder(target.parent)


def read_array(path: str | Path) -> np.ndarray:
    """Return the array of a .npy file, read without pickle.

    Raises
    ------
    DataError
        If there is no such file, or it is no array.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; check the path") from None
    except Exception as error:  # NumPy's reader of headers raises whatever a damaged one leads to
        raise DataError(f"{path} is no readable .npy file ({error})") from None
    if not isinstance(found, np.ndarray):
        raise DataError(f"{path} holds several arrays; save one with numpy.save")
    return found


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replace_file(path) as stream:
        stream.write(text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write a NumPy array as .npy, atomically and without pickle."""
    with replace_file(path) as stream:
        np.save(stream, array, allow_pickle=False)


def check_format(
    where: object, found: Any, known: int, again: str, error: type[Exception] = DataError
) -> None:
    """Raise `error` where a file has another format version; `again` says how to make it anew."""
    if found != known:
        raise error(
            f"{where} has format {found!r}, this version reads {known}; upgrade crossbit, or "
            f"{again}"
        )


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value` that hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(*parts: bytes | np.ndarray | str) -> str:
    """Return the hexadecimal SHA-256 of the parts, arrays by dtype, shape and content."""
    digest = hashlib.sha256()
    feed: Callable[[bytes], None] = digest.update
    for part in parts:
        if isinstance(part, np.ndarray):
            feed(f"{part.dtype.str}{part.shape}".encode())
            feed(np.ascontiguousarray(part).tobytes())
        else:
            feed(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def file_sha256(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read piece by piece."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: the directory entry is data of its own."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
