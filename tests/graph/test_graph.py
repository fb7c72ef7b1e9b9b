"""The correlation graph: positives, file, cache, and look-ups as a loop would make them."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from crossbit.errors import ConfigError, CrossbitError, DataError
from crossbit.graph import graph as module
from crossbit.graph.adjacency import NeighbourGraph
from crossbit.graph.blocks import BlockReader
from crossbit.graph.graph import CorrelationGraph, cache_folder, correlation_graph
from crossbit.graph.neighbours import nearest


def views(n: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "image": rng.normal(size=(n, 6)).astype(np.float32),
        "text": rng.poisson(1.0, size=(n, 9)).astype(np.float32),
    }


def positives(graph: CorrelationGraph) -> list[set[int]]:
    """Return every item's positives by a loop."""
    found = [{i} for i in range(len(graph))]
    for at in graph.neighbours.values():
        for i, row in enumerate(at.tolist()):
            found[i] |= set(row)
    return found


def same(a: CorrelationGraph, b: CorrelationGraph) -> bool:
    return (
        (a.metric, list(a.neighbours)) == (b.metric, list(b.neighbours))
        and all(np.array_equal(a.neighbours[v], b.neighbours[v]) for v in a.neighbours)
        and all(np.array_equal(a.distances[v], b.distances[v]) for v in a.distances)
    )


@pytest.fixture
def builds(monkeypatch) -> list[str]:
    """The metrics of all searches for neighbours that were made."""
    made: list[str] = []

    def counted(*arguments, **options):
        made.append(options["metric"])
        return nearest(*arguments, **options)

    monkeypatch.setattr(module, "nearest", counted)
    return made


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_an_item_is_correlated_with_itself_and_its_neighbours_in_any_view(metric) -> None:
    seen = views()
    graph = correlation_graph(seen, 3, metric)
    for view, x in seen.items():
        at, far = nearest(x, 3, metric=metric)
        np.testing.assert_array_equal(graph.neighbours[view], at)
        np.testing.assert_array_equal(graph.distances[view], far)
    indptr, indices = graph.positives
    assert (indptr.dtype, indices.dtype) == (np.int64, np.int32)
    rows = [indices[a:b].tolist() for a, b in pairwise(indptr)]
    assert rows == [sorted(found) for found in positives(graph)]
    assert (len(graph), graph.k) == (40, 3)


def test_a_graph_is_read_as_it_was_written(tmp_path) -> None:
    graph = correlation_graph(views(), 4, "cosine")
    graph.save(tmp_path / "deep" / "graph.npz")
    assert same(CorrelationGraph.load(tmp_path / "deep" / "graph.npz"), graph)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["graph.npz"]


def test_a_damaged_file_is_told_of(tmp_path) -> None:
    path = tmp_path / "graph.npz"
    graph = correlation_graph(views(), 4)
    graph.save(path)
    whole = path.read_bytes()
    for part in (b"", b"no archive", whole[:100], whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(part)
        with pytest.raises(DataError, match="is damaged"):
            CorrelationGraph.load(path)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 100):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(flipped)
        try:  # bits of padding and dates hold nothing
            assert same(CorrelationGraph.load(path), graph)
        except DataError as error:
            assert "is damaged" in str(error) or "format" in str(error)  # noqa: PT017
    with pytest.raises(DataError, match="there is no graph"):
        CorrelationGraph.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"neighbours": np.zeros((4, 2), dtype=np.int64)},
        {"neighbours": np.full((4, 2), 4, dtype=np.int32)},
        {"neighbours": np.full((4, 2), -1, dtype=np.int32)},
        {"distances": np.zeros((4, 1), dtype=np.float32)},
        {"distances": np.zeros((4, 2))},
    ],
)
def test_positions_that_cannot_be_are_damage(tmp_path, change) -> None:
    parts = {
        "neighbours": np.ones((4, 2), dtype=np.int32),
        "distances": np.ones((4, 2), dtype=np.float32),
    }
    parts |= change
    wrong = CorrelationGraph({"a": parts["neighbours"]}, {"a": parts["distances"]}, "cosine")
    wrong.save(tmp_path / "graph.npz")
    with pytest.raises(DataError, match="is damaged"):
        CorrelationGraph.load(tmp_path / "graph.npz")


def test_another_format_is_told_of(tmp_path, monkeypatch) -> None:
    graph = correlation_graph(views(), 4)
    monkeypatch.setattr(module, "FORMAT", 2)
    graph.save(tmp_path / "graph.npz")
    monkeypatch.undo()
    with pytest.raises(
        DataError, match=r"graph\.npz has format 2, this version reads 1; upgrade crossbit"
    ):
        CorrelationGraph.load(tmp_path / "graph.npz")


def test_a_kept_graph_is_not_built_again(tmp_path, builds) -> None:
    seen, said = views(), []
    first = correlation_graph(seen, 3, cache=tmp_path, progress=lambda *now: said.append(now))
    assert len(builds) == 2
    assert {view for view, _ in said} == {"image", "text"}
    assert [done for view, done in said if view == "text"][-1] == 1
    np.save(tmp_path / "image.npy", seen["image"])
    others = [
        seen,
        {
            "image": np.load(tmp_path / "image.npy", mmap_mode="r"),
            "text": sparse.csr_matrix(seen["text"]),
        },
        {view: BlockReader.of(x) for view, x in seen.items()},
    ]
    for other in others:
        assert same(correlation_graph(other, 3, cache=tmp_path), first)
    assert len(builds) == 2


def test_whatever_a_graph_is_made_of_names_it(tmp_path, builds) -> None:
    seen = views()
    changed = {view: x.copy() for view, x in seen.items()}
    changed["text"][39, 8] += 1
    renamed = {"picture": seen["image"], "text": seen["text"]}
    correlation_graph(seen, 3, cache=tmp_path)
    correlation_graph(changed, 3, cache=tmp_path)
    correlation_graph(renamed, 3, cache=tmp_path)
    correlation_graph({"image": seen["image"]}, 3, cache=tmp_path)
    correlation_graph(seen, 2, cache=tmp_path)
    correlation_graph(seen, 3, "cosine", cache=tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 6
    assert len(builds) == 11


def test_a_damaged_kept_graph_is_built_again(tmp_path, builds) -> None:
    first = correlation_graph(views(), 3, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.warns(UserWarning, match="is damaged"):
        assert same(correlation_graph(views(), 3, cache=tmp_path), first)
    assert len(builds) == 4
    assert same(CorrelationGraph.load(path), first)


def test_a_graph_that_cannot_be_kept_is_returned_all_the_same(tmp_path, monkeypatch) -> None:
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CorrelationGraph, "save", full)
    with pytest.warns(UserWarning, match="No space left"):
        found = correlation_graph(views(), 3, cache=tmp_path)
    assert same(found, correlation_graph(views(), 3))


def test_two_builders_at_once_leave_one_whole_graph(tmp_path) -> None:
    together = threading.Barrier(4)
    found: list[CorrelationGraph] = []

    def build() -> None:
        together.wait()
        found.append(correlation_graph(views(200), 5, cache=tmp_path))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = tmp_path.iterdir()
    assert len(found) == 4
    assert all(same(CorrelationGraph.load(path), graph) for graph in found)


def test_where_graphs_are_kept(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CROSSBIT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "graphs"
    monkeypatch.setenv("CROSSBIT_CACHE", "")
    assert cache_folder() is None
    monkeypatch.delenv("CROSSBIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "crossbit" / "graphs"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == tmp_path / "home" / ".cache" / "crossbit" / "graphs"


def test_mistakes_say_what_is_wrong(tmp_path) -> None:
    seen = views()
    cases: list[tuple[type[CrossbitError], str, dict, int, Path | None]] = [
        (ConfigError, "at least one view", {}, 3, None),
        (DataError, "a has 40, b has 39", {"a": seen["image"], "b": seen["text"][1:]}, 3, None),
        (DataError, "need more than 40 rows", seen, 40, None),
        (DataError, "set CROSSBIT_CACHE", seen, 3, tmp_path / "file" / "folder"),
    ]
    (tmp_path / "file").write_text("")
    for kind, words, given_views, k, cache in cases:
        with pytest.raises(kind, match=words):
            correlation_graph(given_views, k, cache=cache)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_look_ups_are_those_of_a_loop(data) -> None:
    n = data.draw(st.integers(2, 25))
    k = data.draw(st.integers(1, n - 1))
    graph = correlation_graph(views(n, data.draw(st.integers(0, 99))), k)
    related, expected = NeighbourGraph(*graph.positives), positives(graph)
    positions = st.lists(st.integers(0, n - 1), max_size=30)
    rows, others = data.draw(positions), data.draw(positions)
    at = torch.tensor(rows, dtype=torch.int64)
    found = related.table(at, torch.tensor(others, dtype=torch.int64))
    assert found.dtype == torch.bool
    assert found.shape == (len(rows), len(others))
    assert found.tolist() == [[j in expected[i] for j in others] for i in rows]
    drawn = related.draw(at, 7, torch.Generator().manual_seed(0))
    assert (drawn.shape, drawn.dtype) == ((len(rows), 7), torch.int64)
    assert all(set(d) <= expected[i] for i, d in zip(rows, drawn.tolist(), strict=True))


def test_draws_are_even_and_repeat_with_their_seed() -> None:
    graph = correlation_graph(views(), 3)
    related = NeighbourGraph(*graph.positives)
    rows = torch.tensor([5, 0, 5])
    drawn = related.draw(rows, 6000, torch.Generator().manual_seed(1))
    for line, row in zip(drawn, rows.tolist(), strict=True):
        items, counts = line.unique(return_counts=True)
        wanted = positives(graph)[row]
        assert set(items.tolist()) == wanted
        even = 6000 / len(wanted)
        assert float(((counts - even) ** 2 / even).sum()) < 40  # chi-square of at most 6 degrees
    assert torch.equal(drawn, related.draw(rows, 6000, torch.Generator().manual_seed(1)))
    assert not torch.equal(drawn[0], drawn[2])
