"""`crossbit search`: raw queries, vectors, the run's own index, and what it refuses."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from crossbit import load, open_index


def search(invoke, run, *arguments) -> list[dict]:
    result = invoke("search", run, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_text_finds_pictures_of_its_colour(invoke, finished, table) -> None:
    for colour in "red", "green", "blue":
        found = search(invoke, finished, "--text", f"a {colour} square", "-k", 8)
        assert [item["rank"] for item in found] == list(range(1, 9))
        assert {tuple(item["labels"]) for item in found} == {(colour,)}
        assert all(
            item["path"] == str(table.parent / f"{int(item['id'][4:])}.png") for item in found
        )
        assert all(colour in item["caption"] for item in found)
        distances = [item["distance"] for item in found]
        assert distances == sorted(distances)


def test_a_picture_file_finds_texts(invoke, finished, tmp_path) -> None:
    Image.new("RGB", (50, 70), (230, 30, 30)).save(tmp_path / "query.png")
    found = search(invoke, finished, "--image", "query.png", "-k", 5)
    assert {tuple(item["labels"]) for item in found} == {("red",)}
    shown = invoke("search", finished, "--image", "query.png", "-k", 5).stdout
    assert "caption" in shown
    assert all(item["caption"] in shown for item in found)


def test_queries_are_held_out_of_the_database(invoke, finished) -> None:
    found = search(invoke, finished, "--text", "a red square", "-k", 100)
    split = json.loads((finished / "split.json").read_text())
    assert len(found) == 54, split["rows"]["query"]


def test_the_index_is_made_once_and_again_for_another_model(invoke, finished, table) -> None:
    search(invoke, finished, "--text", "a red square")
    folder = finished / "index-image"
    made = folder.stat().st_ino  # another folder takes its place whenever it is made anew
    search(invoke, finished, "--text", "a blue square")
    assert folder.stat().st_ino == made
    for file in folder.iterdir():
        file.write_bytes(b"\0" * 100)
    result = invoke("search", finished, "--text", "a red square", "--json")
    assert result.exit_code == 0, result.output
    assert "making the index anew" in result.stderr
    fit = ("fit", table, "--method", "fake", "--bits", 16, "--seed", 5, "--overwrite")
    old = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert invoke(*fit, "--out", finished).exit_code == 0
    folder.mkdir()
    for name, content in old.items():
        (folder / name).write_bytes(content)
    search(invoke, finished, "--text", "a red square")
    with open_index(finished / "index-image") as index:
        assert index.fingerprint == load(finished).fingerprint


def test_vectors_search_models_of_ready_made_features(invoke, arrays, tmp_path) -> None:
    fit = ("fit", arrays, "--method", "fake", "--bits", 16, "--out", "run")
    result = invoke(*fit)
    assert result.exit_code == 0
    assert "crossbit search run --vector query.npy --from text" in result.stdout
    np.save("query.npy", np.load(arrays / "text.npy")[2])
    found = search(invoke, "run", "--vector", "query.npy", "--from", "text", "-k", 5)
    classes = np.load(arrays / "labels.npy")
    assert {int(classes[int(item["id"])]) for item in found} == {2}

    np.save("wide.npy", np.zeros(7, dtype=np.float32))
    np.save("nan.npy", np.array([1, np.nan, 0, 0], dtype=np.float32))
    np.save("two.npy", np.zeros((2, 4), dtype=np.float32))
    np.save("objects.npy", np.array([{}], dtype=object))
    np.save("words.npy", np.array(["a", "b", "c", "d"]))
    np.save("empty.npy", np.zeros(0, dtype=np.float32))
    np.save("none_of_four.npy", np.zeros((3, 0), dtype=np.float32))
    np.save("cube.npy", np.zeros((1, 2, 4), dtype=np.float32))
    for arguments, message in [
        (
            ("--vector", "wide.npy", "--from", "text"),
            "text view has 4 dimensions, the items given have 7",
        ),
        (("--vector", "nan.npy", "--from", "text"), "hold NaN or infinity"),
        (("--vector", "two.npy", "--from", "text"), "holds 2 vectors; search with one at a time"),
        (("--vector", "objects.npy", "--from", "text"), "is no readable .npy file"),
        (("--vector", "words.npy", "--from", "text"), "must be an (n, d) array of numbers"),
        (("--vector", "empty.npy", "--from", "text"), "have no columns"),
        (("--vector", "none_of_four.npy", "--from", "text"), "have no columns"),
        (("--vector", "cube.npy", "--from", "text"), "must be an (n, d) array of numbers"),
        (("--vector", "none.npy", "--from", "text"), "there is no file none.npy"),
        (("--vector", "query.npy"), "say which view the vector is of: --from"),
        (("--vector", "query.npy", "--from", "txt"), "no view 'txt'; did you mean 'text'?"),
        (("--text", "red"), "was trained on ready-made text vectors, so it cannot read a raw text"),
    ]:
        result = invoke("search", "run", *arguments)
        assert result.exit_code == 2, arguments
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_reranking_orders_by_the_outputs(invoke, finished) -> None:
    plain = search(invoke, finished, "--text", "a red square", "-k", 20)
    found = search(invoke, finished, "--text", "a red square", "-k", 20, "--rerank", 20)
    assert {item["id"] for item in found} == {item["id"] for item in plain}
    scores = [item["asymmetric"] for item in found]
    assert scores == sorted(scores)
    hasher = load(finished)
    (output,) = hasher.project(hasher.encoders["text"](["a red square"]), "text")
    with open_index(finished / "index-image") as index:
        bits = index.get([item["id"] for item in found])[0].unpack()
    naive = [abs(output)[(output > 0) != row.astype(bool)].sum() for row in bits]
    assert np.allclose(scores, naive, atol=1e-5)
    assert [item["rank"] for item in found] == list(range(1, 21))
    assert search(invoke, finished, "--text", "a red square", "-k", 3, "--rerank", 20) == found[:3]
    shown = invoke("search", finished, "--text", "a red square", "--rerank", 20).stdout
    assert "asymmetric" in shown


def huge_png(path: Path) -> None:
    """Write the head of a PNG that claims to be 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b""))


def test_pictures_that_cannot_be_used(invoke, finished, tmp_path) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    huge_png(tmp_path / "huge.png")
    for name, message in [
        ("text.png", "cannot be read"),
        ("huge.png", "is larger than 64,000,000 pixels; make it smaller"),
        ("none.png", "there is no picture none.png"),
    ]:
        result = invoke("search", finished, "--image", name)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.startswith("error: ")
        assert not (finished / "index-text").exists(), "a bad query costs no index"


def test_queries_that_make_no_sense(invoke, finished) -> None:
    for arguments, message in [
        ((), "give one query"),
        (("--text", "x", "--image", "y.png"), "give one query"),
        (("--text", "zebra"), "the model knows no word of 'zebra'"),
        (("--text", "red", "--view", "imag"), "no view 'imag'; did you mean 'image'?"),
        (("--text", "red", "--rerank", 5), "re-ranking 5 items cannot show 10"),
    ]:
        result = invoke("search", finished, *arguments)
        assert result.exit_code == 2
        assert message in result.stderr


def test_models_that_are_missing_truncated_or_edited(invoke, finished) -> None:
    result = invoke("search", "nowhere", "--text", "red")
    assert result.exit_code == 2
    assert "nowhere does not exist; make one with `crossbit fit ... --out nowhere`" in result.stderr

    def refused(message: str) -> None:
        for command in ("search", finished, "--text", "red"), ("evaluate", finished):
            result = invoke(*command)
            assert result.exit_code == 2
            assert message in result.stderr
            assert result.stderr.count("\n") == 1

    weights = (finished / "model.safetensors").read_bytes()
    (finished / "model.safetensors").write_bytes(weights[:-10])
    refused("does not match its checksum: it was truncated or edited")
    (finished / "model.safetensors").unlink()
    refused("lacks model.safetensors; copy the whole model folder")
    (finished / "model.safetensors").write_bytes(weights)
    config = (finished / "config.json").read_text()
    (finished / "config.json").write_text(config.replace('"margin": 8', '"margin": 9'))
    refused("was edited after training")
    (finished / "config.json").write_text(config[: len(config) // 2])
    refused("cannot be read")
    (finished / "config.json").write_text(config)
    (finished / "run.json").write_text("{")
    refused("run.json is damaged")
