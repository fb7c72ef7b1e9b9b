"""The floors of the design: a file imports only from floors below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FLOORS = [
    {"errors", "files", "interrupt", "progress", "threads"},
    {"arrays", "corpus", "codes", "hamming", "features", "networks"},
    {"metrics", "index", "datasets", "splits", "graph"},
    {"training"},
    {"methods"},
    {"evaluation"},
    {"runs"},
    {"bench", "indexing"},
    {"serving", "scaling"},
    {"cli", "__main__"},
]
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
FILES = sorted(SOURCE.rglob("*.py"))


def imported(text: str) -> list[tuple[int, str]]:
    """Return line and part ("corpus", "cli", ...) of every import of crossbit, lazy ones too."""
    found = []
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module or ""]
            if node.module == "crossbit":
                names = [f"crossbit.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value.partition(":")[0]] if ":" in node.value else []
        for name in names:
            package, _, rest = name.partition(".")
            if package == "crossbit" and rest.partition(".")[0] in FLOOR_OF:
                found.append((node.lineno, rest.partition(".")[0]))
    return found


def test_imports_are_seen_wherever_they_stand() -> None:
    text = (
        "import crossbit.cli\n"
        "from crossbit import methods, __version__\n"
        "def f():\n"
        "    from crossbit.evaluation.html import page\n"
        "TABLE = {'a': 'crossbit.index.embedded.engine:Embedded'}\n"
    )
    assert sorted(imported(text)) == [(1, "cli"), (2, "methods"), (4, "evaluation"), (5, "index")]


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(SOURCE)) for f in FILES])
def test_a_file_imports_only_from_its_floor_or_below(path: Path) -> None:
    parts = path.relative_to(SOURCE / "crossbit").with_suffix("").parts
    if parts == ("__init__",):
        return  # the public names of all floors, imported lazily
    assert parts[0] in FLOOR_OF, f"{parts[0]} stands on no floor; give it one in the design"
    floor = FLOOR_OF[parts[0]]
    above = [
        f"line {line}: crossbit.{part}"
        for line, part in imported(path.read_text())
        if FLOOR_OF[part] > floor
    ]
    assert not above, f"floor {floor} imports from above: {above}"


def modules(path: Path) -> set[Path]:
    """Return the files of this package that a file imports, lazily or for its types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            for length in (len(parts), len(parts) - 1):  # a module, or a name of a module
                place = SOURCE.joinpath(*parts[:length])
                file = place.with_suffix(".py")
                if place.with_suffix(".pyi").is_file():  # the C extension, which imports nothing
                    break
                if file.is_file() or (place / "__init__.py").is_file():
                    found.add(file if file.is_file() else place / "__init__.py")
                    break
    return found - {SOURCE / "crossbit" / "__init__.py", path}


def circles(imports: dict[Path, set[Path]]) -> list[list[str]]:
    """Return the groups of files that import each other in a loop."""
    number: dict[Path, int] = {}
    lowest: dict[Path, int] = {}
    stack: list[Path] = []
    found = []

    def visit(file: Path) -> None:  # Tarjan's strongly connected components
        number[file] = lowest[file] = len(number)
        stack.append(file)
        for other in sorted(imports.get(file, ())):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[file] = min(lowest[file], lowest[other])
        if lowest[file] == number[file]:
            group = stack[stack.index(file) :]
            del stack[stack.index(file) :]
            if len(group) > 1:
                found.append(sorted(member.stem for member in group))

    for file in sorted(imports):
        if file not in number:
            visit(file)
    return found


def test_circles_are_seen() -> None:
    a, b, c = Path("a.py"), Path("b.py"), Path("c.py")
    assert circles({a: {b}, b: {c}, c: {b}}) == [["b", "c"]]
    assert circles({a: {b, c}, b: {c}, c: set()}) == []


def test_no_file_imports_itself_through_others() -> None:
    assert circles({path: modules(path) for path in FILES}) == []
