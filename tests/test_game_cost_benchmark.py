"""The benchmark of the game's cost: its line, its rounds and its page."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import tables
from benchmarks.speed import game_cost

pytestmark = pytest.mark.usefixtures("installed_fake")


def test_a_line_is_fitted_and_its_misses_are_told() -> None:
    straight = game_cost.fit_line((1, 2, 4), (3.0, 5.0, 9.0))
    assert straight["slope"] == pytest.approx(2)
    assert straight["intercept"] == pytest.approx(1)
    assert straight["r2"] == pytest.approx(1)
    assert straight["deviation"] == pytest.approx(0, abs=1e-9)
    bent = game_cost.fit_line((1, 2, 4), (1.0, 4.0, 16.0))
    x, y = np.array([1.0, 2, 4]), np.array([1.0, 4, 16])
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    missed = y - (y.mean() + slope * (x - x.mean()))
    assert bent["slope"] == pytest.approx(slope)
    assert bent["deviation"] == pytest.approx(np.abs(missed / y).max())
    assert bent["r2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_the_timed_rounds_are_of_the_game_with_these_sizes(monkeypatch) -> None:
    from crossbit.training.game import Game

    played: list[tuple[int, int]] = []
    real = Game.begin_epoch

    def watched(game: Game, epoch: int) -> int:
        assert epoch > game.config.warmup_epochs  # the game is on from the first round
        played.append((game.config.query_batch, game.config.pool))
        return real(game, epoch)

    monkeypatch.setattr(Game, "begin_epoch", watched)
    corpus = game_cost.random_corpus(200, 12, 8)
    assert 0 < corpus.labelled.sum() < 60
    sizes = [{"query_batch": 8, "pool": 16}, {"query_batch": 16, "pool": 32}]
    rows = game_cost.measure(
        corpus, sizes, repeats=2, samples=4, hidden=16, batch=200, min_steps_per_epoch=1
    )
    assert played == [(8, 16), (16, 32)] * 3
    assert [(row["query_batch"], row["pool"], len(row["all_seconds"])) for row in rows] == [
        (8, 16, 2),
        (16, 32, 2),
    ]


def test_the_page_of_the_games_cost_shows_both_lines() -> None:
    def sweep(name: str, seconds: tuple[float, ...]) -> tables.Json:
        sizes = game_cost.SWEEPS[name]
        rows = [{"seconds": value} for value in seconds]
        return {"setting": name, "sizes": list(sizes), "rows": rows} | game_cost.fit_line(
            sizes, seconds
        )

    sweeps = [sweep("query_batch", (1.0, 2.0, 4.0)), sweep("pool", (1.0, 2.1, 4.0))]
    value = tables.head("game_cost") | {
        "fixed": game_cost.FIXED,
        "steps": game_cost.STEPS,
        "repeats": 5,
        "data": {"rows": 4096, "image": 512, "text": 256, "labelled": 0.1},
        "sweeps": sweeps,
    }
    page = game_cost.render(value)
    assert "By queries in a step, with 512 candidates in a pool" in page
    assert "| 1,024 | 4.000 | 4.000 |" in page
    assert "R² 1.0000, largest deviation 0.0%" in page
    assert f"largest deviation {sweeps[1]['deviation']:.1%}" in page
