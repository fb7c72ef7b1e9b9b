"""`crossbit encode`: codes in plain files, and what it refuses to write over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossbit import load
from crossbit.errors import DataError
from crossbit.indexing.code_files import read_codes
from crossbit.runs.folder import RunFolder


def test_encode_writes_the_codes_of_the_runs_database(invoke, finished) -> None:
    result = invoke("encode", finished, "--view", "image", "--out", "codes")
    assert result.exit_code == 0, result.output
    assert "54 items of pairs, 16 bits each, in codes" in result.stdout
    database = RunFolder(finished).split.database
    expected = load(finished).encode(database["image"], "image", database.ids)
    assert np.array_equal(np.load("codes/codes.npy"), expected.packed)
    assert np.array_equal(np.load("codes/ids.npy"), expected.ids)
    codes, fingerprint = read_codes(Path("codes"))
    assert np.array_equal(codes.packed, expected.packed)
    assert np.array_equal(codes.ids, expected.ids)
    assert fingerprint == load(finished).fingerprint


def test_encode_other_data_with_the_models_own_vocabulary(
    invoke, finished, table, tmp_path
) -> None:
    # One row only: the words of this table alone would give another vocabulary of another width.
    (tmp_path / "new.csv").write_text(f"image,text,id\n{table.parent}/2.png,a blue square,new\n")
    result = invoke(
        "encode", finished, "--view", "text", "--data", "new.csv", "--out", "codes",
        "--option", f"images={table.parent}",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    codes, _ = read_codes(Path("codes"))
    expected = load(finished).encode_raw(["a blue square"], "text")
    assert np.array_equal(codes.packed, expected.packed)
    assert codes.ids.tolist() == ["new"]


def test_encode_refuses_what_would_be_lost(invoke, finished, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    encode = ("encode", finished, "--view", "image")
    for out in "mine", "file":
        result = invoke(*encode, "--out", out, "--overwrite")
        assert result.exit_code == 2
        assert "holds other files; choose another --out" in result.stderr
    assert (tmp_path / "mine" / "a.txt").read_text() == "mine"
    assert invoke(*encode).exit_code == 0
    result = invoke(*encode)
    assert result.exit_code == 2
    assert "holds codes; choose another --out, or replace them with --overwrite" in result.stderr
    assert invoke(*encode, "--overwrite").exit_code == 0
    result = invoke("encode", finished, "--view", "sound", "--out", "s")
    assert result.exit_code == 2
    assert "has no view 'sound'; choose from image, text" in result.stderr
    assert not Path("s").exists()


def test_codes_that_do_not_match_are_refused(invoke, finished) -> None:
    assert invoke("encode", finished, "--view", "image", "--out", "codes").exit_code == 0
    folder = Path("codes")
    packed = np.load(folder / "codes.npy")
    packed[0, 0] ^= 1
    np.save(folder / "codes.npy", packed)
    with pytest.raises(DataError, match=r"do not match codes\.json: a file was truncated"):
        read_codes(folder)
    facts = json.loads((folder / "codes.json").read_text())
    (folder / "codes.json").write_text(json.dumps({**facts, "format": 7}))
    with pytest.raises(DataError, match="has format 7, this version reads 1"):
        read_codes(folder)
    (folder / "codes.json").write_text("{}")
    with pytest.raises(DataError, match="is damaged"):
        read_codes(folder)
    (folder / "codes.json").unlink()
    with pytest.raises(DataError, match="holds no codes of `crossbit encode`"):
        read_codes(folder)
