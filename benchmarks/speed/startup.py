"""How long it takes to start: `crossbit --help` and `import crossbit`."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.errors import ConfigError

__all__ = ["options", "render", "run"]

REPEATS = 7
GOAL = 0.5  # seconds, for `crossbit --help`


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options: there are none."""


def run(chosen: argparse.Namespace) -> None:
    """Time both commands, and an empty Python beside them."""
    script = Path(sys.executable).with_name("crossbit")
    if not script.exists():
        raise ConfigError(
            f"{script.name} is not installed beside this Python; run `make test` first"
        )
    commands = {
        "crossbit --help": [str(script), "--help"],
        "import crossbit": [sys.executable, "-c", "import crossbit"],
        "an empty Python": [sys.executable, "-c", "pass"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        _time(command)  # bytecode and files are cached from here on
    for _ in range(REPEATS):  # in turns: a busy moment hits all three alike
        for name, command in commands.items():
            seconds[name].append(round(_time(command), 4))
    value = head("startup") | {
        "goal": GOAL,
        "median": {name: statistics.median(times) for name, times in seconds.items()},
        "seconds": seconds,
    }
    publish(value, render, whole=True, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    rows = [
        [f"`{name}`" if "crossbit" in name else name, f"{median:.3f} s"]
        for name, median in value["median"].items()
    ]
    return (
        "# Starting\n\n"
        + table([f"command, median of {REPEATS}", "time"], rows)
        + f"\n`crossbit --help` is to take less than {value['goal']} s. Command: "
        f"`{value['command']}`; crossbit {value['code_version']}, Python {value['python']}.\n"
    )


def _time(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - started
