"""The errors Crossbit raises: each says what is wrong and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "CrossbitError",
    "DataError",
    "LeakError",
    "MissingDependencyError",
    "ModelError",
    "suggest",
]


class CrossbitError(Exception):
    """Base of all errors a user can cause; the command line prints it and exits with 2."""


class DataError(CrossbitError, ValueError):
    """Items, features, labels or files that cannot be used as they are."""


class LeakError(DataError):
    """A query item is also a training item."""


class ConfigError(CrossbitError, ValueError):
    """An unknown name or a hyper-parameter outside its range."""


class ModelError(CrossbitError):
    """A model folder that is missing, damaged or of another version."""


class MissingDependencyError(CrossbitError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


def suggest(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` or, if nothing is near, the choices as a list."""
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; choose from {', '.join(known)}" if known else ""
