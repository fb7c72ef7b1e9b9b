"""The command line: one file per command, tied together in app.py."""

from crossbit.cli.app import app, main

__all__ = ["app", "main"]
