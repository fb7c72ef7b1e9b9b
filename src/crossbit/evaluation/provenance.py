"""Which code made a figure: the version, and the commit where it runs from a git checkout."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import crossbit

__all__ = ["code_version"]


@cache
def code_version() -> str:
    """Return "0.1.0", or "0.1.0 (commit 1a2b3c4, edited)" in a checkout; never fails."""
    # Asking for this very file keeps another project's repository around an installed copy out.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name)
    commit = _git("rev-parse", "--short", "HEAD") if tracked else None
    if not commit:
        return crossbit.__version__
    edited = ", edited" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{crossbit.__version__} (commit {commit}{edited})"


def _git(*arguments: str) -> str | None:
    """Return what git prints, or None if it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
