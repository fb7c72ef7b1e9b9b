"""Re-ranking the hits of an index, whatever the engine."""

from __future__ import annotations

import numpy as np
import pytest
from index_items import codes_of, names

from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.hamming.asymmetric import rerank
from crossbit.index import open_index
from crossbit.index.rerank import rerank_hits


@pytest.fixture
def address(tmp_path):
    address = str(tmp_path / "reranked")
    with open_index(address, "w") as index:
        index.add(codes_of(60, 0, ids=names(60)), [{"row": k} for k in range(60)])
    return address


def test_hits_come_in_the_order_of_the_asymmetric_distance(address) -> None:
    codes = codes_of(60, 0, ids=names(60))
    row = {key: k for k, key in enumerate(names(60))}
    outputs = np.random.default_rng(1).normal(size=(4, 16))
    queries = Codes.pack(outputs > 0)
    with open_index(address) as index:
        found = index.search(queries, 20)
        found[2] = index.range_search(queries[2], 3)[0]  # lists may differ in length
        hits, distances = rerank_hits(index, found, outputs)
    for i, (before, after) in enumerate(zip(found, hits, strict=True)):
        given = np.array([[row[key] for key in before.ids.tolist()]], dtype=np.int64)
        expected = rerank(outputs[i : i + 1], codes, given)
        assert np.array_equal(distances[i], expected[0][0])
        assert after.ids.tolist() == codes.ids[expected[1][0]].tolist()
        assert after.distances.tolist() == codes[expected[1][0]].distance(queries[i]).tolist()
        assert after.payload == [{"row": at} for at in expected[1][0].tolist()]
    assert any(a.ids.tolist() != b.ids.tolist() for a, b in zip(found, hits, strict=True))


def test_hits_without_payload_and_no_hits_at_all(address) -> None:
    outputs = np.ones((2, 16))
    queries = Codes.pack(outputs > 0)
    with open_index(address) as index:
        hits, _ = rerank_hits(index, index.search(queries, 5, payload=False), outputs)
        assert [(len(hit), hit.payload) for hit in hits] == [(5, []), (5, [])]
        nothing = index.search(queries, 5, allowed=[])
        hits, distances = rerank_hits(index, nothing, outputs)
        assert [len(hit) for hit in hits] == [len(d) for d in distances] == [0, 0]
        with pytest.raises(DataError, match="hits of 2 queries but outputs of 1"):
            rerank_hits(index, nothing, outputs[:1])
        with pytest.raises(DataError, match=r"must be \(q, 16\) numbers"):
            rerank_hits(index, index.search(queries, 5), outputs[:, :8])
