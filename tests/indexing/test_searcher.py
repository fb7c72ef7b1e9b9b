"""The searcher: batches as single requests, what shares a call, radius, re-ranking and the cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from index_items import codes_of, names

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.index import Index, open_index
from crossbit.index.rerank import rerank_hits
from crossbit.indexing.query import Query, parse_code
from crossbit.indexing.searcher import Searcher, SearchRequest, SearchResult

N = 60


@pytest.fixture
def codes() -> Codes:
    return codes_of(N, ids=names(N))


@pytest.fixture
def index(tmp_path: Path, codes: Codes) -> Iterator[Index]:
    with open_index(tmp_path / "index", "w") as index:
        index.add(codes, [{"flag": k % 2 == 0, "n": k % 2} for k in range(N)])
        yield index


def outputs_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 16)).astype(np.float32)


def result_of(value: SearchResult | Exception) -> SearchResult:
    assert isinstance(value, SearchResult)
    return value


def test_a_batch_finds_what_single_requests_find(index: Index) -> None:
    searcher = Searcher(index)
    requests = [
        SearchRequest(Query(codes_of(1, seed=1)), k=5),
        SearchRequest(Query(codes_of(1, seed=2)), k=50),
        SearchRequest(Query(codes_of(1, seed=3)), k=7),
        SearchRequest(Query(codes_of(1, seed=4)), k=4, radius=6),
        SearchRequest(Query(codes_of(1, seed=5)), k=None, radius=6),
        SearchRequest(Query(codes_of(1, seed=6)), k=5, where=(("n", 1),)),
        SearchRequest(Query.of_outputs(outputs_of(7)), k=5, rerank=20),
    ]
    for request, value in zip(requests, searcher.search_batch(requests), strict=True):
        batch, single = result_of(value), searcher.search(request)
        assert batch.hits.ids.tolist() == single.hits.ids.tolist()
        assert batch.hits.payload == single.hits.payload
        assert request.k is None or len(batch.hits) <= request.k
        assert request.radius is None or batch.hits.distances.max() <= request.radius


def test_requests_of_like_depth_share_a_call(index: Index, monkeypatch) -> None:
    calls, search = [], type(index).search
    monkeypatch.setattr(
        type(index),
        "search",
        lambda self, queries, k, **options: (
            calls.append((len(queries), k)),
            search(self, queries, k, **options),
        )[1],
    )
    requests = [SearchRequest(Query(codes_of(1, seed=k)), k=k) for k in (4, 5, 7, 30)]
    results = Searcher(index).search_batch(requests)
    assert sorted(calls) == [(1, 30), (3, 7)]
    assert [len(result_of(result).hits) for result in results] == [4, 5, 7, 30]


def test_true_is_not_one_in_the_conditions_of_a_batch(index: Index) -> None:
    query = Query(codes_of(1))
    flag, number = Searcher(index).search_batch(
        [
            SearchRequest(query, k=40, where=(("flag", True),)),
            SearchRequest(query, k=40, where=(("flag", 1),)),
        ]
    )
    assert len(result_of(flag).hits) == N // 2
    assert len(result_of(number).hits) == 0


def test_a_request_that_fails_harms_no_other(index: Index) -> None:
    wrong, right = Searcher(index).search_batch(
        [SearchRequest(Query(codes_of(1, bits=24))), SearchRequest(Query(codes_of(1)))]
    )
    assert isinstance(wrong, DataError)
    assert len(result_of(right).hits) == 10


def test_a_radius_cuts_the_ball_and_k_its_head(index: Index, codes: Codes) -> None:
    query = codes_of(1, seed=9)
    distances, positions = hamming.topk(query, codes, N)
    near = [codes.ids[p] for d, p in zip(distances[0], positions[0], strict=True) if d <= 6]
    assert 3 < len(near) < N
    searcher = Searcher(index)
    ball = searcher.search(SearchRequest(Query(query), k=None, radius=6)).hits
    assert ball.ids.tolist() == near
    head = searcher.search(SearchRequest(Query(query), k=3, radius=6)).hits
    assert head.ids.tolist() == near[:3]


def test_re_ranking_orders_the_nearest_before_the_cut(index: Index) -> None:
    outputs = outputs_of(3)
    query = Query.of_outputs(outputs)
    result = Searcher(index).search(SearchRequest(query, k=4, rerank=20))
    hits = index.search(query.codes, 20)
    (expected,), (scores,) = rerank_hits(index, hits, outputs)
    assert result.hits.ids.tolist() == expected.ids[:4].tolist()
    assert result.scores is not None
    assert result.scores.tolist() == scores[:4].tolist()
    assert expected.ids[:4].tolist() != hits[0].ids[:4].tolist()


def test_a_query_of_another_model_is_refused(tmp_path: Path) -> None:
    with open_index(tmp_path / "other", "w") as index:
        index.add(codes_of(3), fingerprint="model-a")
        query = Query(codes_of(1), fingerprint="model-b")
        with pytest.raises(DataError, match="their distances mean nothing"):
            Searcher(index).search(SearchRequest(query))


def test_options_that_do_not_go_together() -> None:
    code, outputs = Query(codes_of(1)), Query.of_outputs(outputs_of(0))
    with pytest.raises(ConfigError, match="a code has no outputs"):
        SearchRequest(code, rerank=20)
    with pytest.raises(ConfigError, match="raise rerank to 10 or more"):
        SearchRequest(outputs, k=10, rerank=5)
    with pytest.raises(ConfigError, match="always exact"):
        SearchRequest(code, radius=3, approximate=True)
    with pytest.raises(ConfigError, match="how many items"):
        SearchRequest(code, k=None)


def test_a_code_is_read_from_hexadecimal_digits() -> None:
    codes = codes_of(1, bits=12)
    assert parse_code(codes.packed.tobytes().hex(), 12).packed.tolist() == codes.packed.tolist()
    assert parse_code("ff00ff", None).bits == 24
    with pytest.raises(ConfigError, match="not hexadecimal"):
        parse_code("xyz", 16)
    with pytest.raises(DataError, match="has 1 bytes, 16-bit codes have 2"):
        parse_code("ff", 16)
