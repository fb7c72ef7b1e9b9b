"""`crossbit index stat`: what an index holds."""

from __future__ import annotations

import json

import typer

from crossbit.cli.options import Address, AsJson

__all__ = ["command"]


def command(address: Address, as_json: AsJson = False) -> None:
    """Describe an index: items, bits, model, size on disk.

    \b
    Examples:
      crossbit index stat indexes/photos
      crossbit index stat milvus://localhost:19530/photos --json
    """
    from crossbit.index import open_index

    with open_index(address) as index:
        facts = index.stat()
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {_text(value)}")


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
