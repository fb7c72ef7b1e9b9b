"""`crossbit index build`, `add` and `remove`: what is written, gone on with, and refused."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from fake_method import Fake

from crossbit import Codes, load, open_index
from crossbit.indexing.items import CorpusItems
from crossbit.methods.ranking import ScoreRanker
from crossbit.runs.folder import RunFolder


def contents(address: str | Path) -> dict:
    """Return code and payload of every item by its id."""
    with open_index(address) as index:
        (hits,) = index.search(Codes(np.zeros((1, index.bits // 8), np.uint8), index.bits), 1000)
        codes, payload = index.get(hits.ids)
    rows = zip(codes.ids.tolist(), codes.packed.tolist(), payload, strict=True)
    return {key: (code, entry) for key, code, entry in rows}


def refused(result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


@pytest.fixture
def built(invoke, finished) -> str:
    result = invoke("index", "build", finished, "--view", "image", "--to", "built")
    assert result.exit_code == 0, result.output
    return "built"


def test_build_writes_codes_payload_and_fingerprint(invoke, finished, table) -> None:
    result = invoke("index", "build", finished, "--view", "image", "--to", "built")
    assert result.exit_code == 0, result.output
    assert "54 items of 16 bits written; 54 in built" in result.stdout
    assert "index items 54/54" in result.stderr
    database = RunFolder(finished).split.database
    expected = load(finished).encode(database["image"], "image", database.ids)
    with open_index("built") as index:
        assert index.fingerprint == load(finished).fingerprint
        codes, payload = index.get(expected.ids)
    assert np.array_equal(codes.packed, expected.packed)
    for k in range(54):
        number = int(str(expected.ids[k])[4:])
        colour = ["red", "green", "blue"][number % 3]
        assert payload[k]["caption"] == database.raw_item("text", k)
        assert payload[k]["path"] == str(table.parent / f"{number}.png")
        assert payload[k]["labels"] == [colour]


def test_codes_that_hamming_distance_does_not_rank_are_refused(
    invoke, finished, monkeypatch
) -> None:
    class Other(ScoreRanker):
        name = "another distance"

    monkeypatch.setattr(Fake, "ranker", Other)
    result = invoke("index", "build", finished, "--view", "image", "--to", "built")
    refused(result, "fake ranks by another distance, an index by Hamming distance")
    refused(invoke("search", finished, "--text", "a red square"), "`crossbit evaluate` ranks as")
    assert not Path("built").exists()


def test_build_other_data_with_the_models_own_vocabulary(invoke, finished, table, tmp_path) -> None:
    # One row only: the words of this table alone would give another vocabulary of another width.
    (tmp_path / "new.csv").write_text(f"image,text,id\n{table.parent}/2.png,a blue square,new\n")
    model = shutil.copytree(finished, tmp_path / "model", ignore=lambda *_: ["run.json"])
    result = invoke(
        "index", "build", model, "new.csv", "--view", "text", "--to", "built",
        "--option", f"images={table.parent}",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = load(finished).encode_raw(["a blue square"], "text")
    code, payload = contents("built")["new"]
    assert code == expected.packed[0].tolist()
    assert payload["caption"] == "a blue square"
    result = invoke("index", "build", model, "--view", "text", "--to", "other")
    refused(result, "is a model without data; name the DATA to code")


def test_an_interrupted_build_goes_on_where_it_was(invoke, finished, built, monkeypatch) -> None:
    real, coded, stops = CorpusItems.codes, [], [20]

    def interrupted(self: CorpusItems, positions: np.ndarray) -> Codes:
        coded.extend(positions.tolist())
        if stops and len(coded) == stops[0]:
            stops.clear()
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, positions)

    monkeypatch.setattr(CorpusItems, "batch", 10)
    monkeypatch.setattr(CorpusItems, "codes", interrupted)
    command = ("index", "build", finished, "--view", "image", "--to", "again")
    result = invoke(*command)
    assert result.exit_code == 130
    assert "stopped after 20 of 54 items; run the same command again to go on" in result.stderr
    assert len(contents("again")) == 20
    with open_index("again", "w") as index:  # batches need not end where they ended before
        index.remove(list(contents("again"))[:1])
    coded.clear()
    monkeypatch.setattr(CorpusItems, "batch", 15)
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert "35 items of 16 bits written, 19 were there before; 54 in again" in result.stdout
    assert set(range(20, 54)) <= set(coded)
    assert contents("again") == contents(built)
    coded.clear()
    result = invoke(*command)
    assert "0 items of 16 bits written, 54 were there before; 54 in again" in result.stdout


def test_other_items_under_the_same_ids_are_refused(
    invoke, finished, built, table, arrays, tmp_path
) -> None:
    before = contents(built)
    text = table.read_text().replace("a red square", "a crimson square")
    (tmp_path / "changed.csv").write_text(text)
    changed = (finished, "changed.csv", "--view", "image", "--option", f"images={table.parent}")
    for command in "build", "add":
        result = invoke("index", command, *changed, "--to", built)
        refused(result, "holds another item under the id 'item")
        assert contents(built) == before
    result = invoke("index", "add", *changed, "--to", built, "--replace")
    assert result.exit_code == 0, result.output
    assert len(contents(built)) == 60
    assert "crimson" in contents(built)["item00"][1]["caption"]

    # Without payload the codes tell: these rows have numbers as ids, in another order.
    assert invoke("fit", arrays, "--method", "fake", "--bits", 16, "--out", "run").exit_code == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in "image", "text":
        np.save(moved / f"{name}.npy", np.roll(np.load(arrays / f"{name}.npy"), 1, axis=0))
    build = ("index", "build", "run", arrays, "--view", "text", "--to", "plain")
    assert invoke(*build).exit_code == 0
    assert "60 were there before" in invoke(*build).stdout
    result = invoke("index", "build", "run", moved, "--view", "text", "--to", "plain")
    refused(result, "the index holds another item under the id")


def test_another_model_is_refused_even_if_nothing_is_to_be_written(
    invoke, finished, built, table
) -> None:
    other = ("fit", table, "--method", "fake", "--bits", 16, "--seed", 9, "--out", "other")
    assert invoke(*other).exit_code == 0
    before = contents(built)
    result = invoke("index", "add", "other", "--view", "image", "--to", built)
    refused(result, f"16-bit codes of model {load(finished).fingerprint[:12]}, these would be")
    assert contents(built) == before


def test_codes_of_files(invoke, finished, built, tmp_path) -> None:
    assert invoke("encode", finished, "--view", "image", "--out", "codes").exit_code == 0
    result = invoke("index", "build", "--codes", "codes", "--to", "coded")
    assert result.exit_code == 0, result.output
    with open_index("coded") as index:
        assert index.fingerprint == load(finished).fingerprint
    assert {k: v[0] for k, v in contents("coded").items()} == {
        k: v[0] for k, v in contents(built).items()
    }
    packed = np.random.default_rng(0).integers(0, 256, (3, 2), dtype=np.uint8)
    np.save("mine.npy", packed)
    (tmp_path / "ids.txt").write_text("a\nb\u2028c\r\nd\n")
    np.save("numbers.npy", np.array([7, 8, 9]))
    for ids, keys in (
        ("ids.txt", ["a", "b\u2028c", "d"]),
        ("numbers.npy", [7, 8, 9]),
        (None, [0, 1, 2]),
    ):
        given = ("--ids", ids) if ids else ()
        to = f"from-{ids}"
        result = invoke("index", "build", "--codes", "mine.npy", *given, "--to", to)
        assert result.exit_code == 0, result.output
        found = contents(to)
        assert [found[key][0] for key in keys] == packed.tolist()
        with open_index(to) as index:
            assert index.fingerprint is None
    result = invoke("index", "build", finished, "--codes", "mine.npy", "--to", "claimed")
    assert result.exit_code == 0, result.output
    with open_index("claimed") as index:
        assert index.fingerprint == load(finished).fingerprint
    np.save("wide.npy", np.zeros((3, 4), dtype=np.uint8))
    np.save("float.npy", np.zeros((3, 4)))
    np.save("floats.npy", np.zeros(3))
    (tmp_path / "twice.txt").write_text("a\na\nb\n")
    for arguments, message in [
        ((finished, "--codes", "wide.npy"), "were not made by the model"),
        (("--codes", "float.npy"), "not packed codes; give (n, bits / 8) uint8"),
        (("--codes", "none.npy"), "there is no file none.npy"),
        (("--codes", "codes", "--ids", "ids.txt"), "has ids of its own"),
        (("--codes", "wide.npy", "--ids", "none.txt"), "there is no file none.txt"),
        (("--codes", "wide.npy", "--ids", "numbers.npy", "--option", "a=b"), "are coded already"),
        (("--codes", "wide.npy", "--ids", "twice.txt"), "id 'a' is given twice"),
        (("--codes", "wide.npy", "--ids", "floats.npy"), "must be whole numbers or strings"),
        (("--codes", "mine.npy", "--view", "image"), "are coded already"),
        (("--codes", str(tmp_path)), "holds no codes of `crossbit encode`"),
    ]:
        refused(invoke("index", "build", *arguments, "--to", "x"), message)
        assert not Path("x").exists()


def test_mistakes_make_no_index(invoke, finished, built) -> None:
    for arguments, message in [
        ((), "nothing to code with; name a run or model, or give --codes"),
        ((finished,), "say which view to code the items by"),
        ((finished, "--view", "imag"), "has no view 'imag'; did you mean 'image'?"),
        ((finished, "--view", "image", "--ids", "ids.txt"), "--ids go with --codes"),
        (("nowhere", "--view", "image"), "nowhere does not exist"),
        ((finished, "none.csv", "--view", "image"), "there is no file or folder none.csv"),
    ]:
        refused(invoke("index", "build", *arguments, "--to", "x"), message)
        assert not Path("x").exists()
    for command in "add", "remove", "compact", "approximate":
        where = (finished, "--view", "image", "--to", "x") if command == "add" else ("x",)
        more = ("--id", "a") if command == "remove" else ()
        refused(invoke("index", command, *where, *more), "there is no index in x")
        assert not Path("x").exists(), "a mistyped address makes no index"
    Path("mine").mkdir()
    Path("mine/a.txt").write_text("mine")
    result = invoke("index", "build", finished, "--view", "image", "--to", "mine")
    assert result.exit_code == 2
    assert [path.name for path in Path("mine").iterdir()] == ["a.txt"]


def test_add_and_remove(invoke, finished, built, table, tmp_path) -> None:
    lines = ["image,text,labels,id", "0.png,a red circle,red,new1", "1.png,a green one,green,new2"]
    (tmp_path / "more.csv").write_text("\n".join(lines) + "\n")
    result = invoke(
        "index", "add", finished, "more.csv", "--view", "image", "--to", built,
        "--option", f"images={table.parent}",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2 items of 16 bits written; 56 in built" in result.stdout
    before = contents(built)
    assert before["new1"][1]["caption"] == "a red circle"

    (tmp_path / "ids.txt").write_text("new1\nnew1\n\nnew2\n")
    result = invoke("index", "remove", built, "--id", "new1", "--id", "unknown")
    refused(result, "id 'unknown' is not in the index")
    assert contents(built) == before, "all of them or none"
    result = invoke("index", "remove", built, "--ids-from", "ids.txt")
    assert result.exit_code == 0, result.output
    assert "2 items removed; 54 in built" in result.stdout
    assert set(before) - set(contents(built)) == {"new1", "new2"}
    refused(invoke("index", "remove", built), "nothing to remove; give --id or --ids-from")
    refused(invoke("index", "remove", built, "--ids-from", "no.txt"), "there is no file no.txt")


def test_ids_that_are_numbers(invoke, tmp_path) -> None:
    np.save("mine.npy", np.arange(6, dtype=np.uint8).reshape(3, 2))
    assert invoke("index", "build", "--codes", "mine.npy", "--to", "numbers").exit_code == 0
    refused(invoke("index", "remove", "numbers", "--id", "one"), "are whole numbers, 'one' is none")
    assert invoke("index", "remove", "numbers", "--id", "1").exit_code == 0
    assert sorted(contents("numbers")) == [0, 2]
