"""`crossbit index` on every engine, from build to remove."""

from __future__ import annotations

import json

import numpy as np
from typer.testing import CliRunner

from crossbit.cli import app


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["index", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands_work_on_every_engine(engine, tmp_path) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (300, 8), dtype=np.uint8)
    np.save(tmp_path / "codes.npy", codes)
    (tmp_path / "ids.txt").write_text("".join(f"it's {k}\n" for k in range(300)))
    build = ("build", "--codes", tmp_path / "codes.npy", "--ids", tmp_path / "ids.txt")
    assert "300 items of 64 bits written; 300 in" in run(*build, "--to", engine.address)
    assert "0 items of 64 bits written, 300 were there" in run(*build, "--to", engine.address)
    found = json.loads(run("search", engine.address, "--id", "it's 9", "-k", 300, "--json"))
    distances = np.bitwise_count(codes ^ codes[9]).sum(axis=1, dtype=int)
    assert [item["distance"] for item in found] == sorted(distances.tolist())
    assert found[0]["id"] == "it's 9"
    assert "1 items removed; 299 in" in run("remove", engine.address, "--id", "it's 7")
    assert "299 items, no problem found" in run("verify", engine.address)
    assert "299 items" in run("compact", engine.address)
