"""Many items at once: Milvus imports files, and what comes out is what `add` would have brought."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from index_items import codes_of, names

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.index import open_index
from crossbit.index.milvus import bulk, engine
from crossbit.indexing.build import put_items
from crossbit.indexing.items import CodedItems

pytest.importorskip("pymilvus")

FEWEST = 12
ODD = ["", 'say "hi"', "back\\slash", "ü", "漢字", "😀", "a\nb", "a\0b", "'", "x" * 60_000]


@pytest.fixture
def imports(monkeypatch, milvus_address, tmp_path):
    """Return the address with a folder for imports; calls of 12 items or more are imported."""
    monkeypatch.setattr(engine, "FEWEST", FEWEST)
    return f"{milvus_address}?shards=2&import={tmp_path}"


@pytest.fixture
def counted(monkeypatch):
    """Return a list of how many rows each import brought."""
    calls = []

    def counting(client, address, rows):
        bulk.bulk_insert(client, address, rows)
        calls.append(len(rows))

    monkeypatch.setattr(engine, "bulk_insert", counting)
    return calls


def payload_of(kind: str, n: int) -> list[dict] | None:
    if kind == "int64":
        return None
    odd = [{"n": 2**64 - 1, "m": -(2**63), "f": 1e300, "g": 0.1}, {"t": "\0 \u2028 <&> 😀"}, {}]
    return odd + [{"k": k, "a": {"b": [k, None, True, 1.5]}} for k in range(n - len(odd))]


@pytest.mark.parametrize("kind", ["int64", "str"])
def test_imported_items_are_what_added_items_are(imports, counted, tmp_path, kind):
    n = 3_000
    codes = codes_of(
        n, 1, 64, np.arange(n) - 2**62 if kind == "int64" else ODD + names(n - 10, 500)
    )
    payload = payload_of(kind, n)
    queries = codes_of(5, 2, 64)
    exact, _ = hamming.topk(queries, codes, 50)
    with open_index(imports, "w") as index:
        half = n // 2
        index.add(codes[:half], payload and payload[:half], fingerprint="model-a")
        with open_index(f"{imports}&consistency=eventually") as reader:
            assert len(reader) == half  # nothing to wait for
        index.add(codes[half:], payload and payload[half:], fingerprint="model-a")
        assert counted == [half, n - half]
        assert os.listdir(tmp_path) == []
        assert (len(index), index.bits, index.fingerprint) == (n, 64, "model-a")
        found, items = index.get(codes.ids)
        assert np.array_equal(found.packed, codes.packed)
        assert items == (payload or [{}] * n)
        own = dict(zip(codes.ids.tolist(), range(n), strict=True))
        for q, hits in enumerate(index.search(queries, 50)):
            assert hits.distances.tolist() == exact[q].tolist()
            rows = [own[key] for key in hits.ids.tolist()]
            assert codes[rows].distance(queries[q]).tolist() == exact[q].tolist()
            assert hits.payload == [items[row] for row in rows]
        if payload:
            assert index.search(queries[0], 9, where={"k": 7})[0].payload == [payload[10]]
        new = names(20) if kind == "str" else list(range(20))
        for ids, model, message in (
            ([*new[1:], codes.ids[n - 1]], None, "is in the index already"),
            (new[:1] * 20, None, "is given twice"),
            (new, "model-b", "model-b"),
        ):
            with pytest.raises(DataError, match=message):
                index.add(codes_of(20, 3, 64, ids), fingerprint=model)
        assert (len(counted), len(index)) == (2, n)
        assert index.verify() == []


def test_imported_items_change_like_others_and_few_items_are_not_imported(imports, counted):
    codes = codes_of(40, ids=names(40))
    with open_index(imports, "w") as index:
        index.add(codes)
        index.remove(names(20))
        new = codes_of(20, seed=9, ids=names(20))
        index.add(new)  # removed before, imported again
        assert counted == [40, 20]
        index.upsert(codes_of(20, seed=8, ids=names(20, 20)), [{"new": True}] * 20)
        index.add(codes_of(FEWEST - 1, ids=names(FEWEST - 1, 100)))
        assert counted == [40, 20]
        assert len(index) == 40 + FEWEST - 1
        found, payload = index.get(names(40))
        wanted = Codes.concatenate([new, codes_of(20, seed=8)])
        assert np.array_equal(found.packed, wanted.packed)
        assert payload == [{}] * 20 + [{"new": True}] * 20
        index.build_approximate("ivf", nlist=2)
        index.add(codes_of(20, ids=names(20, 200)))
        assert len(index.search(codes_of(1), 100, payload=False)[0]) == 60 + FEWEST - 1
        assert index.verify() == []


def test_a_failed_import_leaves_nothing_and_says_what_to_do(imports, monkeypatch, tmp_path):
    codes = codes_of(30, ids=names(30))
    with open_index(f"{imports}&import_as=/nowhere", "w") as index:
        with pytest.raises(DataError) as error:
            index.add(codes)
        assert "failed to import, and nothing was added: failed to get file size" in str(
            error.value
        )
        assert str(error.value).endswith(
            f"if it does not read {tmp_path} under the name /nowhere, correct import= and "
            "import_as= in the address"
        )
        assert len(index) == 0
    with open_index(imports, "w") as index:
        index.add(codes[:3])
        write = bulk._write

        def damaged(folder, rows):
            files = write(folder, rows)
            last = json.dumps({"id": "last", "code": [1], "payload": {}})
            text = (folder / files[0]).read_text().replace("\n]}", f",{last}]}}")
            (folder / files[0]).write_text(text)
            return files

        with monkeypatch.context() as patch:
            patch.setattr(bulk, "_write", damaged)
            with pytest.raises(DataError, match=r"nothing was added: .*bit size 8 doesn't equal"):
                index.add(codes[3:])

        def full(folder, rows):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(bulk, "_write", full)
            with pytest.raises(DataError, match="No space left on device; make room there"):
                index.add(codes[3:])
        assert os.listdir(tmp_path) == []
        time.sleep(2)  # should anything come late
        assert len(index) == 3
        index.add(codes[3:])
        assert len(index) == 30
        assert index.verify() == []


def test_a_silent_server_leaves_it_open_whether_the_items_come(imports, monkeypatch):
    from pymilvus.exceptions import MilvusException

    with open_index(imports, "w") as index:
        index.add(codes_of(3, ids=names(3)))
        server = index._collection.client._get_connection()

        def silent(task, **options):
            raise MilvusException(message="Retry timeout")

        with monkeypatch.context() as patch:
            patch.setattr(server, "get_bulk_insert_state", silent)
            with pytest.raises(DataError, match="may still import the 20 items, all or none: look"):
                index.add(codes_of(20, ids=names(20, 10)))


def test_the_folder_must_be_there_before_anything_is_made(imports, milvus_address, tmp_path):
    with pytest.raises(ConfigError, match="no folder that can be written to here"):
        open_index(f"{imports}/nowhere", "w")
    with pytest.raises(DataError, match="there is no index"):
        open_index(milvus_address)
    with open_index(imports, "w") as index:
        index.add(codes_of(3))
        tmp_path.rename(tmp_path.with_name("moved"))
        with pytest.raises(DataError, match=r"cannot make a folder in .*: No such file"):
            index.add(codes_of(20, ids=np.arange(10, 30)))
        assert len(index) == 3


def test_a_build_gathers_batches_and_the_server_may_know_the_folder_by_another_name(
    imports, counted, monkeypatch, tmp_path
):
    (tmp_path / "real").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "real")
    monkeypatch.setattr(engine, "AT_ONCE", 40)
    monkeypatch.setattr(CodedItems, "batch", 16)
    rows = CodedItems(codes_of(100, ids=names(100)), "model-a")
    done = []
    address = f"{imports}/here&import_as={tmp_path}/real"
    with open_index(address, "w") as index:
        index.add(rows.codes(np.arange(5)), fingerprint="model-a")
        assert put_items(index, rows, report=done.append) == (95, 5)
        assert counted == [43, 48]  # and 4 by a message
        assert done == [16, 32, 48, 64, 80, 96, 100]
        found, _ = index.get(names(100))
        assert np.array_equal(found.packed, rows.codes(np.arange(100)).packed)
        assert put_items(index, rows) == (0, 100)
        assert index.verify() == []
