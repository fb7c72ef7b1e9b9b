"""Progress in a terminal and in a log."""

from __future__ import annotations

import pytest

from crossbit.progress import Progress


def event(done: int, **more: object) -> dict:
    figures = {"loss": {"triplet": 0.25}, "validation_map": 0.4123, "warning": None, "seconds": 1.0}
    return {"stage": "game", "epoch": done, "epochs": 3, **figures, **more}


@pytest.mark.parametrize("terminal", [True, False])
def test_figures_and_warnings_are_shown(monkeypatch, capsys, terminal) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if terminal else "0")
    monkeypatch.setenv("COLUMNS", "150")
    with Progress("schgan") as progress:
        assert progress.live == terminal
        progress(event(1, loss=None, validation_map=None))
        for done in 2, 3:
            progress(event(done, warning="5 of 16 bits are dead; lower the rate"))
    shown = capsys.readouterr()
    assert shown.out == "", "stdout is for results"
    assert "schgan game" in shown.err
    assert "3/3" in shown.err
    assert "triplet 0.25  validation MAP 0.412" in shown.err
    assert shown.err.count("warning: 5 of 16 bits are dead; lower the rate") == 1


def test_a_log_gets_few_lines_and_the_time_left(capsys, monkeypatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    clock = iter(range(0, 10_000, 1))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    with Progress("dis") as progress:
        for done in range(1, 101):
            progress({**event(done), "epochs": 100})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 51, "the first round, then every two seconds"
    assert "1:37 left" in lines[1]
    assert "100/100" in lines[-1]
    assert "left" not in lines[-1]
