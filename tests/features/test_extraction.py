"""Extraction: rows stay aligned, ends are resumed to the same files, bad pictures are told."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import sparse

from crossbit import datasets, files
from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.features import extraction
from crossbit.features.bow import BagOfWords
from crossbit.features.extraction import extract
from crossbit.features.items import Item
from crossbit.features.pixels import Pixels

PIXELS = Pixels(2)
WORDS = BagOfWords(["cat", "dog", "sea"])
KINDS = ["both", "image", "text", "bad", "bad alone", "none"]
BOTH = {"image": PIXELS, "text": WORDS}


class Listed:
    """Items in a list."""

    label_names = ()

    def __init__(self, items: list[Item]) -> None:
        self.listed = items

    def __iter__(self) -> Iterator[Item]:
        return iter(self.listed)

    def about(self) -> dict[str, Any]:
        return {"kind": "list", "ids": [str(item.id) for item in self.listed]}


def picture(k: int) -> bytes:
    """Return a PNG of one colour that says which it is."""
    stream = BytesIO()
    Image.new("RGB", (5, 4), (k % 256, 255 - k % 256, 7)).save(stream, "PNG")
    return stream.getvalue()


def items(n: int) -> list[Item]:
    words = ["cat", "dog", "sea cat", "nothing known"]
    return [
        Item(f"id{k:03d}", picture(k), words[k % 4], ["even"] if k % 2 == 0 else None)
        for k in range(n)
    ]


def contents(folder: Path) -> dict[str, Any]:
    """Return every file below a folder: archives by what is in them, for they hold the time."""
    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".npz":
            found[str(file.relative_to(folder))] = sparse.load_npz(file).toarray().tolist()
        elif file.is_file():
            found[str(file.relative_to(folder))] = file.read_bytes()
    return found


def test_every_item_is_a_row_of_every_view(tmp_path) -> None:
    given_ = items(23)
    outcome = extract(Listed(given_), BOTH, tmp_path / "f", rows_per_shard=10, batch=4, threads=2)
    assert outcome.finished
    assert outcome.counts == {"items": 23, "rows": 23, "bad": 0, "left_out": 0, "shards": 3}
    assert (outcome.done, outcome.pictures) == (23, 23)
    shards = [np.load(tmp_path / "f" / "image" / f"0000{k}.npy") for k in range(3)]
    assert [len(shard) for shard in shards] == [10, 10, 3]
    assert shards[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(shards), PIXELS([item.image for item in given_]))
    corpus = datasets.load(tmp_path / "f")
    assert corpus.name == "f"
    assert corpus.ids.tolist() == [item.id for item in given_]
    np.testing.assert_array_equal(corpus["image"], np.concatenate(shards))
    np.testing.assert_array_equal(
        corpus["text"].toarray(), WORDS([item.text for item in given_]).toarray()
    )
    assert corpus.label_names == ("even",)
    np.testing.assert_array_equal(corpus.labelled, np.arange(23) % 2 == 0)
    assert [corpus.raw_item("text", k) for k in (0, 22)] == ["cat", "sea cat"]
    assert {view: encoder.to_json() for view, encoder in corpus.encoders.items()} == {
        view: encoder.to_json() for view, encoder in BOTH.items()
    }


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=20),
    rows=st.integers(1, 8),
    batch=st.integers(1, 5),
)
def test_what_an_item_lacks_is_missing_and_nothing_else_moves(
    tmp_path_factory, kinds, rows, batch
) -> None:
    """Against a loop over the items; also of shards and batches in which nobody has a view."""
    kinds = ["both", *kinds]
    made = [
        Item(
            k,
            picture(k)
            if kind in ("both", "image")
            else b"no picture"
            if kind.startswith("bad")
            else None,
            "dog sea" if kind in ("both", "text", "bad") else None,
        )
        for k, kind in enumerate(kinds)
    ]
    folder = tmp_path_factory.mktemp("extract") / "f"
    outcome = extract(
        Listed(made), BOTH, folder, rows_per_shard=rows, batch=batch, threads=2, bad="skip"
    )
    corpus = datasets.load(folder)
    kept = [k for k, kind in enumerate(kinds) if kind not in ("none", "bad alone")]
    assert corpus.ids.tolist() == kept
    assert outcome.counts["left_out"] == len(kinds) - len(kept)
    assert outcome.counts["bad"] == sum(kind.startswith("bad") for kind in kinds)
    for position, k in enumerate(kept):
        has_image, has_text = kinds[k] in ("both", "image"), kinds[k] in ("both", "text", "bad")
        assert corpus.has("image")[position] == has_image
        assert corpus.has("text")[position] == has_text
        if has_image:
            np.testing.assert_array_equal(corpus["image"][position], PIXELS([picture(k)])[0])
        if has_text:
            assert corpus["text"][position].toarray().tolist() == [[0, 1, 1]]


def test_a_bad_picture_stops_the_run_and_is_named(tmp_path) -> None:
    made = items(6)
    made[3] = made[3]._replace(image=tmp_path / "none.png")
    with pytest.raises(DataError, match=r"item id003: there is no picture .*none\.png.*bad='skip'"):
        extract(Listed(made), BOTH, tmp_path / "f")


def test_bad_pictures_are_listed_with_the_reason(tmp_path) -> None:
    (tmp_path / "cut.png").write_bytes(picture(0)[:45])
    made = items(9)
    made[2] = made[2]._replace(image=tmp_path / "cut.png")
    made[7] = made[7]._replace(image=tmp_path / "none.png", text=None)
    outcome = extract(Listed(made), BOTH, tmp_path / "f", rows_per_shard=4, bad="skip")
    assert outcome.counts == {"items": 9, "rows": 8, "bad": 2, "left_out": 1, "shards": 3}
    lines = (tmp_path / "f" / "bad.csv").read_text().splitlines()
    assert lines[0] == "shard,id,path,reason"
    assert lines[1].startswith(f"0,id002,{tmp_path}/cut.png,")
    assert "cannot be read" in lines[1]
    assert lines[2].startswith(f"1,id007,{tmp_path}/none.png,there is no picture")
    assert len(lines) == 3


def test_items_none_of_which_can_be_read_are_an_error(tmp_path) -> None:
    made = [Item(k, b"no picture") for k in range(3)]
    with pytest.raises(DataError, match="none of the items could be read"):
        extract(Listed(made), {"image": PIXELS}, tmp_path / "f", bad="skip")


class Crash(BaseException):
    """What a kill is to the code that runs: nothing catches it."""


def test_killed_before_any_rename_it_goes_on_to_the_same_files(tmp_path, monkeypatch) -> None:
    made = items(17)
    for k in 4, 15:
        made[k] = made[k]._replace(image=tmp_path / "none.png")
    options: dict[str, Any] = {"rows_per_shard": 5, "batch": 2, "bad": "skip"}
    extract(Listed(made), BOTH, tmp_path / "whole", **options)
    expected = contents(tmp_path / "whole")
    rename, renames = os.replace, 0

    def counted(source, target):
        nonlocal renames
        if renames == 0:
            raise Crash
        renames -= 1
        rename(source, target)

    monkeypatch.setattr(files.os, "replace", counted)
    crashes = 0
    while True:
        folder = tmp_path / f"killed{crashes}"
        renames = crashes
        try:
            extract(Listed(made), BOTH, folder, **options)
        except Crash:
            renames = -1  # never again
            done = len(list(folder.glob("metadata/*.parquet")))
            outcome = extract(Listed(made), BOTH, folder, **options)
            assert outcome.done == max(0, 17 - 5 * done), "shards that are there are passed over"
            assert contents(folder) == expected
            crashes += 1
            continue
        break
    # features.json twice, four shards of two views and metadata, and bad.csv with two of them.
    assert crashes == 2 + 4 * 3 + 2


def test_a_stopped_run_goes_on_at_the_first_missing_shard(tmp_path) -> None:
    made = items(20)
    extract(Listed(made), BOTH, tmp_path / "whole", rows_per_shard=6, batch=2)
    stop = threading.Event()

    def report(done: int, total: int, speed: float) -> None:
        assert total == 20
        assert speed > 0
        if done >= 14:
            stop.set()

    options: dict[str, Any] = {"rows_per_shard": 6, "batch": 2}
    outcome = extract(Listed(made), BOTH, tmp_path / "f", report=report, stop=stop, **options)
    assert not outcome.finished
    assert outcome.done == 12
    with pytest.raises(DataError, match="is not finished; run the same `crossbit extract` again"):
        datasets.load(tmp_path / "f")
    (tmp_path / "f" / "image" / ".00002.npy.half").write_text("what a kill left half written")
    again: list[int] = []
    outcome = extract(
        Listed(made), BOTH, tmp_path / "f", report=lambda done, *_: again.append(done), **options
    )
    assert outcome.finished
    assert again == [14, 16, 18, 20]
    assert contents(tmp_path / "f") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dtype": "float16"}, "dtype"),
        ({"rows_per_shard": 3}, "rows"),
        ({"bad": "skip"}, "bad"),
        ({"encoders": {"image": Pixels(3), "text": WORDS}}, "encoders"),
        ({"encoders": {"image": PIXELS}}, "encoders"),
        ({"source": Listed(items(5))}, "data"),
    ],
)
def test_another_request_into_the_same_folder_is_refused(tmp_path, change, named) -> None:
    request: dict[str, Any] = {"source": Listed(items(4)), "encoders": BOTH, "rows_per_shard": 2}
    extract(folder=tmp_path / "f", **request)
    before = contents(tmp_path / "f")
    with pytest.raises(ConfigError, match=rf"was begun with other {named}"):
        extract(folder=tmp_path / "f", **{**request, **change})
    assert contents(tmp_path / "f") == before
    assert extract(folder=tmp_path / "f", **request).done == 0


def test_a_run_that_stopped_at_a_bad_picture_goes_on_without_it(tmp_path) -> None:
    """As its error advises; what it had done already is kept."""
    listed = items(6)
    listed[4] = listed[4]._replace(image=b"broken")
    request: dict[str, Any] = {"source": Listed(listed), "encoders": BOTH, "rows_per_shard": 2}
    with pytest.raises(DataError, match="bad='skip'"):
        extract(folder=tmp_path / "f", **request)
    assert extract(folder=tmp_path / "f", bad="skip", **request).done < 6
    extract(folder=tmp_path / "whole", bad="skip", **request)
    assert contents(tmp_path / "f") == contents(tmp_path / "whole")


def test_a_folder_of_other_files_is_left_alone(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files; choose another folder"):
        extract(Listed(items(2)), BOTH, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_numbers_can_be_stored_in_half_the_space(tmp_path) -> None:
    made = items(5)
    extract(Listed(made), BOTH, tmp_path / "f", dtype="float16")
    stored = np.load(tmp_path / "f" / "image" / "00000.npy")
    assert stored.dtype == np.float16
    expected = PIXELS([item.image for item in made])
    np.testing.assert_array_equal(stored, expected.astype(np.float16))
    corpus = datasets.load(tmp_path / "f")
    assert corpus["image"].dtype == np.float32
    np.testing.assert_allclose(corpus["image"], expected, atol=1e-3)


class Maps(Pixels):
    """Pixels as maps, times a number."""

    kind = "maps"
    shape = (2, 2, 3)
    times = 1.0

    def features(self, prepared):
        return super().features(prepared) * np.float32(self.times)


def test_maps_keep_their_shape_on_disk_and_are_rows_in_a_corpus(tmp_path, monkeypatch) -> None:
    made = items(4)
    extract(Listed(made), {"image": Maps(2)}, tmp_path / "f", rows_per_shard=3)
    assert np.load(tmp_path / "f" / "image" / "00000.npy").shape == (3, 2, 2, 3)
    head = json.loads((tmp_path / "f" / "features.json").read_text())
    assert head["views"]["image"]["shape"] == [2, 2, 3]
    monkeypatch.setitem(extraction_kinds(), "maps", f"{__name__}:Maps")
    monkeypatch.setattr("crossbit.features.from_json", lambda spec: Maps(spec["size"]))
    corpus = datasets.load(tmp_path / "f")
    np.testing.assert_array_equal(corpus["image"], PIXELS([item.image for item in made]))


def extraction_kinds() -> dict[str, str]:
    from crossbit import features

    return features.KINDS


@pytest.mark.parametrize(("times", "hint"), [(1e6, "--dtype float32"), (np.nan, "check the w")])
def test_numbers_that_do_not_fit_are_refused(tmp_path, times, hint) -> None:
    maps = Maps(2)
    maps.times = times
    with pytest.raises(DataError, match=f"image features of item id000 do not fit.*{hint}"):
        extract(Listed(items(2)), {"image": maps}, tmp_path / "f", dtype="float16")


def test_a_shard_of_wide_rows_has_fewer_of_them(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(extraction, "SHARD", 1000)
    extract(Listed(items(30)), BOTH, tmp_path / "f")
    head = json.loads((tmp_path / "f" / "features.json").read_text())
    assert head["rows_per_shard"] == 1000 // (12 * 4)


def test_whole_numbers_stay_ids_of_their_kind(tmp_path) -> None:
    made = [Item(7 * k, picture(k)) for k in range(4)]
    extract(Listed(made), {"image": PIXELS}, tmp_path / "f", rows_per_shard=2)
    table = pyarrow.parquet.read_table(tmp_path / "f" / "metadata")
    assert table["id"].to_pylist() == [0, 7, 14, 21]
    assert datasets.load(tmp_path / "f").ids.dtype == np.int64


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "there are no items"),
        ([Item("a", text="cat")], "no item has an image"),
        ([Item("a", picture(0))], "no item has a text"),
        ([Item("a", picture(0), "x"), Item("a", picture(1))], "the id 'a' is used twice"),
        ([Item("a", picture(0), "x"), Item(1, picture(1))], "all whole numbers or all strings"),
    ],
)
def test_what_would_be_found_out_too_late_is_found_first(tmp_path, made, message) -> None:
    with pytest.raises(DataError, match=message):
        extract(Listed(made), BOTH, tmp_path / "f")
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoders": {}}, "nothing to extract"),
        ({"encoders": {"audio": PIXELS}}, "no raw view 'audio'"),
        ({"encoders": {"image": WORDS}}, "a bow encoder takes no images"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"bad": "ignore"}, "bad is 'ignore'"),
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"rows_per_shard": -1}, "rows must be 1 or more"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options, message) -> None:
    request: dict[str, Any] = {"source": Listed(items(2)), "encoders": BOTH, **options}
    with pytest.raises(ConfigError, match=message):
        extract(folder=tmp_path / "f", **request)


def test_items_that_change_meanwhile_are_refused(tmp_path) -> None:
    source = Listed(items(4))

    class Shrinking(Listed):
        passes = 0

        def __iter__(self) -> Iterator[Item]:
            self.passes += 1
            return iter(self.listed if self.passes == 1 else self.listed[:-1])

    with pytest.raises(DataError, match="the items changed while they were read"):
        extract(Shrinking(source.listed), BOTH, tmp_path / "f")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"needs pyarrow.*crossbit\[features\]"):
        extract(Listed(items(2)), BOTH, tmp_path / "f")
    assert not (tmp_path / "f").exists(), "that is found out before anything is made"
