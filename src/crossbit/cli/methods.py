"""`crossbit methods`: which methods there are, and the settings of one."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from crossbit.cli.options import AsJson

__all__ = ["command"]


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A method whose settings to show.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the methods, or the settings of one.

    With every default stands where it comes from.

    \b
    Examples:
      crossbit methods
      crossbit methods schgan
      crossbit methods schgan --json
    """
    from crossbit import methods
    from crossbit.cli.tables import print_table

    if name is None:
        listed = [_summary(key) for key in methods.names()]
        if as_json:
            typer.echo(json.dumps(listed, ensure_ascii=False))
            return
        rows = [[item["name"], item["requires"], item["summary"]] for item in listed]
        print_table(["method", "learns from", "what it is"], rows)
        typer.echo("`crossbit methods NAME` shows the settings of one.")
        return
    facts = _details(name)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    typer.echo(f"{facts['name']}: {facts['summary']}")
    typer.echo(f"Learns from: {facts['requires']}.")
    if facts["citation"]:
        typer.echo(facts["citation"])
    rows = [
        [item["name"], item["type"], str(item["default"]), item["help"], item["source"]]
        for item in facts["settings"]
    ]
    print_table(["setting", "type", "default", "what it does", "default from"], rows)


def _summary(name: str) -> dict[str, Any]:
    from crossbit import methods
    from crossbit.errors import MissingDependencyError

    try:
        cls = methods.get(name)
    except MissingDependencyError as error:
        return {"name": name, "requires": "", "summary": str(error), "citation": ""}
    return {
        "name": name,
        "requires": " and ".join(sorted(cls.requires)) or "features alone",
        "summary": cls.summary,
        "citation": str(cls.citation or ""),
    }


def _details(name: str) -> dict[str, Any]:
    from crossbit import methods
    from crossbit.methods.settings import describe

    return {
        "name": name,
        "requires": " and ".join(sorted(methods.get(name).requires)) or "features alone",
        "summary": methods.get(name).summary,
        "citation": str(methods.get(name).citation or ""),
        "settings": describe(methods.get(name)),
    }
