"""Write docs/cli.md from the program's own help texts: `make docs`; a test fails if it drifts."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from crossbit.cli import app

COMMANDS = (
    "demo",
    "fit",
    "encode",
    "evaluate",
    "bench",
    "search",
    "synthesise",
    "datasets",
    "methods",
    "index",
)
INDEX = ("build", "add", "remove", "search", "stat", "verify", "compact", "approximate")
PAGE = Path(__file__).with_name("cli.md")
HEAD = """# The command line

Written by `make docs` from the help texts; do not edit.

Mistakes end in one sentence on stderr and exit code 2, Ctrl-C in exit code 130.
"""


def render() -> str:
    """Return the page."""
    parts = [HEAD]
    under = {"index": [f"index {name}" for name in INDEX]}
    for command in ("", *(name for top in COMMANDS for name in (top, *under.get(top, [])))):
        arguments = command.split()
        title = f"crossbit {command}".strip()
        result = CliRunner().invoke(
            app, [*arguments, "--help"], prog_name="crossbit", terminal_width=100
        )
        assert result.exit_code == 0, result.output
        parts.append(f"## {title}\n\n```text\n{result.stdout.rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
