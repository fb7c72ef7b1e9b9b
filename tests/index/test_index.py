"""The index contract, on every engine; and the embedded engine's files, tampered with."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.index import folder as files
from crossbit.index import open_index


def codes_of(n: int, seed: int = 0, bits: int = 16, ids: object = None) -> Codes:
    packed = np.random.default_rng(seed).integers(0, 256, (n, bits // 8), dtype=np.uint8)
    return Codes(packed, bits, None if ids is None else np.asarray(ids))


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "index")


def filled(address: str, n: int = 20) -> Codes:
    codes = codes_of(n, ids=[f"item {k}" for k in range(n)])
    with open_index(address, "w") as index:
        index.add(codes, [{"caption": f"über {k}"} for k in range(n)], fingerprint="model-a")
    return codes


def test_search_is_exact_and_brings_ids_and_payload(address):
    codes = filled(address)
    queries = codes_of(3, seed=1)
    with open_index(address) as index:
        assert len(index) == 20
        assert (index.bits, index.fingerprint) == (16, "model-a")
        hits = index.search(queries, 5, fingerprint="model-a")
    distances, positions = hamming.topk(queries, codes, 5)
    assert len(hits) == 3
    for i, hit in enumerate(hits):
        assert hit.ids.tolist() == [f"item {k}" for k in positions[i]]
        assert hit.distances.tolist() == distances[i].tolist()
        assert hit.payload == [{"caption": f"über {k}"} for k in positions[i]]


def test_a_batch_of_queries_finds_what_single_queries_find(address):
    filled(address)
    queries = codes_of(6, seed=2)
    with open_index(address) as index:
        batch = index.search(queries, 4)
        for i, hit in enumerate(batch):
            assert index.search(queries[i], 4)[0].ids.tolist() == hit.ids.tolist()


def test_more_answers_than_items_are_all_items(address):
    filled(address, 3)
    with open_index(address) as index:
        assert len(index.search(codes_of(1), 50)[0]) == 3


def test_range_search_finds_the_ball(address):
    codes = filled(address)
    query = codes_of(1, seed=3)
    with open_index(address) as index:
        hit = index.range_search(query, 6)[0]
    want = {f"item {k}" for k in np.flatnonzero(codes.distance(query) <= 6)}
    assert set(hit.ids.tolist()) == want
    assert 0 < len(hit) < 20
    assert (np.diff(hit.distances) >= 0).all()


def test_a_search_among_allowed_ids_finds_no_others(address):
    filled(address)
    with open_index(address) as index:
        hit = index.search(codes_of(1), 10, allowed=["item 3", "item 7", "unknown"])[0]
    assert set(hit.ids.tolist()) == {"item 3", "item 7"}


def test_an_empty_index_answers_with_nothing(address):
    with open_index(address, "w") as index:
        assert len(index) == 0
        assert index.bits is None
        assert [len(hit) for hit in index.search(codes_of(2), 5)] == [0, 0]
        assert [len(hit) for hit in index.range_search(codes_of(2), 5)] == [0, 0]
        index.add(codes_of(0))
        assert index.bits is None
    with open_index(address) as index:
        assert len(index) == 0


def test_added_and_removed_items_last_from_flush_to_flush(address):
    codes = filled(address)
    more = codes_of(5, seed=9, ids=[f"a much longer name {k}" for k in range(5)])
    with open_index(address, "w") as index:
        index.remove(["item 0", "item 13"])
        index.flush()
        index.add(more)
    with open_index(address) as index:
        assert len(index) == 23
        kept, payload = index.get(["a much longer name 4", "item 19"])
        assert kept.ids.tolist() == ["a much longer name 4", "item 19"]
        assert np.array_equal(kept.packed, [more.packed[4], codes.packed[19]])
        assert payload == [{}, {"caption": "über 19"}]
        with pytest.raises(DataError, match="'item 13' is not in the index"):
            index.get(["item 13"])


def test_a_removed_id_can_be_used_again(address):
    filled(address)
    with open_index(address, "w") as index:
        index.remove(["item 4"])
        index.add(codes_of(1, seed=5, ids=["item 4"]), fingerprint="model-a")
        assert len(index) == 20
        assert index.search(codes_of(1, seed=5), 1)[0].ids.tolist() == ["item 4"]


def test_whole_number_ids_stay_whole_numbers(address):
    with open_index(address, "w") as index:
        index.add(codes_of(3, ids=[5, 2**60, -1]))
    with open_index(address) as index:
        ids = index.search(codes_of(1), 3)[0].ids
        assert ids.dtype == np.int64
        assert set(ids.tolist()) == {5, 2**60, -1}


def test_another_model_is_refused_on_add_and_on_search(address):
    filled(address)
    with open_index(address, "w") as index:
        for work in (
            lambda: index.add(codes_of(1), fingerprint="model-b"),
            lambda: index.search(codes_of(1), 1, fingerprint="model-b"),
            lambda: index.range_search(codes_of(1), 1, fingerprint="model-b"),
        ):
            with pytest.raises(DataError, match=r"model-b.*model-a"):
                work()
        assert len(index) == 20


def test_an_emptied_index_takes_another_model_and_length(address):
    filled(address, 2)
    with open_index(address, "w") as index:
        index.remove(["item 0", "item 1"])
        index.add(codes_of(4, bits=32), fingerprint="model-b")
    with open_index(address) as index:
        assert (len(index), index.bits, index.fingerprint) == (4, 32, "model-b")


@pytest.mark.parametrize(
    ("codes", "payload", "message"),
    [
        (codes_of(2, ids=["new", "item 3"]), None, "'item 3' is in the index already"),
        (codes_of(2, ids=["new", "new"]), None, "'new' is given twice"),
        (codes_of(2, ids=[1, 2]), None, "string ids, the new items have whole-number ids"),
        (codes_of(1, bits=32, ids=["new"]), None, "16-bit codes, the codes to add have 32"),
        (codes_of(2, ids=["x", "y"]), [{}], "2 items need 2 payloads, got 1"),
        (codes_of(2, ids=["x", "y"]), [{}, "text"], "payload 1 must be a dict"),
        (codes_of(1, ids=["x"]), [{"score": float("nan")}], "payload 0 is not JSON"),
        (codes_of(1, ids=["x"]), [{"picture": b"..."}], "payload 0 is not JSON"),
    ],
)
def test_a_refused_add_adds_nothing(address, codes, payload, message):
    filled(address)
    with open_index(address, "w") as index:
        with pytest.raises(DataError, match=message):
            index.add(codes, payload)
        assert len(index) == 20
        found = index.search(codes_of(1), 50)[0].ids.tolist()
    assert sorted(found) == sorted(f"item {k}" for k in range(20))


def test_removing_an_unknown_id_removes_nothing(address):
    filled(address)
    with open_index(address, "w") as index:
        with pytest.raises(DataError, match="'nobody' is not in the index"):
            index.remove(["item 1", "nobody"])
        assert len(index) == 20


def test_what_an_error_interrupts_is_not_written(address):
    filled(address)

    def interrupted():
        with open_index(address, "w") as index:
            index.add(codes_of(1, ids=["half"]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with open_index(address) as index:
        assert len(index) == 20


def test_reading_and_closed_indexes_refuse_to_be_changed(address):
    filled(address)
    index = open_index(address)
    with pytest.raises(ConfigError, match="open for reading"):
        index.add(codes_of(1, ids=["x"]))
    with pytest.raises(ConfigError, match="open for reading"):
        index.flush()
    index.close()
    index.close()
    with pytest.raises(ConfigError, match="is closed"):
        index.search(codes_of(1), 1)


def test_addresses_and_modes_that_mean_nothing_are_refused(address, tmp_path):
    with pytest.raises(DataError, match="no index in"):
        open_index(address)
    with pytest.raises(ConfigError, match=r"no index engine opens fil://.*'file'"):
        open_index(f"fil://{address}")
    with pytest.raises(ConfigError, match=r"'r' .* or 'w'"):
        open_index(address, "a")
    assert not (tmp_path / "index").exists()
    filled(f"file://{address}")
    with open_index(address) as index:
        assert len(index) == 20


# -- the files of the embedded engine ------------------------------------------------------


@pytest.mark.parametrize("part", ["codes-000001.npy", "ids-000001.npy", "payload-000001.jsonl"])
@pytest.mark.parametrize("damage", ["truncated", "edited", "missing"])
def test_a_damaged_file_is_named(address, tmp_path, part, damage):
    filled(address)
    path = tmp_path / "index" / part
    data = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(data[:-1])
    elif damage == "edited":
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    else:
        path.unlink()
    with pytest.raises(DataError, match=part):
        open_index(address)


def test_damaged_and_foreign_meta_files_are_refused(address, tmp_path):
    filled(address)
    path = tmp_path / "index" / files.META
    meta = json.loads(path.read_text())
    for text, message in (
        (path.read_text()[:40], "cannot be read"),
        ("[]", "cannot be read"),
        (json.dumps({**meta, "format": 99}), "format 99"),
        (json.dumps({**meta, "count": 7}), "do not fit together"),
        (json.dumps({**meta, "bits": 64}), "do not fit together"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            open_index(address)


def test_a_folder_of_other_things_is_not_taken_over(tmp_path):
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(DataError, match="holds other files"):
        open_index(tmp_path, "w")
    with pytest.raises(DataError, match="is a file"):
        open_index(tmp_path / "thesis.tex", "w")


def test_a_crash_before_meta_is_written_leaves_the_old_generation(address, tmp_path, monkeypatch):
    filled(address)

    def crash(*_):
        raise OSError("no space left")

    index = open_index(address, "w")
    index.add(codes_of(1, ids=["new"]))
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_json", crash)
        with pytest.raises(OSError, match="no space"):
            index.flush()
    with open_index(address) as old:
        assert len(old) == 20
    index.close()  # the disk has space again: nothing was lost
    with open_index(address) as new:
        assert len(new) == 21
    names = sorted(os.listdir(tmp_path / "index"))
    assert names == ["codes-000002.npy", "ids-000002.npy", "meta.json", "payload-000002.jsonl"]


def test_a_crash_in_the_first_flush_does_not_block_the_folder(address, monkeypatch):
    def crash(*_):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_json", crash)
        with pytest.raises(OSError):  # noqa: PT011
            filled(address)
    filled(address)
    assert len(open_index(address)) == 20


def test_two_writers_do_not_overwrite_each_other(address):
    filled(address)
    first, second = open_index(address, "w"), open_index(address, "w")
    first.add(codes_of(1, ids=["first"]))
    second.add(codes_of(1, ids=["second"]))
    first.close()
    with pytest.raises(DataError, match="another program has changed"):
        second.flush()
    with open_index(address) as index:
        assert index.get(["first"])[0].ids.tolist() == ["first"]


def test_line_separators_in_captions_survive(address):
    captions = ["a\u2028b", "two\nlines", "\u0085", ""]
    with open_index(address, "w") as index:
        index.add(codes_of(4), [{"caption": text} for text in captions])
    with open_index(address) as index:
        assert [item["caption"] for item in index.get([0, 1, 2, 3])[1]] == captions
