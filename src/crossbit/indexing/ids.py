"""Item ids as text: lines of a file, and texts as the kind of id that an index has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossbit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from crossbit.index import Index

__all__ = ["parse_ids", "read_ids"]


def read_ids(file: Path) -> list[str]:
    """Return the lines of a UTF-8 file, or of standard input for "-", without empty ones."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no file {file}; check the path") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error}); save it as UTF-8") from error
    # Not splitlines(): an id may hold characters that Unicode takes for ends of lines.
    return [line for line in text.split("\n") if line]


def parse_ids(index: Index, texts: Sequence[str]) -> list[int] | list[str]:
    """Return texts as ids of the index's kind, each once.

    Raises
    ------
    ConfigError
        If the index has whole numbers as ids and a text is none.
    """
    texts = list(dict.fromkeys(texts))
    if index.stat()["ids"] != "int64":
        return texts
    numbers = []
    for text in texts:
        try:
            numbers.append(int(text))
        except ValueError:
            raise ConfigError(
                f"the ids of this index are whole numbers, {text!r} is none"
            ) from None
    return list(dict.fromkeys(numbers))
