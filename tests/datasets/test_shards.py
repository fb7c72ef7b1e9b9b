"""Folders of extracted features: joined shards, labels, and refusals of what is damaged."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from crossbit import datasets
from crossbit.datasets.concat_shards import joined
from crossbit.errors import DataError
from crossbit.features import from_json
from crossbit.features.shards import ShardFolder

VIEWS = {"image": 6, "text": 4}


def write(folder, sizes=(3, 2), labels=("a", "b"), lacking=(), dtype="float32"):
    """Write a folder of random features as extraction does; return the rows of each view."""
    random = np.random.default_rng(0)
    shards = ShardFolder(folder)
    specs = {"image": {"kind": "pixels", "size": 1}, "text": {"kind": "bow", "vocabulary": ["x"]}}
    views = {
        view: {"encoder": specs[view], "shape": [width], "sparse": False}
        for view, width in VIEWS.items()
    }
    shards.begin({"views": views, "labels": list(labels)})
    rows = {view: [] for view in VIEWS}
    at = 0
    for number, size in enumerate(sizes):
        made = {
            view: random.normal(size=(size, width)).astype(dtype) for view, width in VIEWS.items()
        }
        positions = range(at, at + size)
        gone = np.isin(list(positions), lacking)
        made["image"][gone] = np.nan
        shards.write(
            number,
            made,
            {
                "id": np.array([f"i{k}" for k in positions]),
                "caption": [f"caption {k}" for k in positions],
                "path": [f"/pictures/{k}.png" for k in positions],
                "labels": [[["a"], ["b", "a"], None, []][k % 4] for k in positions],
                "has_image": ~gone,
                "has_text": np.ones(size, dtype=bool),
            },
            [],
        )
        for view in VIEWS:
            rows[view].append(made[view])
        at += size
    shards.finish({"rows": at, "shards": len(sizes)})
    return {view: np.concatenate(parts) for view, parts in rows.items()}


def test_shards_are_joined_in_order(tmp_path) -> None:
    expected = write(tmp_path / "f", sizes=(3, 1, 4))
    corpus = datasets.load(tmp_path / "f")
    for view in VIEWS:
        np.testing.assert_array_equal(corpus[view], expected[view])
        assert isinstance(corpus[view], np.memmap), "the system may take its memory back"
    assert corpus.ids.tolist() == [f"i{k}" for k in range(8)]
    assert corpus.raw_item("text", 5) == "caption 5"
    assert str(corpus.raw["image"].source(5)) == "/pictures/5.png"
    assert {view: encoder.kind for view, encoder in corpus.encoders.items()} == {
        "image": "pixels",
        "text": "bow",
    }


def test_labels_are_those_that_were_written(tmp_path) -> None:
    write(tmp_path / "f", sizes=(3, 2))
    corpus = datasets.load(tmp_path / "f")
    assert corpus.label_names == ("a", "b")
    np.testing.assert_array_equal(
        corpus.require_labels().toarray(), [[1, 0], [1, 1], [0, 0], [0, 0], [1, 0]]
    )
    # No list: not labelled. An empty list: labelled, with none.
    np.testing.assert_array_equal(corpus.labelled, [True, True, False, True, True])


def test_one_shard_of_float32_is_mapped_as_it_lies(tmp_path) -> None:
    expected = write(tmp_path / "f", sizes=(5,))
    corpus = datasets.load(tmp_path / "f")
    assert corpus["image"].filename == tmp_path / "f" / "image" / "00000.npy"
    np.testing.assert_array_equal(corpus["image"], expected["image"])


@pytest.mark.parametrize("sizes", [(6,), (2, 4)])
def test_rows_that_are_missing_are_missing(tmp_path, sizes) -> None:
    expected = write(tmp_path / "f", sizes=sizes, lacking=(1, 4))
    corpus = datasets.load(tmp_path / "f")
    np.testing.assert_array_equal(np.flatnonzero(~corpus.has("image")), [1, 4])
    assert corpus.has("text").all()
    np.testing.assert_array_equal(corpus["image"], np.nan_to_num(expected["image"]))


def test_half_precision_becomes_single(tmp_path) -> None:
    expected = write(tmp_path / "f", dtype="float16")
    corpus = datasets.load(tmp_path / "f")
    assert corpus["text"].dtype == np.float32
    np.testing.assert_array_equal(corpus["text"], expected["text"].astype(np.float32))


def damage(folder, how: str) -> None:
    head = folder / "features.json"
    if how == "another version":
        head.write_text(json.dumps({**json.loads(head.read_text()), "format": 2}))
    elif how == "no JSON":
        head.write_text("{")
    elif how == "a shard gone":
        (folder / "text" / "00001.npy").unlink()
    elif how == "a shard cut":
        file = folder / "image" / "00001.npy"
        file.write_bytes(file.read_bytes()[:-8])
    elif how == "a shard of others":
        np.save(folder / "image" / "00000.npy", np.zeros((2, 6), np.float32))
    elif how == "a label unknown":
        head.write_text(json.dumps({**json.loads(head.read_text()), "labels": ["a"]}))
    elif how == "another width":
        np.save(folder / "image" / "00000.npy", np.zeros((3, 5), np.float32))
    else:
        raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("another version", r"has format 2, this version reads 1; upgrade crossbit"),
        ("no JSON", "features.json is damaged"),
        ("a shard gone", r"text/00001\.npy is missing"),
        ("a shard cut", r"image/00001\.npy is damaged"),
        ("a shard of others", "image shard 0 has 2 rows, its metadata 3"),
        ("a label unknown", "a label that features.json does not name"),
        ("another width", r"rows of one width, found float32 x 5, float32 x 6"),
    ],
)
def test_damage_is_named(tmp_path, how, message) -> None:
    write(tmp_path / "f")
    damage(tmp_path / "f", how)
    with pytest.raises(DataError, match=message):
        datasets.load(tmp_path / "f")


def test_shards_are_joined_block_by_block(monkeypatch) -> None:
    monkeypatch.setattr("crossbit.datasets.concat_shards.BYTES", 64)
    random = np.random.default_rng(0)
    parts = [random.normal(size=(rows, 3)).astype(np.float16) for rows in (7, 0, 1, 12)]
    found = joined(parts)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.concatenate(parts).astype(np.float32))


def test_joining_many_shards_takes_the_memory_of_a_block(monkeypatch) -> None:
    monkeypatch.setattr("crossbit.datasets.concat_shards.BYTES", 1 << 18)
    parts = [np.full((2000, 64), k, dtype=np.float16) for k in range(40)]
    tracemalloc.start()
    try:
        found = joined(parts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.nbytes > 20_000_000
    assert peak < 1_000_000, "a block of 262,144 bytes, and what surrounds it"
    np.testing.assert_array_equal(found[::2000, 0], np.arange(40))


def test_only_rows_of_numbers_can_be_joined() -> None:
    with pytest.raises(DataError, match="must hold floating-point rows"):
        joined([np.zeros((2, 3), np.int64)])


def test_encoders_in_the_folder_are_built_again(tmp_path) -> None:
    write(tmp_path / "f")
    corpus = datasets.load(tmp_path / "f")
    spec = corpus.encoders["image"].to_json()
    assert from_json(spec).to_json() == spec
