"""Approximate search of the embedded engine: recall, staleness, damage."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from index_items import codes_of

from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.index import open_index
from crossbit.index.embedded.approximate import FILE

ROWS = 3000


def clustered() -> Codes:
    """Codes near 30 centres, so that cells and graphs find their way."""
    random = np.random.default_rng(0)
    centres = random.integers(0, 2, (30, 64))
    bits = centres[random.integers(0, 30, ROWS)] ^ (random.random((ROWS, 64)) < 0.06)
    return Codes.pack(bits, np.arange(ROWS) * 10)


@pytest.fixture
def folder(tmp_path):
    with open_index(tmp_path / "index", "w") as index:
        index.add(clustered(), [{"row": k} for k in range(ROWS)])
        index.remove(np.arange(0, 200) * 10)
    return tmp_path / "index"


def recall(index, queries: Codes) -> float:
    exact = index.search(queries, 10)
    found = index.search(queries, 10, approximate=True)
    good = [
        (near.distances <= right.distances[-1]).sum()
        for near, right in zip(found, exact, strict=True)
    ]
    return float(np.sum(good)) / (10 * len(queries))


def test_all_cells_are_an_exact_search(folder):
    pytest.importorskip("faiss")
    with open_index(folder, "w") as index:
        assert index.build_approximate("ivf", cells=20, probes=20) == 1.0
        queries = codes_of(20, seed=3, bits=64)
        exact, found = index.search(queries, 5), index.search(queries, 5, approximate=True)
    for near, right in zip(found, exact, strict=True):
        assert near.distances.tolist() == right.distances.tolist()
        own = {item["row"] * 10 for item in near.payload}
        assert own == set(near.ids.tolist())
        assert min(near.ids) >= 2000, "removed items are not in it"


@pytest.mark.parametrize(
    ("kind", "options"), [("ivf", {}), ("ivf", {"probes": 1}), ("hnsw", {"links": 8})]
)
def test_the_stated_recall_is_what_a_search_reaches(folder, kind, options):
    pytest.importorskip("faiss")
    with open_index(folder, "w") as index:
        stated = index.build_approximate(kind, **options)
    with open_index(folder) as index:
        about = index.stat()["approximate"]
        assert (about["kind"], about["recall"], about["current"]) == (kind, stated, True)
        reached = recall(index, clustered()[np.arange(200, 600)])
    assert stated > 0.6
    assert abs(reached - stated) < 0.08


def test_fewer_probes_recall_less(folder):
    pytest.importorskip("faiss")
    with open_index(folder, "w") as index:
        few = index.build_approximate("ivf", cells=100, probes=1)
        many = index.build_approximate("ivf", cells=100, probes=60)
    assert few < 0.95 < many


def test_any_write_outdates_it(folder):
    pytest.importorskip("faiss")
    query = codes_of(1, bits=64)
    with open_index(folder, "w") as index:
        index.build_approximate("ivf", cells=5)
        index.search(query, 3, approximate=True)
        for work in (
            lambda: index.add(codes_of(1, bits=64, ids=[1])),
            lambda: index.remove([1]),
            index.compact,
        ):
            work()
            with pytest.raises(DataError, match=r"of version \d+ of the index, which is at \d+"):
                index.search(query, 3, approximate=True)
            assert index.stat()["approximate"]["current"] is False
            assert len(index.search(query, 3)[0]) == 3
            assert index.verify() == []
            index.build_approximate("ivf", cells=5)
            assert len(index.search(query, 3, approximate=True)[0]) == 3
        more = index.search(query, 5000, approximate=True)[0]
        assert len(more) <= len(index)


def test_a_damaged_structure_is_refused_and_reported(folder):
    pytest.importorskip("faiss")
    with open_index(folder, "w") as index:
        index.build_approximate("hnsw")
    whole = (folder / FILE).read_bytes()
    for place in 0, 9, 40, len(whole) // 2, len(whole) - 1:
        broken = bytearray(whole)
        broken[place] ^= 4
        (folder / FILE).write_bytes(bytes(broken))
        with open_index(folder) as index:
            with pytest.raises(DataError, match="does not match its checksum"):
                index.search(codes_of(1, bits=64), 3, approximate=True)
            assert any(FILE in problem for problem in index.verify())
            assert len(index.search(codes_of(1, bits=64), 3)[0]) == 3
    (folder / FILE).write_bytes(whole[:10])
    with open_index(folder) as index:
        assert any(FILE in problem for problem in index.verify())


def test_settings_that_mean_nothing_are_refused(folder):
    with open_index(folder, "w") as index:
        for kind, options, message in (
            ("tree", {}, "no approximate search of kind 'tree'"),
            ("ivf", {"links": 3}, "ivf has no setting 'links'"),
            ("ivf", {"cells": 0}, "cells must be a whole number from 1 up"),
            ("hnsw", {"search": 1.5}, "search must be a whole number"),
        ):
            with pytest.raises(ConfigError, match=message):
                index.build_approximate(kind, **options)
        for filtered in {"allowed": [10]}, {"where": {"row": 1}}:
            with pytest.raises(ConfigError, match="cannot be filtered"):
                index.search(codes_of(1, bits=64), 1, approximate=True, **filtered)


def test_without_faiss_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with (
        open_index(folder, "w") as index,
        pytest.raises(MissingDependencyError, match=r"pip install 'crossbit\[approximate\]'"),
    ):
        index.build_approximate()


@pytest.mark.parametrize("n", [1, 2, 11])
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_few_items_are_no_trouble(tmp_path, kind, n):
    pytest.importorskip("faiss")
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes_of(n))
        assert index.build_approximate(kind) == 1.0
        assert len(index.search(codes_of(3), 5, approximate=True)[2]) == min(n, 5)
