"""HashGAN on pictures and maps: it finds them, it attends to what matters, and it says so."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkerboard import board, maps, quick, split

import crossbit
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import Pixels
from crossbit.methods.adversarial.hashgan import HashGAN
from crossbit.splits import Split
from crossbit.training.run import FitRun

SIDE, PATCH = 32, 12
SIZES = {
    "channels": 8,
    "mirror": False,
    "shift": 1,
    "epochs": 12,
    "hidden": 256,
    "labelled_batch": 64,
}


def scenes(n: int = 200) -> tuple[Corpus, np.ndarray]:
    """Grey noise with a patch of one of four kinds of stripes somewhere, and where it is."""
    rng = np.random.default_rng(0)
    kind, at = np.arange(n) % 4, rng.integers(0, SIDE - PATCH, (n, 2))
    y, x = np.mgrid[:PATCH, :PATCH]
    stripes = np.stack([x, y, x + y, x - y])
    pictures = rng.integers(110, 146, (n, SIDE, SIDE, 3)).astype(np.uint8)
    inside = np.zeros((n, SIDE, SIDE), dtype=bool)
    for k, (top, left) in enumerate(at):
        patch = 30 + 195 * ((stripes[kind[k]] + rng.integers(6)) % 6 < 3)
        pictures[k, top : top + PATCH, left : left + PATCH] = patch[..., None]
        inside[k, top : top + PATCH, left : left + PATCH] = True
    encoder = Pixels(SIDE)
    text = np.eye(4)[kind] @ rng.normal(size=(4, 10)) + 0.1 * rng.normal(size=(n, 10))
    corpus = Corpus(
        {"image": encoder(pictures), "text": text},
        labels=np.eye(4, dtype=bool)[kind],
        encoders={"image": encoder},
        raw={"image": pictures},
        name="scenes",
    )
    return corpus, inside


@cache
def fitted() -> tuple[HashGAN, Split, list[dict[str, Any]]]:
    """A model of scenes, and what it told of its rounds."""
    parts, events = split(scenes()[0], 1.0), []
    hasher = quick("hashgan", **SIZES)
    hasher.fit(parts.train, validation=parts.validation, run=FitRun(report=events.append))
    return hasher, parts, events


def test_pixels_are_found_and_come_back_from_the_model_folder(tmp_path: Path) -> None:
    hasher, parts, _ = fitted()
    assert min(maps(hasher, parts).values()) > 0.9
    hasher.save(tmp_path)
    again = crossbit.load(tmp_path)
    assert again.fingerprint == hasher.fingerprint
    raw = [parts.query.raw_item("image", k) for k in range(len(parts.query))]
    expected = hasher.encode(parts.query["image"], "image").packed
    np.testing.assert_array_equal(again.encode_raw(raw, "image").packed, expected)
    masks = hasher.masks(parts.query["image"], "image")
    np.testing.assert_array_equal(again.masks(parts.query["image"], "image"), masks)


def test_what_tells_classes_apart_is_attended_and_background_is_not() -> None:
    hasher, parts, _ = fitted()
    masks = hasher.masks(parts.query["image"], "image")
    assert masks.shape == (40, 4, 4)
    assert masks.dtype == bool
    inside = scenes()[1][parts.query_rows].reshape(40, 4, 8, 4, 8).mean((2, 4))
    object_, background = masks[inside > 0.6].mean(), masks[inside == 0].mean()
    assert object_ > 0.8
    assert background < 0.5


def test_shares_are_told_by_round_and_kept() -> None:
    hasher, parts, events = fitted()
    for event in events:
        assert 0 < event["loss"]["attended_image"] < 1
        assert 0 < event["loss"]["attended_text"] < 1
        assert event["loss"]["adversarial"] > 0
    rows = parts.train.union(parts.validation)
    for view, share in hasher.trained["attended"].items():
        assert share == pytest.approx(hasher.masks(rows[view], view).mean(), abs=1e-4)
        assert share < 0.95


def test_without_attention_all_is_seen() -> None:
    parts = split(board())
    hasher = quick("hashgan", attention=False, epochs=8).fit(parts.train)
    assert hasher.trained["attended"] == {"image": 1.0, "text": 1.0}
    assert hasher.masks(parts.query["text"], "text").all()
    assert min(maps(hasher, parts).values()) > 0.95


def test_masks_that_do_not_learn_stay_as_they_start() -> None:
    parts = split(board())
    still = {"generator_lr": 0.0, "adversarial_weight": 0.0}
    ways = {
        name: quick("hashgan", epochs=epochs, **settings).fit(parts.train)
        for name, epochs, settings in (("one", 1, still), ("more", 8, still), ("game", 8, {}))
    }
    weights = {name: ways[name]._network.state_dict() for name in ways}
    scores = [key for key in weights["one"] if ".attention." in key]
    assert scores
    for key in scores:
        assert torch.equal(weights["one"][key], weights["more"][key])
        assert not torch.equal(weights["one"][key], weights["game"][key])
    assert ways["more"].trained["attended"]["text"] < 1
    assert min(maps(ways["more"], parts).values()) > 0.9


@pytest.mark.parametrize(
    "settings", [{"loss": "triplets"}, {"pair_weight": 0.5}, {"gate_bias": None}]
)
def test_published_forms_and_pairs_learn_too(settings: dict[str, Any]) -> None:
    parts = split(board())
    hasher = quick("hashgan", epochs=8, **settings).fit(parts.train)
    assert min(maps(hasher, parts).values()) > 0.9


def test_pairs_without_labels_are_learnt_from_if_they_have_a_weight() -> None:
    parts = split(board())
    alone, paired = (quick("hashgan", epochs=1, pair_weight=w).fit(parts.train) for w in (0.0, 0.5))
    assert not np.array_equal(*(h.project(parts.query["text"], "text") for h in (alone, paired)))
    assert (alone._kernel_rows(parts.train) == parts.train.labelled).all()
    assert paired._kernel_rows(parts.train).all()


def test_maps_of_another_network_are_attended_by_position(tmp_path: Path) -> None:
    """One of nine positions holds the class, the others noise."""
    rng = np.random.default_rng(0)
    kind, at = np.arange(200) % 4, rng.integers(0, 9, 200)
    grid = 0.3 * rng.normal(size=(200, 9, 6))
    grid[np.arange(200), at] = 3 * np.abs(rng.normal(size=(4, 6)))[kind]
    text = np.eye(4)[kind] @ rng.normal(size=(4, 10)) + 0.1 * rng.normal(size=(200, 10))
    views = {"image": grid.reshape(200, -1), "text": text}
    parts = split(Corpus(views, labels=np.eye(4, dtype=bool)[kind]), 1.0)
    hasher = quick("hashgan", epochs=8, channels=8, maps="image=3x3x6").fit(parts.train)
    assert min(maps(hasher, parts).values()) > 0.8
    masks = hasher.masks(parts.query["image"], "image")
    assert masks.shape == (40, 3, 3)
    own = masks.reshape(40, 9)[np.arange(40), at[parts.query_rows]]
    assert own.mean() > 0.9 > 2 * (masks.mean() - own.mean() / 9)
    hasher.save(tmp_path)
    assert crossbit.load(tmp_path).fingerprint == hasher.fingerprint


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("image=5x5", ConfigError, "'5x5' is no shape of a map"),
        ("image", ConfigError, "'' is no shape of a map"),
        ("imgae=2x3x4", DataError, "no view 'imgae'; did you mean 'image'"),
        ("image=2x3x5", DataError, "image view has 24 numbers, a map of 2x3x5 has 30"),
    ],
)
def test_maps_that_do_not_fit_are_refused(text: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        quick("hashgan", maps=text).fit(split(board()).train)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adversarial_weight": -1.0}, "weights and shift must not be below 0"),
        ({"shift": -1}, "weights and shift must not be below 0"),
        ({"channels": 6}, "channels must be a multiple of 4"),
        ({"triplets": 0}, "triplets must be at least 1, temperature above 0"),
        ({"temperature": 0.0}, "triplets must be at least 1, temperature above 0"),
        ({"generator_lr": -0.1}, "generator_rate not below 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quick("hashgan", **settings)


def test_the_warning_stands_in_the_event_and_with_the_model(monkeypatch) -> None:
    monkeypatch.setattr(
        "crossbit.methods.adversarial.hashgan.game.collapse", lambda figures: "no masks"
    )
    parts, events = split(board()), []
    hasher = quick("hashgan", epochs=1).fit(parts.train, run=FitRun(report=events.append))
    assert events[0]["warning"] == "no masks"
    assert hasher.trained["warnings"] == [events[0]["warning"]]
