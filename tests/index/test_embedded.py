"""The embedded engine's own promises: files, snapshots, damage, compaction."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from index_items import codes_of, names

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.index import open_index
from crossbit.index.embedded import codefile, queries, writing
from crossbit.index.embedded.commit_marker import COMMIT_MARKER
from crossbit.index.embedded.store import DATABASE


@pytest.fixture
def folder(tmp_path):
    """An index of 20 items with payload, closed."""
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes_of(20, ids=names(20)), [{"k": k} for k in range(20)])
    return tmp_path / "index"


def code_file(folder: Path) -> Path:
    (path,) = folder.glob("codes-*.bin")
    return path


def check_right(folder: Path, mode: str = "r") -> None:
    codes = codes_of(20, ids=names(20))
    query = codes_of(1, seed=1)
    with open_index(folder, mode) as index:
        hit = index.search(query, 20)[0]
    distances, positions = hamming.topk(query, codes, 20)
    assert hit.ids.tolist() == codes.ids[positions[0]].tolist()
    assert hit.distances.tolist() == distances[0].tolist()
    assert hit.payload == [{"k": int(k)} for k in positions[0]]


# -- files ---------------------------------------------------------------------------------


def test_a_closed_index_is_four_files(folder):
    found = sorted(os.listdir(folder))
    assert found == [COMMIT_MARKER, "codes-000001.bin", "lock", DATABASE]
    with open_index(folder) as index:
        index.search(codes_of(1), 1)
    assert sorted(os.listdir(folder)) == found


def test_opening_reads_no_codes(folder, monkeypatch):
    def read(*_):
        raise AssertionError("codes were read")

    with monkeypatch.context() as patch:
        patch.setattr(codefile, "map_codes", read)
        with open_index(folder) as index:
            assert (len(index), index.bits) == (20, 16)
        with open_index(folder, "w") as index:
            index.add(codes_of(1, ids=["more"]))


@pytest.mark.parametrize("mode", ["r", "w"])
@pytest.mark.parametrize("damage", ["truncated", "header", "code", "missing", "foreign", "empty"])
def test_a_bad_code_file_is_replaced_from_the_database(folder, tmp_path, mode, damage):
    path = code_file(folder)
    data = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(data[:-1])
    elif damage == "header":
        path.write_bytes(data[:9] + bytes([data[9] ^ 1]) + data[10:])
    elif damage == "code":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    elif damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with open_index(tmp_path / "other", "w") as index:
            index.add(codes_of(20, seed=7, ids=names(20)))
        shutil.copy(code_file(tmp_path / "other"), path)
    with open_index(folder) as index:
        assert any(str(path) in problem for problem in index.verify())
    with pytest.warns(RuntimeWarning, match=r"codes-000001.bin"):
        check_right(folder, mode)
    if mode == "w":  # it was mended, byte for byte
        assert path.read_bytes() == data
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_right(folder)


def test_adding_to_a_lost_code_file_makes_it_whole(folder):
    code_file(folder).unlink()
    with open_index(folder, "w") as index:
        with pytest.warns(RuntimeWarning, match="made anew"):
            index.add(codes_of(1, seed=3, ids=["new"]))
        assert index.verify() == []
        assert index.search(codes_of(1, seed=3), 1)[0].ids.tolist() == ["new"]


def test_codes_beyond_the_committed_ones_mean_nothing(folder):
    with code_file(folder).open("ab") as stream:
        stream.write(b"left by a writer that died")
    check_right(folder)
    with open_index(folder, "w") as index:
        assert index.verify() == []
        index.add(codes_of(1, seed=3, ids=["new"]))
        assert index.verify() == []
        assert len(index.search(codes_of(1), 50)[0]) == 21


def test_a_lost_tail_is_reported(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "old")
    with open_index(folder, "w") as index:
        index.remove(["item 1"])
        index.remove(["item 2"])
    shutil.copy(tmp_path / "old" / DATABASE, folder / DATABASE)
    for mode in "r", "w":
        with pytest.raises(DataError, match="lost its last 2 writes"):
            open_index(folder, mode)
    (folder / COMMIT_MARKER).unlink()  # the way on that the message names
    with pytest.warns(RuntimeWarning, match="HEAD is missing"):
        check_right(folder)
    with pytest.warns(RuntimeWarning, match="HEAD is missing"):
        open_index(folder, "w").close()
    with open_index(folder) as index:
        assert index.verify() == []


def test_files_of_two_indexes_do_not_mix(folder, tmp_path):
    with open_index(tmp_path / "other", "w") as index:
        index.add(codes_of(20, seed=7, ids=names(20)))
    shutil.copy(tmp_path / "other" / DATABASE, folder / DATABASE)
    with pytest.raises(DataError, match="belongs to another index"):
        open_index(folder)


def test_a_database_of_something_else_is_refused(folder):
    import sqlite3

    (folder / DATABASE).unlink()
    with sqlite3.connect(folder / DATABASE) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(DataError, match="no database of a crossbit index"):
        open_index(folder)
    (folder / DATABASE).write_bytes(b"no database at all" * 1000)
    with pytest.raises(DataError, match="is damaged"):
        open_index(folder)


# -- readers and writers -------------------------------------------------------------------


def test_a_second_writer_is_refused(folder):
    with open_index(folder, "w"):
        with pytest.raises(DataError, match="open for writing already"):
            open_index(folder, "w")
        with open_index(folder) as reader:
            assert len(reader) == 20
    open_index(folder, "w").close()


def test_a_reader_follows_the_writer(folder):
    with open_index(folder) as reader, open_index(folder, "w") as writer:
        assert len(reader.search(codes_of(1), 99)[0]) == 20
        writer.add(codes_of(3, seed=4, ids=names(3, 20)))
        assert len(reader.search(codes_of(1), 99)[0]) == 23
        assert reader.search(codes_of(3, seed=4)[2], 1)[0].distances.tolist() == [0]
        writer.remove(["item 0", "item 21"])
        found = reader.search(codes_of(1), 99)[0].ids.tolist()
        assert sorted(found) == sorted(set(names(23)) - {"item 0", "item 21"})
        writer.compact()
        again = reader.search(codes_of(1), 99)[0]
        assert again.ids.tolist() == found
        assert reader.get(["item 22"])[0].packed.tolist() == codes_of(3, seed=4).packed[2:].tolist()
        writer.add(codes_of(1, seed=5, ids=["last"]))
        assert reader.get(["last"])[0].packed.tolist() == codes_of(1, seed=5).packed.tolist()
        assert reader.verify() == []
        assert (reader.stat()["generation"], reader.stat()["removed"]) == (2, 0)


def test_a_reader_that_meets_a_compaction_midway_moves_on(folder, monkeypatch):
    """The snapshot is taken, then the writer switches generations, then the file is opened."""
    reader, writer = open_index(folder), open_index(folder, "w")
    mapped = codefile.map_codes

    def late(*arguments):
        monkeypatch.setattr(codefile, "map_codes", mapped)
        writer.remove(["item 5"])
        writer.compact()
        return mapped(*arguments)

    monkeypatch.setattr(codefile, "map_codes", late)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reader.search(codes_of(1), 99)[0].ids.tolist()
    assert sorted(found) == sorted(set(names(20)) - {"item 5"})
    reader.close()
    writer.close()


def test_a_reader_keeps_its_codes_through_a_compaction(folder):
    with open_index(folder) as reader, open_index(folder, "w") as writer:
        reader.search(codes_of(1), 1)
        codes = reader._connection.snapshot.codes()
        before = codes.copy()
        writer.remove(names(10))
        writer.compact()
        assert not list(folder.glob("codes-000001*"))
        assert np.array_equal(codes, before)


# -- size ----------------------------------------------------------------------------------


def test_single_adds_leave_few_segments(tmp_path):
    with open_index(tmp_path / "index", "w") as index:
        for k in range(130):
            index.add(codes_of(1, seed=k, ids=[k]))
        assert index.stat()["segments"] <= 8
        assert index.get(np.arange(130))[0].ids.tolist() == list(range(130))
        assert index.verify() == []


def test_many_segments_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ROWS", 50)
    monkeypatch.setattr(codefile, "BLOCK", 64)  # 8 codes of 64 bits
    codes = codes_of(333, bits=64)
    with open_index(tmp_path / "index", "w") as index:
        for start in 0, 7, 120, 121:
            stop = {0: 7, 7: 120, 120: 121, 121: 333}[start]
            index.add(codes[start:stop])
            assert index.verify() == []
        index.remove(np.arange(0, 333, 3))
        assert index.verify() == []
        index.compact()
        assert index.verify() == []
        index.remove(np.arange(1, 333, 3))
        index.compact()
        assert index.verify() == []
        assert index.get(np.arange(2, 333, 3))[0].packed.tolist() == codes.packed[2::3].tolist()
        assert index.stat()["segments"] < 10


@pytest.mark.parametrize("few", [0, 10, 10_000])
def test_removed_items_are_searched_around(tmp_path, monkeypatch, few):
    monkeypatch.setattr(queries, "FEW", few)
    codes, query = codes_of(300), codes_of(4, seed=1)
    gone = np.random.default_rng(2).permutation(300)[:200]
    kept = codes[np.setdiff1d(np.arange(300), gone)]
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes)
        index.remove(gone)
        hits = index.search(query, 30)
        near = index.range_search(query, 6)
    distances, positions = hamming.topk(query, kept, 30)
    assert [hit.ids.tolist() for hit in hits] == kept.ids[positions].tolist()
    assert [hit.distances.tolist() for hit in hits] == distances.tolist()
    for row, hit in enumerate(near):
        assert set(hit.ids.tolist()) == set(kept.ids[kept.distance(query[row]) <= 6].tolist())


def test_compaction_gives_space_back(tmp_path):
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes_of(20_000, bits=256), [{"text": "x" * 50}] * 20_000)
        index.remove(np.arange(18_000))
        before = index.stat()["bytes"]
        index.compact()
        stat = index.stat()
    assert stat["bytes"] < before / 5
    assert (stat["items"], stat["removed"], stat["generation"]) == (2000, 0, 2)


def test_field_names_with_quotes_and_backslashes(tmp_path):
    odd = ['a"b', "back\\slash", "new\nline"]
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes_of(3), [{name: 1} for name in odd])
        for position, name in enumerate(odd):
            assert index.search(codes_of(1), 9, where={name: 1})[0].ids.tolist() == [position]


def test_payload_comes_back_as_it_was(tmp_path):
    values = [
        {"caption": text, "big": 2**80, "half": 0.1, "list": [1, None, {"a": []}]}
        for text in ["a\u2028b", "two\nlines", "\u0085", "", '","', "\x00", "[{"]
    ]
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes_of(7), values)
        assert index.get(np.arange(7))[1] == values
        deep: dict = {}
        for _ in range(300):  # two levels each
            deep = {"a": [deep]}
        with pytest.raises(DataError, match="nested deeper"):
            index.add(codes_of(1, ids=[99]), [deep])


def test_payload_of_two_hits_is_two_objects(tmp_path):
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes_of(1), [{"list": []}])
        first, second = index.search(codes_of(2), 1)
    first.payload[0]["list"].append(1)
    assert second.payload == [{"list": []}]


def test_batches_are_one_query_of_the_store(folder, monkeypatch):
    with open_index(folder) as index:
        store = index._connection.store
        calls = []
        whole = store.payload
        monkeypatch.setattr(store, "payload", lambda rows: calls.append(len(rows)) or whole(rows))
        index.search(codes_of(5), 10)
        index.search(codes_of(5), 10, payload=False)
    assert calls == [50]


def test_string_ids_with_equal_hashes_are_told_apart(tmp_path, monkeypatch):
    from crossbit.index.embedded.ids import StringIds

    monkeypatch.setattr(StringIds, "keys_of", lambda self, ids: np.zeros(len(ids), np.int64))
    codes = codes_of(20, ids=names(20))
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes[:12])
        index.add(codes[12:])
        index.remove(["item 4"])
        found = index.get(["item 19", "item 0"])[0]
        assert found.packed.tolist() == codes.packed[[19, 0]].tolist()
        with pytest.raises(DataError, match="'item 4' is not"):
            index.get(["item 4"])
        assert index.verify() == []


def test_calls_from_several_threads_take_turns(folder):
    from concurrent.futures import ThreadPoolExecutor

    with open_index(folder, "w") as index, ThreadPoolExecutor(8) as pool:
        adding = [pool.submit(index.add, codes_of(1, seed=k, ids=[f"new {k}"])) for k in range(20)]
        searching = [pool.submit(index.search, codes_of(2), 99) for _ in range(20)]
        for work in adding:
            work.result()
        sizes = [len(hit) for work in searching for hit in work.result()]
        assert len(index) == 40
        assert index.verify() == []
    assert all(20 <= size <= 40 for size in sizes)


def test_codes_of_one_id_kind_are_not_found_by_the_other(folder):
    with open_index(folder) as index:
        assert len(index.search(codes_of(1), 5, allowed=[1, 2])[0]) == 0
        with pytest.raises(DataError, match="3 is not in the index"):
            index.get([3])


def test_verify_sees_what_the_database_contradicts(tmp_path):
    """Rows changed by SQL: every page is sound, but they no longer fit together."""
    changes = {
        "UPDATE block SET checksum = checksum + 1": "do not match the checksums",
        "UPDATE state SET count = 21": "hold 20 items, its state says 21",
        "UPDATE state SET removed = 3": "0 items are marked as removed, not 3",
        "INSERT INTO payload VALUES (99, '{}')": "payload of items that are not there",
        "UPDATE segment SET ids = (SELECT zeroblob(160))": "id 0 is there twice",
        "UPDATE segment SET first = 5": "does not follow",
    }
    for number, (change, message) in enumerate(changes.items()):
        path = tmp_path / str(number)
        with open_index(path, "w") as index:
            index.add(codes_of(20))
            index._connection.store._db.execute(change)
        with open_index(path) as index:
            assert any(message in problem for problem in index.verify()), change


def test_ids_of_no_items_do_not_matter(tmp_path):
    with open_index(tmp_path / "index", "w") as index:
        index.add(Codes(np.empty((0, 2), dtype=np.uint8), 16, np.empty(0, dtype="U4")))
        index.add(codes_of(2))
        index.remove([0, 1])
        index.compact()
        assert index.verify() == []
        index.add(codes_of(2, ids=["a", "b"]))
        assert index.get(["b"])[0].ids.tolist() == ["b"]
