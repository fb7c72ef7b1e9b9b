"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossbit.errors import ConfigError

__all__ = [
    "Address",
    "AsJson",
    "Root",
    "Run",
    "Threads",
    "assignments",
    "number",
    "numbers",
    "portion",
    "scalars",
    "thread_count",
    "use_threads",
    "warn",
]

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that `fit` finished.")]
Root = Annotated[
    Path | None,
    typer.Option(
        help="Where a dataset's files are, if not where the run found them; "
        "else the environment variable CROSSBIT_DATA."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Processor threads to use; all if not given."),
]
Address = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="A folder, or milvus://host:port/collection.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def number(text: str | None, name: str) -> int | float | None:
    """Return "500" as the count 500, "0.1" as the fraction 0.1, and nothing or "all" as None."""
    if text is None or text == "all":
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"--{name} is {text!r}; give a count such as 500 or a fraction such as 0.1"
        ) from None


def portion(text: str | None, name: str) -> int | float | None:
    """Return what `number` returns, but "all" as the fraction 1: it overrides a file."""
    return 1.0 if text == "all" else number(text, name)


def numbers(text: str | None, flag: str, such_as: str) -> list[int] | None:
    """Return "16,32" as [16, 32]."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(f"{flag} is {text!r}; give whole numbers such as {such_as}") from None


def assignments(texts: list[str], flag: str = "--set") -> dict[str, str]:
    """Return ["margin=8", ...] as {"margin": "8", ...}."""
    values = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise ConfigError(f"{flag} {text!r} is no setting; write {flag} name=value")
        values[name.strip()] = value.strip()
    return values


def scalars(texts: list[str], flag: str) -> dict[str, str | int | float | bool]:
    """Return ["year=2020", "name=x"] as {"year": 2020, "name": "x"}.

    A value that is a number, true, false or a string in double quotes by the rules of JSON is
    read as such; everything else is text as it stands.
    """
    return {name: _scalar(text) for name, text in assignments(texts, flag).items()}


def _scalar(text: str) -> str | int | float | bool:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (str, int, float)) and value == value else text


def use_threads(threads: int | None) -> None:
    """Limit the threads of BLAS and torch in this process."""
    if threads is None:
        return
    import os
    import sys

    from threadpoolctl import threadpool_limits

    os.environ["OMP_NUM_THREADS"] = str(threads)  # read by libraries that are not loaded yet
    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def thread_count(threads: int | None) -> int:
    """Return how many threads a search may use: all of the machine if not given."""
    import os

    return threads or os.cpu_count() or 1


def warn(text: str) -> None:
    """Print a line on standard error."""
    typer.echo(text, err=True)
