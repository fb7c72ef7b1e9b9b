"""The code that decides a figure, as one hash: a trial is run again when it changes, else never."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import crossbit
from crossbit.files import sha256

__all__ = ["code_hash"]

PACKAGE = Path(crossbit.__file__).parent
# What fits and measures every method.
START = ("evaluation/evaluate.py", "evaluation/report.py", "splits/__init__.py")
# These show, store or carry figures, or look a name up; none decides one. What datasets give is in
# a trial's key by itself.
OUTSIDE = (
    "__init__.py",
    "bench",
    "cli",
    "datasets",
    "errors.py",
    "evaluation",
    "features/__init__.py",
    "index",
    "indexing",
    "interrupt.py",
    "methods/__init__.py",
    "runs",
    "serving",
)


def code_hash(method: type) -> str:
    """Return the SHA-256 of all code that fits and measures `method`.

    Comments, docstrings and layout do not count. Imports are followed from the method's own module
    on: a change to one method, or a part that only another one needs, does not make it run again.
    """
    start = [Path(inspect.getfile(method)), *(PACKAGE / name for name in START)]
    named = {_name(path): path for path in _followed(start)}
    return sha256(*(part for name in sorted(named) for part in (name, _meaning(named[name]))))


def _followed(start: list[Path]) -> set[Path]:
    """Return some files and all files of this package that they need."""
    waiting, seen = list(start), set()
    outside = [PACKAGE / name for name in OUTSIDE]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in _imported(path.read_text(encoding="utf-8")):
            if name.startswith("crossbit."):
                place = PACKAGE.joinpath(*name.split(".")[1:])
                found = [place.with_suffix(".py"), place / "__init__.py"]
                waiting += [
                    file
                    for file in found
                    if file.is_file() and not any(file.is_relative_to(part) for part in outside)
                ]
    return seen


def _imported(text: str) -> list[str]:
    """Return every module that `text` may import, lazily too, and names imported from modules."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _meaning(path: Path) -> str:
    """Return a file's syntax tree without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]
    return ast.dump(tree)


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else path.name
