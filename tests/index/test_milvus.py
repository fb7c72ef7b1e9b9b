"""What only the Milvus engine does: addresses, servers that are gone, limits, cells, crashes."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time

import numpy as np
import pytest
from index_items import codes_of, names
from milvus_keeper import Server

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.index import open_index
from crossbit.index.milvus import rows as milvus_rows
from crossbit.index.milvus import search as milvus_search
from crossbit.index.milvus.server import connect, parse_address, talking

pytest.importorskip("pymilvus")


# -- addresses and errors, without a server ------------------------------------------------


def test_an_address_is_taken_apart(monkeypatch):
    monkeypatch.delenv("CROSSBIT_MILVUS_TOKEN", raising=False)
    plain = parse_address("db.example/photos")
    assert (plain.host, plain.port, plain.collection) == ("db.example", 19530, "photos")
    assert (plain.shards, plain.index, plain.nlist, plain.tls) == (None, None, None, False)
    assert (plain.consistency, plain.token) == ("strong", "")
    assert (plain.imports, plain.imports_as) == (None, None)
    full = parse_address(
        "me:p%40ss@[::1]:19531/_x?shards=4&index=ivf&nlist=64&consistency=bounded&tls=yes"
    )
    assert (full.server, full.collection, full.token) == ("[::1]:19531", "_x", "me:p@ss")
    assert (full.shards, full.index, full.nlist, full.tls) == (4, "ivf", 64, True)
    assert full.consistency == "bounded"
    assert "p@ss" not in f"{full} {full!r}"
    monkeypatch.setenv("CROSSBIT_MILVUS_TOKEN", "me:other")
    assert parse_address("db/photos").token == "me:other"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("host:19530", "milvus://host:port/collection"),
        ("host:19530/", "milvus://host:port/collection"),
        ("/photos", "milvus://host:port/collection"),
        ("host:port/photos", "milvus://host:port/collection"),
        ("host/my photos", "letters, digits"),
        ("host/1photos", "letters, digits"),
        ("host/a/b", "letters, digits"),
        ("host/photos?shard=2", "no option 'shard'; did you mean 'shards'"),
        ("host/photos?shards=0", "shards .* from 1 to 64, got '0'"),
        ("host/photos?nlist=many", "nlist .* got 'many'"),
        ("host/photos?index=hnsw", "index .* cannot be 'hnsw'; choose from flat, ivf"),
        ("host/photos?consistency=", "consistency .* choose from"),
        ("host/photos?import=in", "whole path of a folder, got 'in'"),
        ("host/photos?import=", "whole path of a folder, got ''"),
        ("host/photos?import_as=/in", "import_as .* needs import"),
    ],
)
def test_addresses_that_mean_nothing_are_refused(location, message):
    with pytest.raises(ConfigError, match=message):
        open_index(f"milvus://{location}")


@pytest.mark.parametrize("answers", ["nobody listens", "nobody speaks"])
def test_no_server_is_an_error_within_seconds_that_hides_the_password(answers, capfd):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if answers == "nobody speaks":
            door.listen()
        place = f"127.0.0.1:{door.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(DataError, match=f"no Milvus server answers at {place}; start") as info:
            open_index(f"milvus://root:geheim@{place}/photos")
        assert time.monotonic() - began < 10
    assert "geheim" not in f"{info.value!r} {info.value.__cause__!r} {capfd.readouterr()}"


def test_errors_of_the_server_are_one_line_without_the_token():
    from pymilvus.exceptions import MilvusException

    address = parse_address("me:geheim@host/photos")
    with pytest.raises(DataError) as info, talking(address, "search"):
        raise MilvusException(message="bad token me:geheim,\nor geheim")
    assert str(info.value) == (
        "the Milvus server at host:19530 failed to search: bad token ***, or ***"
    )


def test_a_missing_pymilvus_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pymilvus", None)
    with pytest.raises(MissingDependencyError, match=r"crossbit\[milvus\]"):
        open_index("milvus://host/photos")


def test_what_milvus_cannot_keep_is_refused_before_anything_is_written():
    for ids, payload, message in (
        (["a"], [{"n": 2**64}], "payload 0 holds 18446744073709551616.*as text"),
        (["a"], [{"text": "x" * 70_000}], "payload 0 has 70011 bytes"),
        (["ü" * 40_000], None, "an id has 80000 bytes"),
        (["\udcff"], None, "not valid Unicode"),
    ):
        with pytest.raises(DataError, match=message):
            milvus_rows.prepared(codes_of(1, ids=ids), payload)
    _, rows = milvus_rows.prepared(codes_of(1, ids=["a"]), [{"n": 2**64 - 1, "m": -(2**63)}])
    assert rows[0]["payload"] == {"n": 2**64 - 1, "m": -(2**63)}


# -- with a server -------------------------------------------------------------------------


def test_shards_cells_and_limits_at_twenty_thousand_items(milvus_address, monkeypatch):
    n = 20_000
    codes = codes_of(n, seed=3, bits=32)
    queries = codes_of(3, seed=4, bits=32)
    with open_index(f"{milvus_address}?shards=2", "w") as index:
        index.add(codes, [{"odd": k % 2} for k in range(n)], fingerprint="model-a")
        assert len(index) == n
        assert index.stat()["shards"] == 2

        def check_exact():
            exact, _ = hamming.topk(queries, codes, 500)
            found = index.search(queries, 500, payload=False)
            assert [hits.distances.tolist() for hits in found] == exact.tolist()
            for radius in (3, 6, 8):
                balls = index.range_search(queries, radius, payload=False)
                for q, ball in enumerate(balls):
                    inside = np.flatnonzero(codes.distance(queries[q]) <= radius)
                    assert sorted(ball.ids.tolist()) == inside.tolist()
                    assert (np.diff(ball.distances) >= 0).all()
            odd = index.range_search(queries, 7, where={"odd": 1}, payload=False)
            for q, ball in enumerate(odd):
                inside = np.flatnonzero(codes.distance(queries[q])[1::2] <= 7) * 2 + 1
                assert sorted(ball.ids.tolist()) == inside.tolist()

        check_exact()
        # Milvus's own limit: exactly so many answers, and a clear word beyond.
        assert len(index.search(queries[0], milvus_search.MOST, payload=False)[0]) == 16_384
        with pytest.raises(DataError, match="at most 16384 answers"):
            index.search(queries[0], n, payload=False)
        with pytest.raises(DataError, match="16384 items or more lie within radius 32"):
            index.range_search(queries[0], 32, payload=False)
        # More ids than fit one expression.
        some = np.arange(0, n, 3)
        hits = index.search(queries[0], 20, allowed=some, payload=False)[0]
        exact, _ = hamming.topk(queries[0], codes[some], 20)
        assert hits.distances.tolist() == exact[0].tolist()
        assert (hits.ids % 3 == 0).all()
        with pytest.raises(ConfigError, match="nlist and nprobe, not 'cells'"):
            index.build_approximate("ivf", cells=3)
        with pytest.raises(ConfigError, match="'ivf' only, got 'hnsw'"):
            index.build_approximate("hnsw")

        recall = index.build_approximate("ivf", nlist=32, nprobe=4)
        assert 0.1 < recall < 1
        cells = index.stat()["approximate"]
        assert (cells["nlist"], cells["nprobe"]) == (32, 4)
        assert cells["recall@10"] == pytest.approx(recall, abs=1e-4)
        check_exact()
        exact, _ = hamming.topk(queries, codes, 10)
        near = index.search(queries, 10, approximate=True)
        for q, hits in enumerate(near):
            own = codes.packed[hits.ids]
            assert hits.distances.tolist() == [
                int(np.bitwise_count(code ^ queries.packed[q]).sum()) for code in own
            ]
            assert (hits.distances >= exact[q]).all()
        assert index.verify() == []
    with pytest.raises(ConfigError, match="has 2 shards, not 3"):
        open_index(f"{milvus_address}?shards=3")


def test_a_failed_message_takes_the_earlier_ones_out_again(milvus_address, monkeypatch):
    monkeypatch.setattr(milvus_rows, "ROWS_AT_ONCE", 4)
    with open_index(milvus_address, "w") as index:
        index.add(codes_of(3, ids=names(3)))
        client = index._collection.client
        calls = []

        def failing(work):
            def call(collection, rows, **options):
                from pymilvus.exceptions import MilvusException

                calls.append(len(rows))
                if len(calls) == 3:
                    raise MilvusException(message="disk full")
                return work(collection, rows, **options)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(client, "insert", failing(client.insert))
            with pytest.raises(DataError, match="failed to insert: disk full"):
                index.add(codes_of(10, ids=names(10, 10)))
        assert calls == [4, 4, 2]
        assert len(index) == 3
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(client, "upsert", failing(client.upsert))
            with pytest.raises(DataError, match="8 of 10 items are written: upsert all again"):
                index.upsert(codes_of(10, ids=names(10, 10)))
        assert len(index) == 11
        assert index.verify() == []


def test_all_ids_are_counted_by_parts_whatever_they_hold(milvus_address, monkeypatch):
    monkeypatch.setattr("crossbit.index.milvus.collection.IDS_AT_ONCE", 3)
    odd = ["", 'say "hi"', "it's", "back\\slash", "ü", "漢字", "😀", "a\nb", "z"]
    with open_index(milvus_address, "w") as index:
        index.add(codes_of(len(odd), ids=odd))
        assert index.verify() == []
        index.remove(odd[2:4])
        assert index.verify() == []


def test_closing_one_index_leaves_another_open(milvus_address):
    with open_index(milvus_address, "w") as index:
        index.add(codes_of(5))
        with open_index(milvus_address) as other:
            assert len(other) == 5
        assert len(index) == 5  # pymilvus 2.6.0 shared one connection, and closed it


def test_filters_quote_what_they_compare_with(milvus_address):
    values = [
        '"',
        "\\",
        "\\n",
        "\n",
        "\x00",
        "' or 1==1",
        '" or ""=="',
        "ü😀",
        "{x}",
        -(2**63),
        1e300,
    ]
    with open_index(milvus_address, "w") as index:
        index.add(codes_of(len(values)), [{"v": value} for value in values])
        for row, value in enumerate(values):
            assert index.search(codes_of(1), 50, where={"v": value})[0].ids.tolist() == [row], value
        for name in ('x"] == 1 or payload["v', "v\\", 'v"'):
            assert len(index.search(codes_of(1), 50, where={name: 1})[0]) == 0
        with pytest.raises(ConfigError, match="control characters"):
            index.search(codes_of(1), 50, where={"a\nb": 1})


def test_collections_of_others_are_left_alone(milvus_address):
    address = parse_address(milvus_address.removeprefix("milvus://"))
    client = connect(address)
    client.create_collection(address.collection, dimension=8)
    for mode in "rw":
        with pytest.raises(DataError, match="was not made by crossbit"):
            open_index(milvus_address, mode)
    assert client.has_collection(address.collection)
    client.close()


def test_verify_finds_double_ids_and_a_missing_index(milvus_address):
    with open_index(milvus_address, "w") as index:
        index.add(codes_of(5))
        row = {"id": 3, "code": b"ab", "payload": {}}
        index._collection.client.insert(index._address.collection, [row])
        assert any("1 items have an id that another has" in fault for fault in index.verify())
        index._collection.client.release_collection(index._address.collection)
        index._collection.client.drop_index(index._address.collection, "code")
        assert any("no index by Hamming distance" in fault for fault in index.verify())
        with pytest.raises(DataError, match="is not loaded"):
            index.search(codes_of(1))


def _reader(address: str, stop: object, seen: object) -> None:
    """Read in a process of its own; every id must come with the code it was added with."""
    want = codes_of(400, seed=5, ids=np.arange(400))
    with open_index(address) as index:
        while not stop.is_set():
            hits = index.search(want[np.arange(0, 400, 40)], 20)
            for q, found in enumerate(hits):
                own = want[found.ids].distance(want[q * 40])
                assert own.tolist() == found.distances.tolist()
                assert [item["k"] for item in found.payload] == found.ids.tolist()
            seen.put(len(index))


def test_readers_in_threads_and_processes_see_whole_writes(milvus_address):
    codes = codes_of(400, seed=5, ids=np.arange(400))
    payload = [{"k": k} for k in range(400)]
    context = multiprocessing.get_context("spawn")
    stop, seen = context.Event(), context.Queue()
    with open_index(milvus_address, "w") as index:
        index.add(codes[:40], payload[:40])
        readers = [
            context.Process(target=_reader, args=(milvus_address, stop, seen)),
            threading.Thread(target=_reader, args=(milvus_address, stop, seen)),
        ]
        for reader in readers:
            reader.start()
        counts = {seen.get(timeout=60), seen.get(timeout=60)}
        for start in range(40, 400, 40):
            index.add(codes[start : start + 40], payload[start : start + 40])
            counts.add(seen.get(timeout=60))
        index.remove(np.arange(0, 400, 2))
        time.sleep(0.1)
        stop.set()
        for reader in readers:
            reader.join(60)
        assert readers[0].exitcode == 0
        while not seen.empty():
            counts.add(seen.get())
        assert all(count % 40 == 0 for count in counts)
        assert len(counts) > 2
        assert len(index) == 200


def test_a_killed_server_loses_nothing_it_acknowledged(milvus_server, milvus_root, tmp_path):
    server = Server(tmp_path / "own", milvus_root / "programs")
    port = server.start()
    try:
        address = f"milvus://127.0.0.1:{port}/durable"
        codes = codes_of(50, ids=names(50))
        with open_index(address, "w") as index:
            index.add(codes, [{"k": k} for k in range(50)], fingerprint="model-a")
            index.remove(names(10))
            index.upsert(codes_of(1, seed=8, ids=["item 20"]), [{"new": True}])
            server.kill()
            began = time.monotonic()
            with pytest.raises(DataError, match="no Milvus server answers"):
                index.search(codes_of(1))
            assert time.monotonic() - began < 15
        assert server.start() == port
        with open_index(address) as index:
            assert len(index) == 40
            assert index.fingerprint == "model-a"
            found, payload = index.get(["item 20", "item 49"])
            assert np.array_equal(
                found.packed,
                Codes.concatenate([codes_of(1, seed=8), codes[49]]).packed,
            )
            assert payload == [{"new": True}, {"k": 49}]
            assert index.verify() == []
    finally:
        server.stop()
