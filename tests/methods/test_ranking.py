"""Rankers: real-valued distances with ties, against a naive loop; what codings are refused."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import board, quick, split
from fake_method import Fake
from scipy import sparse

from crossbit.errors import ConfigError
from crossbit.evaluation import Report, evaluate, save_report
from crossbit.methods import ranking
from crossbit.methods.ranking import ScoreRanker


class Rounded(ScoreRanker):
    """Squared distance of outputs, rounded so that many items are tied."""

    name = "rounded distance"

    def queries(self, items, view):
        return self.hasher.project(items, view)

    def database(self, corpus, view, coding):
        return self.hasher.project(corpus[view], view)

    def distances(self, queries, database):
        return np.round(np.square(queries[:, None] - database[None]).sum(-1), -1)


class Scored(Fake):
    ranker = Rounded


def naive(distances: np.ndarray, related: np.ndarray) -> tuple[list[int], list[int]]:
    """Count one query's items by distance, the nearest first."""
    values = sorted(set(distances.tolist()))
    return (
        [int(related[distances == value].sum()) for value in values],
        [int((distances == value).sum()) for value in values],
    )


def test_ties_are_counted_as_a_naive_loop_counts_them() -> None:
    rng = np.random.default_rng(0)
    distances = rng.integers(0, 6, (30, 50)) / 3
    labels = [sparse.csr_matrix(rng.random((n, 4)) < 0.3) for n in (30, 50)]
    related = (labels[0].astype(int) @ labels[1].T.astype(int)).toarray() > 0

    class Given(Rounded):
        def distances(self, queries, database):
            return distances[queries]

    ((relevant, total),) = Given(Fake()).counts(np.arange(30), None, *labels, 1)
    for row in range(30):
        hits, sizes = naive(distances[row], related[row])
        assert relevant[row, : len(hits)].tolist() == hits
        assert total[row, : len(sizes)].tolist() == sizes
        assert not total[row, len(sizes) :].any()


def test_evaluation_in_parts_is_that_in_one(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    parts = split(board())
    hasher = Scored(bits=16).fit(parts.train)
    whole = evaluate(hasher, parts, ks=(5,))
    monkeypatch.setattr(ranking, "CELLS", 7 * len(parts.database))
    pieces = evaluate(hasher, parts, ks=(5,))
    assert whole.ranking == "rounded distance"
    for name, found in whole.directions.items():
        other = pieces.directions[name]
        assert vars(other.map) == pytest.approx(vars(found.map))
        assert other.map_at[5].expected == pytest.approx(found.map_at[5].expected)
        assert other.random_map == pytest.approx(found.random_map)
        assert other.precision_at == pytest.approx(found.precision_at)
        np.testing.assert_allclose(other.ranking.recall, found.ranking.recall)
        np.testing.assert_array_equal(other.query_ap, found.query_ap)
        assert found.lookup is other.lookup is None
    assert pieces.p_radius == dict.fromkeys(whole.directions)
    save_report(pieces, tmp_path)
    assert Report.load(tmp_path).to_json() == pieces.to_json()
    assert "| – |" in (tmp_path / "report.md").read_text()


def test_hamming_distance_as_a_score_gives_the_same_map() -> None:
    class Bits(Rounded):
        def distances(self, queries, database):
            return ((queries > 0)[:, None] != (database > 0)[None]).sum(-1)

    class AsScore(Fake):
        ranker = Bits

    parts = split(board(noise=1.0))
    plain, scored = (evaluate(kind(bits=16).fit(parts.train), parts) for kind in (Fake, AsScore))
    for name, found in plain.map.items():
        assert vars(scored.map[name]) == pytest.approx(vars(found))


def test_a_coding_that_is_not_offered_is_refused() -> None:
    parts = split(board())
    hasher = quick("dis").fit(parts.train)
    with pytest.raises(ConfigError, match="dis offers no 'fused' codes of a database; it has"):
        evaluate(hasher, parts, coding="fused")
    with pytest.raises(ConfigError, match="no database coding 'fsued'; did you mean 'fused'"):
        evaluate(hasher, parts, coding="fsued")
