"""Faults of the embedded index, many times over: kills, flipped bytes, readers beside a writer."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.tables import RESULTS, Json, head, publish, table
from crossbit.errors import CrossbitError

__all__ = ["options", "render", "run"]

SCRIPTS = Path(__file__).parents[2] / "tests" / "index" / "faults"
TRIALS, FLIPS, ROUNDS = 300, 5000, 300


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--trials", type=int, default=TRIALS, help="kills, of each of two kinds")
    parser.add_argument("--flips", type=int, default=FLIPS, help="flipped bytes; 0: every byte")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="writes beside three readers")


def run(chosen: argparse.Namespace) -> None:
    """Run the fault scripts of the tests; a lost write or a wrong answer is an error."""
    with tempfile.TemporaryDirectory() as folder:
        value = head("index_faults") | {
            "moments": _script("kill.py", folder, "moments", "--trials", chosen.trials),
            "lines": _script("kill.py", folder, "lines", "--trials", chosen.trials, "--lines"),
            "flips": _script("flips.py", folder, "flips", "--flips", chosen.flips, "--approximate"),
            "readers": _script("readers.py", folder, "readers", "--rounds", chosen.rounds),
        }
    bad = [*value["moments"]["problems"], *value["lines"]["problems"]]
    bad += [f"flip {place}" for state in value["flips"].values() for place in state["wrong"]]
    bad += [f"missed {place}" for place in value["flips"]["closed"]["missed"]]
    bad += [problem for reader in value["readers"]["readers"] for problem in reader["problems"]]
    if bad:
        raise CrossbitError(f"the index failed: {'; '.join(map(str, bad[:5]))}")
    whole = chosen.trials >= TRIALS and (not chosen.flips or chosen.flips >= FLIPS)
    publish(value, render, whole=whole and chosen.rounds >= ROUNDS, folder=RESULTS)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    rows = []
    for name, title in (
        ("moments", "killed at a random moment"),
        ("lines", "killed at a random line"),
    ):
        killed = value[name]["killed"]
        during = ", ".join(f"{count} in {kind}" for kind, count in sorted(killed.items()))
        rows.append([title, str(value[name]["trials"]), f"{during}; nothing lost, verify passes"])
    for state, title in ("closed", "closed index"), ("killed", "index of a killed writer"):
        found = value["flips"][state]
        counts = {
            outcome: sum(n for key, n in found["outcomes"].items() if key.endswith(outcome))
            for outcome in ("refused", "right", "wrong")
        }
        text = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        if state == "closed":
            text += f"; verify missed {len(found['missed'])}"
        rows.append([f"one byte flipped, {title}", str(found["flips"]), text])
    searches = sum(reader["searches"] for reader in value["readers"]["readers"])
    count = len(value["readers"]["readers"])
    rows.append(
        [f"searches of {count} processes beside a writer", f"{searches}", "each saw one version"]
    )
    return (
        "# Faults of the embedded index\n\n"
        + table(["fault", "trials", "outcome"], rows)
        + f"\nCommand: `{value['command']}`; crossbit {value['code_version']}, "
        f"Python {value['python']}.\n"
    )


def _script(name: str, folder: str, part: str, *arguments: Any) -> Json:
    command = [sys.executable, str(SCRIPTS / name), str(Path(folder) / part), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    if done.returncode:
        raise CrossbitError(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}")
    found: Json = json.loads(done.stdout)
    return found
