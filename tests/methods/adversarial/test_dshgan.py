"""DSH-GAN: what it draws, what it never sees, the stage that all lengths share, resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkerboard import pictures, quick, same_weights, split

import crossbit
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.base import FitRun, Hasher

PARTS = split(pictures())
SMALL: dict[str, Any] = {"channels": 4, "generator_channels": 4, "warmup_epochs": 2}


def fit(run: FitRun | None = None, **settings: Any) -> Hasher:
    hasher = quick("dshgan", **SMALL | settings)
    return hasher.fit(PARTS.train, validation=PARTS.validation, run=run)


def test_synthetic_pictures_look_like_their_classes() -> None:
    sizes = {
        "channels": 8,
        "generator_channels": 8,
        "warmup_epochs": 4,
        "min_steps_per_epoch": 30,
        "batch": 32,
    }
    drawing: Any = fit(**sizes, game_lr=3e-3, classification_weight=1.0, epochs=1, refit=False)
    found = drawing.synthesise(np.repeat(np.eye(4), 20, axis=0)).reshape(80, -1)
    classes = np.arange(160) % 4
    every = PARTS.corpus["image"]
    means = np.stack([every[classes == k].mean(axis=0) for k in range(4)])
    nearest = np.square(found[:, None] - means).sum(axis=2).argmin(axis=1)
    assert (nearest == np.repeat(np.arange(4), 20)).mean() > 0.9  # by chance: 0.25


def test_drawing_is_by_seed_and_survives_saving(tmp_path: Path) -> None:
    hasher: Any = fit(epochs=1, refit=False)
    hasher.save(tmp_path)
    again: Any = crossbit.load(tmp_path)
    labels = np.eye(4)[[0, 1, 1, 3]]
    drawn = hasher.synthesise(labels, seed=2)
    assert drawn.shape == (4, 8, 8, 1)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    np.testing.assert_array_equal(again.synthesise(labels, seed=2), drawn)
    assert not np.array_equal(again.synthesise(labels, seed=3), drawn)
    assert again.classes == 4
    with pytest.raises(DataError, match=r"labels must be \(n, 4\), got \(2, 3\)"):
        hasher.synthesise(np.eye(3)[:2])


def test_without_synthetic_pictures_there_is_nothing_to_draw_with() -> None:
    events: list[dict[str, Any]] = []
    hasher: Any = fit(FitRun(report=events.append), synthetic=0.0)
    assert {event["stage"] for event in events} == {"train", "refit"}
    assert not any(name.startswith("synthesiser") for name in hasher._arrays())
    with pytest.raises(ConfigError, match="fitted with synthetic=0, so it has no generator"):
        hasher.synthesise(np.eye(4))
    with pytest.raises(ConfigError, match="this dshgan is not fitted yet"):
        quick("dshgan").synthesise(np.eye(4))


def test_a_step_may_hold_no_synthetic_picture() -> None:
    hasher: Any = fit(epochs=1, refit=False, synthetic=1e-9)
    assert len(hasher.synthesise(np.eye(4)[:0])) == 0
    assert len(hasher.synthesise(np.eye(4))) == 4  # stage 1 was played all the same


def test_hidden_labels_are_never_looked_at() -> None:
    corpus, everything = PARTS.train, PARTS.corpus.take(PARTS.train_rows)
    wrong = everything.require_labels().toarray()
    wrong[~corpus.labelled] = np.roll(wrong[~corpus.labelled], 1, axis=1)
    other = Corpus(corpus.views, labels=wrong, labelled=corpus.labelled, encoders=corpus.encoders)
    hashers = [quick("dshgan", **SMALL, epochs=2).fit(part) for part in (corpus, other)]
    assert same_weights(*hashers)


def test_stage_one_is_played_once_for_all_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = fit(bits=32, refit=False)
    monkeypatch.setenv("CROSSBIT_CACHE", str(tmp_path))
    fit(bits=16, refit=False)
    (kept,) = (tmp_path / "stages").iterdir()
    played = "crossbit.methods.adversarial.dshgan.games.SynthesisGame.begin_epoch"
    with monkeypatch.context() as patch:
        patch.setattr(played, lambda *_: pytest.fail("played again"))
        assert same_weights(fit(bits=32, refit=False), fresh)
        for changed in {"seed": 1}, {"game_lr": 2e-3}, {"mirror": True}:
            with pytest.raises(pytest.fail.Exception, match="played again"):
                fit(refit=False, **changed)
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"is damaged \(.*: learning it now"):
        assert same_weights(fit(bits=32, refit=False), fresh)


@pytest.mark.parametrize("stage", ["synthesis-train", "train", "synthesis-refit", "refit"])
def test_a_fit_that_is_stopped_goes_on_to_the_same_weights(stage: str, tmp_path: Path) -> None:
    whole = fit(generator_every=1)
    first = FitRun(folder=tmp_path)

    def stop(event: dict[str, Any]) -> None:
        if (event["stage"], event["epoch"]) == (stage, 1):
            first.stop.set()

    first.report = stop
    assert fit(first, generator_every=1).trained["stopped"]
    resumed = FitRun(folder=tmp_path, resume=True, report=lambda event: None)
    assert same_weights(fit(resumed, generator_every=1), whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "channels must be at least 1"),
        ({"noise": 0}, "noise must be at least 1"),
        ({"generator_channels": 0}, "generator_channels must be at least 1"),
        ({"trust": -0.1}, "trust must be at least 0"),
        ({"generator_every": -1}, "generator_every must be at least 0"),
        ({"synthetic": 1.1}, "synthetic must be from 0 to 1"),
        ({"average": -0.1}, "average must be from 0 to 1"),
        ({"game_lr": 0.0}, "game_rate must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quick("dshgan", **settings)
