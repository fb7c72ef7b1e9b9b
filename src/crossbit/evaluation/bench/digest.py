"""The code that decides a figure, as one hash: a cell is run again when it changes, else never."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import crossbit
from crossbit.files import sha256

__all__ = ["code_digest"]

PACKAGE = Path(crossbit.__file__).parent
# These show, store or carry figures; none decides one. Methods are followed one by one instead.
OUTSIDE = ("cli", "errors.py", "evaluation", "index", "methods", "training/interrupt.py")
DECIDING = ("evaluation/evaluate.py", "evaluation/report.py")


def code_digest(method: type) -> str:
    """Return the SHA-256 of all code that fits and measures `method`.

    Comments, docstrings and layout do not count. Of the methods only its own module counts, with
    what that imports from `crossbit.methods`: a change to one does not make the others run again.
    """
    outside = [PACKAGE / name for name in OUTSIDE]
    files = [
        path
        for path in PACKAGE.rglob("*.py")
        if not any(path.is_relative_to(part) for part in outside)
    ]
    files += [PACKAGE / name for name in DECIDING]
    files += _followed(method)
    named = {_name(path): path for path in files}
    return sha256(*(part for name in sorted(named) for part in (name, _meaning(named[name]))))


def _followed(method: type) -> set[Path]:
    """Return the file of a method and all files of `crossbit.methods` that it needs."""
    waiting, seen = [Path(inspect.getfile(method))], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in _imported(path.read_text(encoding="utf-8")):
            if name.startswith("crossbit.methods."):
                place = PACKAGE.joinpath(*name.split(".")[1:])
                found = [place.with_suffix(".py"), place / "__init__.py"]
                waiting += [file for file in found if file.is_file()]
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
