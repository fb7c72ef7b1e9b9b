"""Options that say what a search looks for: a text, a picture or a vector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from crossbit.errors import ConfigError

__all__ = ["From", "Image", "Rerank", "Text", "Vector", "one_query"]

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


def one_query(queries: dict[str, Any]) -> tuple[str, Any]:
    """Return kind and value of the one query among the options, by their names."""
    kinds = [kind for kind, value in queries.items() if value is not None]
    if len(kinds) != 1:
        names = [f"--{kind}" for kind in queries]
        raise ConfigError(f"give one query: {', '.join(names[:-1])} or {names[-1]}")
    return kinds[0], queries[kinds[0]]
