"""What every index engine promises; the fixture `engine` gives a fresh address of each."""

from __future__ import annotations

import numpy as np
import pytest
from index_items import codes_of, names

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.index import Hits, Index, open_index


def filled(engine, n: int = 20, seed: int = 0) -> Codes:
    """Fill the index with n items of 16 bits of model-a; item k has payload {"row": k, ...}."""
    codes = codes_of(n, seed, ids=names(n))
    with open_index(engine.address, "w") as index:
        index.add(codes, [payload_of(k) for k in range(n)], fingerprint="model-a")
    return codes


def payload_of(k: int) -> dict:
    colour = ["red", "green", "blue"][k % 3]
    return {"caption": f"über {k}", "colour": colour, "even": k % 2 == 0, "place": {"row": k}}


def check_nearest(engine, hit: Hits, codes: Codes, query: Codes, k: int) -> None:
    """Compare one result with the kernel's, leaving equal distances in any order if need be."""
    distances, positions = hamming.topk(query, codes, k)
    assert hit.distances.dtype == np.int32
    assert hit.distances.tolist() == distances[0].tolist()
    if engine.ordered:
        assert hit.ids.tolist() == codes.ids[positions[0]].tolist()
    assert len(set(hit.ids.tolist())) == len(hit)
    own = dict(zip(codes.ids.tolist(), codes.distance(query).tolist(), strict=True))
    assert [own[key] for key in hit.ids.tolist()] == hit.distances.tolist()


# -- search --------------------------------------------------------------------------------


def test_search_is_exact_and_brings_ids_and_payload(engine):
    codes = filled(engine)
    queries = codes_of(3, seed=1)
    with open_index(engine.address) as index:
        assert isinstance(index, Index)
        assert len(index) == 20
        assert (index.bits, index.fingerprint) == (16, "model-a")
        hits = index.search(queries, 5, fingerprint="model-a")
        bare = index.search(queries, 5, payload=False)
        assert len(index.search(queries)[0]) == 10
    assert len(hits) == 3
    for i, hit in enumerate(hits):
        check_nearest(engine, hit, codes, queries[i], 5)
        assert hit.payload == [payload_of(int(key[5:])) for key in hit.ids.tolist()]
        assert bare[i].distances.tolist() == hit.distances.tolist()
        assert bare[i].payload == []


def test_a_batch_of_queries_finds_what_single_queries_find(engine):
    filled(engine)
    queries = codes_of(6, seed=2)
    with open_index(engine.address) as index:
        batch = index.search(queries, 4, n_jobs=2)
        for i, hit in enumerate(batch):
            single = index.search(queries[i], 4)[0]
            assert single.distances.tolist() == hit.distances.tolist()
            if engine.ordered:
                assert single.ids.tolist() == hit.ids.tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_search_arrays_are_the_hits_of_search(engine, packed):
    filled(engine)
    queries = codes_of(6, seed=2)
    with open_index(engine.address) as index:
        distances, ids = index.search_arrays(queries.packed if packed else queries, 4, n_jobs=2)
        hits = index.search(queries, 4)
        few = index.search_arrays(queries, 4, allowed=["item 3", "item 7"], fingerprint="model-a")
        none = index.search_arrays(codes_of(0), 4)
    assert (distances.shape, distances.dtype, ids.shape) == ((6, 4), np.int32, (6, 4))
    assert distances.tolist() == [hit.distances.tolist() for hit in hits]
    if engine.ordered:
        assert ids.tolist() == [hit.ids.tolist() for hit in hits]
    assert (few[0][:, :2] >= 0).all()
    assert (few[0][:, 2:] == -1).all()
    assert {frozenset(row) for row in few[1].tolist()} == {frozenset(["item 3", "item 7", ""])}
    assert (few[1][:, 2:] == "").all()
    assert none[0].shape == none[1].shape == (0, 4)


def test_search_arrays_pad_whole_number_ids_with_minus_one(engine):
    with open_index(engine.address, "w") as index:
        index.add(codes_of(2, ids=[7, 8]))
        distances, ids = index.search_arrays(codes_of(3, seed=1), 5)
        with pytest.raises(DataError, match="packed codes"):
            index.search_arrays(codes_of(3, seed=1).unpack().astype(bool), 5)
        with pytest.raises(DataError, match="16 bits"):
            index.search_arrays(np.zeros((1, 4), dtype=np.uint8), 5)
    assert ids.dtype == np.int64
    assert np.sort(ids[:, :2], axis=1).tolist() == [[7, 8]] * 3
    assert ids[:, 2:].tolist() == distances[:, 2:].tolist() == [[-1] * 3] * 3


def test_search_arrays_of_an_empty_index_are_padding(engine):
    with open_index(engine.address, "w") as index:
        distances, ids = index.search_arrays(np.zeros((2, 2), dtype=np.uint8), 3)
    assert distances.tolist() == ids.tolist() == [[-1] * 3] * 2


def test_a_short_repr_says_where_and_how_much(engine):
    filled(engine, 3)
    with open_index(engine.address) as index:
        shown = repr(index)
        assert shown == f"<{type(index).__name__} {index.address}: 3 items, 16 bits>"
    assert repr(index) == f"<{type(index).__name__} {index.address}: closed, or cannot be read>"


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, True])
def test_a_number_of_threads_that_means_nothing_is_refused(engine, n_jobs):
    filled(engine, 3)
    with open_index(engine.address) as index, pytest.raises(ConfigError, match="n_jobs must be"):
        index.search(codes_of(1), 2, n_jobs=n_jobs)


def test_more_answers_than_items_are_all_items(engine):
    filled(engine, 3)
    with open_index(engine.address) as index:
        assert sorted(index.search(codes_of(1), 50)[0].ids.tolist()) == names(3)


def test_no_queries_have_no_answers(engine):
    filled(engine, 3)
    with open_index(engine.address) as index:
        assert index.search(codes_of(0), 5) == []
        assert index.range_search(codes_of(0), 5) == []


def test_range_search_finds_the_ball(engine):
    codes = filled(engine)
    query = codes_of(1, seed=3)
    distances = codes.distance(query)
    with open_index(engine.address) as index:
        hit = index.range_search(query, 6)[0]
        bare = index.range_search(query, 6, payload=False)[0]
        among = index.range_search(query, 6, allowed=["item 1", *names(20, 10)])[0]
        where = index.range_search(query, 6, where={"colour": "red"})[0]
        everything = index.range_search(query, 16)[0]
        exact = index.range_search(codes[7], 0)[0]
    assert set(hit.ids.tolist()) == {f"item {k}" for k in np.flatnonzero(distances <= 6)}
    assert 0 < len(hit) < 20
    assert (np.diff(hit.distances) >= 0).all()
    assert hit.payload == [payload_of(int(key[5:])) for key in hit.ids.tolist()]
    assert set(bare.ids.tolist()) == set(hit.ids.tolist())
    assert bare.payload == []
    assert set(among.ids.tolist()) == set(hit.ids.tolist()) & {"item 1", *names(10, 10)}
    red = {f"item {k}" for k in range(0, 20, 3)}
    assert set(where.ids.tolist()) == set(hit.ids.tolist()) & red
    assert sorted(everything.ids.tolist()) == sorted(names(20))
    assert "item 7" in exact.ids.tolist()


def test_a_search_among_allowed_ids_finds_no_others(engine):
    filled(engine)
    with open_index(engine.address) as index:
        hit = index.search(codes_of(1), 10, allowed=["item 3", "item 7", "unknown", "item 3"])[0]
        assert set(hit.ids.tolist()) == {"item 3", "item 7"}
        assert len(index.search(codes_of(1), 10, allowed=[])[0]) == 0


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        ({"colour": "red"}, lambda k: k % 3 == 0),
        ({"even": True}, lambda k: k % 2 == 0),
        ({"even": False, "colour": "blue"}, lambda k: k % 2 and k % 3 == 2),
        ({"place.row": 7}, lambda k: k == 7),
        ({"place.row": 7.0}, lambda k: k == 7),
        ({"place.row": "7"}, lambda k: False),
        ({"place.row": True}, lambda k: False),
        ({"even": 1}, lambda k: False),
        ({"caption": "über 4"}, lambda k: k == 4),
        ({"place": "row"}, lambda k: False),
        ({"missing": 1}, lambda k: False),
        ({"colour": "red' OR '1'='1"}, lambda k: False),
        ({"colour": 'red" or ""=="'}, lambda k: False),
        ({}, lambda k: True),
    ],
)
def test_a_filter_by_payload_fields(engine, where, keep):
    filled(engine, 12)
    with open_index(engine.address) as index:
        found = index.search(codes_of(1), 50, where=where)[0].ids.tolist()
        some = index.search(codes_of(1), 50, where=where, allowed=names(6))[0].ids.tolist()
    assert sorted(found) == sorted(f"item {k}" for k in range(12) if keep(k))
    assert sorted(some) == sorted(f"item {k}" for k in range(6) if keep(k))


@pytest.mark.parametrize(
    "where", [{"a": None}, {"a": [1]}, {"": 1}, {"a..b": 1}, {1: 1}, {"a": 2**70}, {"a": np.nan}]
)
def test_filters_that_mean_nothing_are_refused(engine, where):
    filled(engine, 2)
    with open_index(engine.address) as index, pytest.raises(ConfigError, match="filter"):
        index.search(codes_of(1), 1, where=where)


def test_field_names_may_hold_anything_but_dots(engine):
    odd = ["a b", "ü", "$", "[0]", "0", "a'b", "per%cent", "under_score"]
    with open_index(engine.address, "w") as index:
        index.add(codes_of(len(odd)), [{name: "here"} for name in odd])
        for position, name in enumerate(odd):
            assert index.search(codes_of(1), 9, where={name: "here"})[0].ids.tolist() == [position]


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_a_search_for_no_items_is_refused(engine, k):
    filled(engine, 2)
    with open_index(engine.address) as index, pytest.raises(ConfigError, match="k must be a whole"):
        index.search(codes_of(1), k)


def test_an_empty_index_answers_with_nothing(engine):
    with open_index(engine.address, "w") as index:
        assert len(index) == 0
        assert index.bits is None
        assert [len(hit) for hit in index.search(codes_of(2), 5)] == [0, 0]
        assert [len(hit) for hit in index.range_search(codes_of(2), 5)] == [0, 0]
        index.add(codes_of(0))
        assert index.bits is None
        index.remove([])
        assert index.verify() == []
    with open_index(engine.address) as index:
        assert len(index) == 0
        with pytest.raises(DataError, match="'x' is not in the index"):
            index.get(["x"])


# -- writing -------------------------------------------------------------------------------


def test_what_a_call_wrote_is_there_at_once_and_after_opening_again(engine):
    codes = filled(engine)
    more = codes_of(5, seed=9, ids=[f"a much longer name {k}" for k in range(5)])
    with open_index(engine.address, "w") as index:
        index.remove(["item 0", "item 13"])
        assert len(index) == 18
        index.add(more)
        assert len(index) == 23
        assert index.search(more[4], 1)[0].distances.tolist() == [0]
        index.flush()
    with open_index(engine.address) as index:
        assert len(index) == 23
        kept, payload = index.get(["a much longer name 4", "item 19"])
        assert kept.bits == 16
        assert kept.ids.tolist() == ["a much longer name 4", "item 19"]
        assert np.array_equal(kept.packed, [more.packed[4], codes.packed[19]])
        assert payload == [{}, payload_of(19)]
        with pytest.raises(DataError, match="'item 13' is not in the index"):
            index.get(["item 13"])
        assert index.verify() == []


def test_get_keeps_the_order_and_repeats_what_is_asked_twice(engine):
    codes = filled(engine)
    with open_index(engine.address) as index:
        found, payload = index.get(["item 9", "item 2", "item 9"])
        assert found.ids.tolist() == ["item 9", "item 2", "item 9"]
        assert np.array_equal(found.packed, codes.packed[[9, 2, 9]])
        assert payload == [payload_of(9), payload_of(2), payload_of(9)]
        assert len(index.get([])[0]) == 0


def test_upsert_replaces_as_a_whole_and_adds_the_rest(engine):
    codes = filled(engine)
    new = codes_of(3, seed=6, ids=["item 4", "new", "item 11"])
    with open_index(engine.address, "w") as index:
        index.upsert(new, [{"fresh": 1}, {}, {"fresh": 3}], fingerprint="model-a")
        assert len(index) == 21
    with open_index(engine.address) as index:
        found, payload = index.get(["item 11", "item 4", "new", "item 5"])
        assert np.array_equal(found.packed[:3], new.packed[[2, 0, 1]])
        assert payload == [{"fresh": 3}, {"fresh": 1}, {}, payload_of(5)]
        kept = [k for k in range(20) if k not in (4, 11)]
        everything = Codes.concatenate([codes[kept], new])
        for query in codes_of(3, seed=7), codes[4], new[0]:
            for q in range(len(query)):
                check_nearest(engine, index.search(query[q], 21)[0], everything, query[q], 21)
        assert index.search(codes_of(1), 50, where={"fresh": 3})[0].ids.tolist() == ["item 11"]
        assert index.verify() == []


def test_upsert_fills_an_empty_index(engine):
    with open_index(engine.address, "w") as index:
        index.upsert(codes_of(4), fingerprint="model-a")
        assert (len(index), index.bits, index.fingerprint) == (4, 16, "model-a")


def test_a_removed_id_can_be_used_again(engine):
    filled(engine)
    with open_index(engine.address, "w") as index:
        index.remove(["item 4"])
        index.add(codes_of(1, seed=5, ids=["item 4"]), fingerprint="model-a")
        assert len(index) == 20
        assert np.array_equal(index.get(["item 4"])[0].packed, codes_of(1, seed=5).packed)
        assert index.get(["item 4"])[1] == [{}]


def test_whole_number_ids_stay_whole_numbers(engine):
    with open_index(engine.address, "w") as index:
        index.add(codes_of(3, ids=[5, 2**60, -1]))
        index.remove(np.array([5], dtype=np.int32))
    with open_index(engine.address) as index:
        ids = index.search(codes_of(1), 3)[0].ids
        assert ids.dtype == np.int64
        assert set(ids.tolist()) == {2**60, -1}
        assert index.get([-1])[0].ids.tolist() == [-1]
        with pytest.raises(DataError, match="5 is not in the index"):
            index.get([5])


def test_string_ids_may_be_any_text(engine):
    odd = [
        "",
        "ü",
        "漢字",
        "'; DROP TABLE x; --",
        'say "hi"',
        "back\\slash",
        "a\nb",
        "1",
        "😀",
        "x" * 300,
    ]
    with open_index(engine.address, "w") as index:
        index.add(codes_of(len(odd), bits=32, ids=odd), [{"k": k} for k in range(len(odd))])
        assert sorted(index.search(codes_of(1, bits=32), 50)[0].ids.tolist()) == sorted(odd)
        assert index.get(odd)[1] == [{"k": k} for k in range(len(odd))]
        assert index.verify() == []
        assert index.search(codes_of(1, bits=32), 9, allowed=odd[3:5])[0].ids.dtype.kind == "U"
        index.remove(odd[1::2])
        assert sorted(index.search(codes_of(1, bits=32), 50)[0].ids.tolist()) == sorted(odd[::2])


@pytest.mark.parametrize("bits", [8, 12, 24, 64, 72, 1001, 1024])
def test_codes_of_any_width(engine, bits):
    codes = codes_of(30, bits=bits)
    query = codes_of(1, seed=1, bits=bits)
    with open_index(engine.address, "w") as index:
        index.add(codes)
        check_nearest(engine, index.search(query, 7)[0], codes, query, 7)
    with open_index(engine.address) as index:
        assert index.bits == bits
        assert index.verify() == []
        kept, _ = index.get([3, 1])
        assert (kept.bits, kept.packed.tolist()) == (bits, codes.packed[[3, 1]].tolist())
        assert len(index.range_search(query, bits)[0]) == 30


def test_lengths_of_as_many_bytes_are_told_apart(engine):
    with open_index(engine.address, "w") as index:
        index.add(codes_of(4, bits=12))
        with pytest.raises(DataError, match=r"12-bit codes, the codes to .* have 16"):
            index.search(codes_of(1, bits=16), 1)


def test_a_compacted_index_of_half_bytes_holds_the_same(engine):
    codes = codes_of(40, bits=12)
    with open_index(engine.address, "w") as index:
        index.add(codes)
        index.remove(list(range(0, 40, 3)))
        index.compact()
        index.add(codes_of(2, bits=12, ids=[100, 101]))
        assert index.verify() == []
        assert index.get([1])[0].packed.tolist() == codes.packed[[1]].tolist()


def test_another_model_is_refused_on_add_and_on_search(engine):
    filled(engine)
    with open_index(engine.address, "w") as index:
        for work in (
            lambda: index.add(codes_of(1, ids=["x"]), fingerprint="model-b"),
            lambda: index.upsert(codes_of(1, ids=["x"]), fingerprint="model-b"),
            lambda: index.search(codes_of(1), 1, fingerprint="model-b"),
            lambda: index.range_search(codes_of(1), 1, fingerprint="model-b"),
        ):
            with pytest.raises(DataError, match=r"model-b.*model-a"):
                work()
        with pytest.raises(DataError, match="16-bit codes, the codes to search have 32"):
            index.search(codes_of(1, bits=32), 1)
        assert len(index) == 20


def test_an_emptied_index_takes_another_model_and_length(engine):
    filled(engine, 2)
    with open_index(engine.address, "w") as index:
        index.remove(["item 0", "item 1"])
        assert [len(hit) for hit in index.search(codes_of(2), 5)] == [0, 0]
        index.add(codes_of(4, bits=32), fingerprint="model-b")
    with open_index(engine.address) as index:
        assert (len(index), index.bits, index.fingerprint) == (4, 32, "model-b")
        assert len(index.search(codes_of(1, bits=32), 9)[0]) == 4
        assert index.verify() == []


REFUSED = [
    (codes_of(2, ids=["new", "new"]), None, "'new' is given twice"),
    (codes_of(2, ids=[1, 2]), None, "string ids, the new items have whole-number ids"),
    (codes_of(1, bits=32, ids=["new"]), None, "16-bit codes, the codes to .* have 32"),
    (codes_of(2, ids=["x", "y"]), [{}], "2 items need 2 payloads, got 1"),
    (codes_of(2, ids=["x", "y"]), [{}, "text"], "payload 1 must be a dict"),
    (codes_of(1, ids=["x"]), [{"score": float("nan")}], "payload 0 is not JSON"),
    (codes_of(1, ids=["x"]), [{"picture": b"..."}], "payload 0 is not JSON"),
    (codes_of(1, ids=["x"]), [{"path": "\udcff"}], "not valid Unicode"),
    (codes_of(1, ids=[1.5]), None, "ids must be whole numbers or strings"),
    (codes_of(1, ids=np.array([2**63], dtype=np.uint64)), None, "larger than 2"),
]


@pytest.mark.parametrize("verb", ["add", "upsert"])
@pytest.mark.parametrize(("codes", "payload", "message"), REFUSED)
def test_a_refused_write_writes_nothing(engine, verb, codes, payload, message):
    filled(engine)
    with open_index(engine.address, "w") as index:
        with pytest.raises(DataError, match=message):
            getattr(index, verb)(codes, payload)
        assert len(index) == 20
        found = index.search(codes_of(1), 50)[0].ids.tolist()
    assert sorted(found) == sorted(names(20))


def test_adding_an_id_that_is_there_adds_nothing(engine):
    codes = filled(engine)
    with open_index(engine.address, "w") as index:
        with pytest.raises(DataError, match="'item 3' is in the index already"):
            index.add(codes_of(2, seed=8, ids=["new", "item 3"]))
        assert len(index) == 20
        assert np.array_equal(index.get(["item 3"])[0].packed, codes.packed[[3]])


def test_removing_an_unknown_id_removes_nothing(engine):
    filled(engine)
    with open_index(engine.address, "w") as index:
        with pytest.raises(DataError, match="'nobody' is not in the index"):
            index.remove(["item 1", "nobody"])
        assert len(index) == 20
        index.remove(["item 1", "item 1"])
        assert len(index) == 19


def test_what_was_done_before_an_error_in_the_block_is_done(engine):
    filled(engine)

    def interrupted():
        with open_index(engine.address, "w") as index:
            index.add(codes_of(1, ids=["whole"]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with open_index(engine.address) as index:
        assert len(index) == 21


# -- upkeep --------------------------------------------------------------------------------


def test_compaction_changes_nothing_that_a_search_finds(engine):
    codes = filled(engine, 60)
    gone = names(20, 10)
    kept = codes[[k for k in range(60) if not 10 <= k < 30]]
    with open_index(engine.address, "w") as index:
        index.remove(gone)
        index.compact()
        assert len(index) == 40
        index.add(codes_of(1, seed=4, ids=["late"]), [{"late": 1}], fingerprint="model-a")
        assert index.verify() == []
    with open_index(engine.address) as index:
        everything = Codes.concatenate([kept, codes_of(1, seed=4, ids=["late"])])
        query = codes_of(1, seed=5)
        hit = index.search(query, 41)[0]
        check_nearest(engine, hit, everything, query, 41)
        assert hit.payload == [
            {"late": 1} if key == "late" else payload_of(int(key[5:])) for key in hit.ids.tolist()
        ]


def test_stat_describes_the_index(engine):
    with open_index(engine.address, "w") as index:
        empty = index.stat()
        assert (empty["items"], empty["bits"], empty["ids"]) == (0, None, None)
        index.add(codes_of(9), fingerprint="model-a")
        index.remove([1, 2])
        stat = index.stat()
    assert stat["engine"] == engine.name
    assert (stat["items"], stat["bits"], stat["ids"]) == (7, 16, "int64")
    assert stat["fingerprint"] == "model-a"
    assert stat["removed"] in (2, None)
    assert {"version", "bytes"} <= stat.keys()


def test_reading_and_closed_indexes_refuse_to_be_changed(engine):
    filled(engine)
    index = open_index(engine.address)
    for work in (
        lambda: index.add(codes_of(1, ids=["x"])),
        lambda: index.upsert(codes_of(1, ids=["x"])),
        lambda: index.remove(["item 1"]),
        index.compact,
        index.build_approximate,
    ):
        with pytest.raises(ConfigError, match="open for reading"):
            work()
    index.close()
    index.close()
    for work in (lambda: index.search(codes_of(1), 1), lambda: len(index), index.stat):
        with pytest.raises(ConfigError, match="is closed"):
            work()


def test_an_approximate_search_needs_its_structure(engine):
    filled(engine)
    with open_index(engine.address) as index, pytest.raises(DataError, match="build_approximate"):
        index.search(codes_of(1), 1, approximate=True)


def test_there_is_nothing_to_read_at_a_new_address(engine):
    with pytest.raises(DataError, match="no index"):
        open_index(engine.address)


def test_ids_of_other_string_types_are_strings(engine):
    with open_index(engine.address, "w") as index:
        index.add(Codes(codes_of(2).packed, 16, np.array(["a", "b"], dtype=object)))
        assert index.get(np.array(["b"], dtype=np.dtypes.StringDType()))[0].ids.tolist() == ["b"]
