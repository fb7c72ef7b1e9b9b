"""Where a dataset's files lie: a folder given by hand, or by the variable CROSSBIT_DATA."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from crossbit.errors import DataError

__all__ = ["VARIABLE", "locate"]

VARIABLE = "CROSSBIT_DATA"


def locate(
    name: str, folder: str, files: Sequence[str], published: str, root: str | Path | None
) -> Path:
    """Return the folder that holds all `files`: `root` (else $CROSSBIT_DATA) or its `folder`.

    Raises
    ------
    DataError
        If no folder is known or files are missing; says what was looked for, where, and where
        the original is published.
    """
    given = str(root) if root is not None else os.environ.get(VARIABLE, "")
    if not given:
        raise DataError(
            f"{name} needs its files: give their folder with --root (root=...) or the environment "
            f"variable {VARIABLE}; the original is published at {published}"
        )
    base = Path(given).expanduser()
    candidates = [base / folder, base]
    for candidate in candidates:
        if all((candidate / file).is_file() for file in files):
            return candidate
    seen = next((c for c in candidates if any((c / file).is_file() for file in files)), None)
    where = str(seen) if seen else " and ".join(map(str, candidates))
    missing = [file for file in files if not (seen and (seen / file).is_file())]
    raise DataError(
        f"{name}: looked for {', '.join(missing)} in {where} and did not find "
        f"{'it' if len(missing) == 1 else 'them'}; the original is published at {published}"
    )
