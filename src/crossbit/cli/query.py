"""Queries: a text, a picture or a vector, as a code with the outputs behind it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

    from crossbit.codes import Codes
    from crossbit.methods.base import Hasher

__all__ = [
    "From",
    "Image",
    "Query",
    "Rerank",
    "Text",
    "Vector",
    "one_of",
    "read_query",
]

Text = Annotated[str | None, typer.Option(help="A text to search with.")]
Image = Annotated[Path | None, typer.Option(help="A picture file to search with.")]
Vector = Annotated[
    Path | None,
    typer.Option(help="A .npy file with one feature vector to search with; needs --from."),
]
From = Annotated[
    str | None,
    typer.Option("--from", help="The query's view; text or image by the kind of query."),
]
Rerank = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Order the N nearest anew by the query's real-valued outputs, before K are shown.",
    ),
]


@dataclass(frozen=True)
class Query:
    """One query.

    Attributes
    ----------
    codes : Codes
        One code.
    outputs : (1, bits) float32 or None
        The real-valued outputs behind the code; None for a query that was a code.
    fingerprint : str or None
        Of the model that made the code.
    """

    codes: Codes
    outputs: np.ndarray | None = None
    fingerprint: str | None = None


def one_of(given: dict[str, Any]) -> str:
    """Return the name of the one query that was given."""
    kinds = [kind for kind, value in given.items() if value is not None]
    if len(kinds) != 1:
        names = [f"--{kind}" for kind in given]
        raise ConfigError(f"give one query: {', '.join(names[:-1])} or {names[-1]}")
    return kinds[0]


def read_query(hasher: Hasher, view: str, query: Any, *, ready_made: bool = False) -> Query:
    """Code one query: a text, a picture file, or a .npy file of its features.

    Raises
    ------
    DataError
        For an unknown view, an unreadable file, a vector of the wrong size, or a text none of
        whose words the model knows.
    """
    from crossbit.codes import Codes

    outputs = _of_vector(hasher, view, query) if ready_made else _of_raw(hasher, view, query)
    return Query(Codes.pack(outputs > 0), outputs, hasher.fingerprint)


def _of_raw(hasher: Hasher, view: str, query: Any) -> np.ndarray:
    from crossbit.indexing.encode import Coder, Raw

    (found,) = Coder(hasher).encode([Raw(view, query)])
    if isinstance(found, Exception):
        raise found
    return found[None]


def _of_vector(hasher: Hasher, view: str, file: Path) -> np.ndarray:
    import numpy as np

    from crossbit.files import read_array

    outputs = hasher.project(np.atleast_2d(read_array(file)), view)
    if len(outputs) != 1:
        raise DataError(f"{file} holds {len(outputs)} vectors; search with one at a time")
    return outputs
