"""The model folder: damaged, edited or foreign, it is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkerboard import board, quick, split

import crossbit
from crossbit.errors import MissingDependencyError, ModelError
from crossbit.methods.folder import read_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "whole"
    parts = split(board())
    quick("dis", epochs=1).fit(parts.train, validation=parts.validation).save(folder)
    return folder


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def edit(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((model / "config.json").read_text())
    change(config)
    (model / "config.json").write_text(json.dumps(config))


def test_the_undamaged_copy_loads(model: Path) -> None:
    assert crossbit.load(model).name == "dis"


def test_a_truncated_weights_file_is_refused(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"model\.safetensors does not match its checksum"):
        crossbit.load(model)


def test_one_flipped_bit_in_the_weights_is_noticed(model: Path) -> None:
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="truncated or edited; restore it or train again"):
        crossbit.load(model)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format": 2}', "\x00\xff"])
def test_a_damaged_config_is_refused(model: Path, text: str) -> None:
    (model / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"cannot be read .*restore it or train again"):
        crossbit.load(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["settings"].update(seed=5),
        lambda config: config["settings"].update(margin=2.0),
        lambda config: config.update(fingerprint="0" * 64),
        lambda config: config.update(method="displus"),
    ],
    ids=["seed", "margin", "fingerprint", "method"],
)
def test_edited_settings_are_noticed(model: Path, change: Any) -> None:
    edit(model, change)
    with pytest.raises(ModelError, match="restore it or train again"):
        crossbit.load(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["settings"].update(hidden=32),
        lambda config: config["settings"].update(bits=12),
        lambda config: config["settings"].update(colour="red"),
        lambda config: config["dims"].update(image=9),
        lambda config: config["dims"].pop("text"),
        lambda config: config.update(method="no such"),
        lambda config: config.pop("weights_sha256"),
    ],
    ids=["hidden", "bits", "unknown setting", "width", "view", "unknown method", "missing key"],
)
def test_a_config_that_contradicts_the_weights_is_refused(model: Path, change: Any) -> None:
    edit(model, change)
    with pytest.raises(ModelError, match="restore it or train again"):
        crossbit.load(model)


@pytest.mark.parametrize("version", [1, 3, 0, "2", None])
def test_an_unknown_format_is_refused(model: Path, version: object) -> None:
    edit(model, lambda config: config.update(format=version))
    with pytest.raises(ModelError, match=r"config\.json has format .* reads 2; upgrade crossbit"):
        crossbit.load(model)


def test_missing_files_are_named(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks model\.safetensors; copy the whole model folder"):
        crossbit.load(model)
    for folder in tmp_path, tmp_path / "nowhere":
        with pytest.raises(ModelError, match=r"no model in .*train one with `crossbit fit`"):
            crossbit.load(folder)


def test_a_missing_package_is_named_and_the_model_not_blamed(model: Path) -> None:
    def get(name: str) -> Any:
        raise MissingDependencyError(f"{name} needs torch")

    with pytest.raises(MissingDependencyError, match="dis needs torch"):
        read_model(model, get)


def test_whole_numbers_and_numpy_numbers_come_back(tmp_path: Path) -> None:
    train = split(board()).train
    first = quick("dis", epochs=1, bits=np.int64(16), margin=1, lr=np.float32(0.5)).fit(train)
    first.save(tmp_path)
    again = crossbit.load(tmp_path)
    assert again.fingerprint == first.fingerprint
    assert again.settings == first.settings
    assert again.settings["margin"] == 1.0


def test_settings_decide_the_fingerprint_even_with_equal_weights() -> None:
    train = split(board()).train
    a, b = (quick("dis", epochs=1, patience=p).fit(train) for p in (0, 3))
    assert a.fingerprint != b.fingerprint


@pytest.mark.parametrize("killed_at", ["write config.json", "rename the weights"])
def test_a_save_that_is_killed_leaves_the_old_model_or_the_new_one(
    model: Path, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = split(board())
    new = quick("dis", epochs=1, seed=7).fit(parts.train, validation=parts.validation)
    old = crossbit.load(model)

    class KilledError(BaseException):
        pass

    def kill(*_: object) -> None:
        raise KilledError

    step = {"write config.json": "write_json", "rename the weights": "move_file"}[killed_at]
    monkeypatch.setattr(f"crossbit.methods.folder.{step}", kill)
    with pytest.raises(KilledError):
        new.save(model)
    monkeypatch.undo()
    expected = old if killed_at == "write config.json" else new
    assert crossbit.load(model).fingerprint == expected.fingerprint
    new.save(model)
    assert crossbit.load(model).fingerprint == new.fingerprint
    assert not list(model.glob("*.next"))
