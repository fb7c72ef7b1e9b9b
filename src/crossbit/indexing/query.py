"""Queries: the code to search with and, where a model made it, the outputs behind the code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.codes import Codes, code_bytes
from crossbit.errors import ConfigError, DataError
from crossbit.files import read_array

if TYPE_CHECKING:
    from crossbit.methods.base import Hasher

__all__ = ["Query", "encode_query", "parse_code"]


@dataclass(frozen=True, eq=False)
class Query:
    """One query.

    Attributes
    ----------
    codes : Codes
        One code.
    outputs : (1, bits) float32 or None
        The real-valued outputs behind the code, needed to re-rank; None for a query that was a
        code or a stored item.
    fingerprint : str or None
        Of the model that made the code; an index of another model is refused then.
    """

    codes: Codes
    outputs: np.ndarray | None = None
    fingerprint: str | None = None

    @classmethod
    def of_outputs(cls, outputs: np.ndarray, fingerprint: str | None = None) -> Query:
        """Return the query of a model's outputs, (1, bits): their signs are its code."""
        return cls(Codes.pack(outputs > 0), outputs, fingerprint)


def encode_query(hasher: Hasher, view: str, content: Any, *, is_vector: bool = False) -> Query:
    """Encode one query: a text, a picture file or, with `is_vector`, a .npy file of its features.

    Raises
    ------
    DataError
        For an unknown view, an unreadable file, a vector of the wrong size, or a text none of
        whose words the model knows.
    """
    outputs = _project_file(hasher, view, content) if is_vector else _project(hasher, view, content)
    return Query.of_outputs(outputs, hasher.fingerprint)


def _project(hasher: Hasher, view: str, content: Any) -> np.ndarray:
    from crossbit.indexing.encode import RawEncoder, RawItem

    (outputs,) = RawEncoder(hasher).encode([RawItem(view, content)])
    if isinstance(outputs, Exception):
        raise outputs
    return outputs[None]


def _project_file(hasher: Hasher, view: str, file: Path) -> np.ndarray:
    outputs = hasher.project(np.atleast_2d(read_array(file)), view)
    if len(outputs) != 1:
        raise DataError(f"{file} holds {len(outputs)} vectors; search with one at a time")
    return outputs


def parse_code(text: str, bits: int | None) -> Codes:
    """Return the packed code that a hexadecimal text writes out, two digits per byte.

    Parameters
    ----------
    bits : int or None
        Code length of the index; None for an empty index, which takes any length.
    """
    try:
        packed = np.frombuffer(bytes.fromhex(text), dtype=np.uint8)
    except ValueError:
        raise ConfigError(
            f"the code {text!r} is not hexadecimal; give two digits per byte, such as 9f3c"
        ) from None
    if bits is not None and len(packed) != code_bytes(bits):
        raise DataError(
            f"the code has {len(packed)} bytes, {bits}-bit codes have {code_bytes(bits)}; give two "
            "hexadecimal digits for each"
        )
    return Codes(packed[None], len(packed) * 8 if bits is None else bits)
