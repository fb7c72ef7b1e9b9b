"""`crossbit extract`: from raw items to a model that takes raw queries; interruptions; mistakes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import efficientnet_state, save_clip, save_siglip, vgg19_state

import crossbit
from crossbit import datasets, features
from crossbit.features.bow import BagOfWords
from crossbit.features.pixels import Pixels

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_clip(folder / "clip")
    save_siglip(folder / "siglip")
    torch.save(vgg19_state(), folder / "vgg19.pth")
    torch.save(efficientnet_state(), folder / "lite0.pth")
    return folder


def extract(invoke, *arguments):
    result = invoke("extract", *arguments)
    assert result.exit_code == 0, result.output
    return result


def test_pixels_and_words_are_what_the_table_gives_by_itself(invoke, table) -> None:
    result = extract(
        invoke, table, "--image", "pixels", "--text", "bow", "--to", "features/pairs", "--rows", 25
    )
    assert "60 of 60 items (image and text), " in result.stdout
    assert "; shards: 3" in result.stdout
    assert "images/s" in result.stdout
    assert "crossbit fit features/pairs" in result.stdout
    assert "extract items 60/60" in result.stderr
    assert "items/s" in result.stderr
    found, expected = datasets.load("features/pairs"), datasets.load(table)
    np.testing.assert_array_equal(found["image"], expected["image"])
    np.testing.assert_array_equal(found["text"].toarray(), expected["text"].toarray())
    np.testing.assert_array_equal(
        found.require_labels().toarray(), expected.require_labels().toarray()
    )
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.label_names == expected.label_names
    for view in "image", "text":
        assert found.encoders[view].to_json() == expected.encoders[view].to_json()
    assert found.raw["image"].source(7) == expected.raw["image"].source(7)
    again = extract(
        invoke, table, "--image", "pixels", "--text", "bow", "--to", "features/pairs", "--rows", 25
    )
    assert "all there before" in again.stdout


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_model_of_extracted_features_takes_raw_queries(invoke, table, models, kind) -> None:
    encoder = f"{kind}:{models / kind}"
    extract(invoke, table, "--image", encoder, "--text", encoder, "--to", "f", "--dtype", "float16")
    fitted = invoke("fit", "f", "--method", "fake", "--bits", 16, "--out", "run")
    assert fitted.exit_code == 0, fitted.output
    hasher = crossbit.load("run")
    assert hasher.encoders["image"].to_json()["sha256"]
    # What is stored is what the encoder gives for a raw item now, but for the rounding of float16.
    corpus = datasets.load("f")
    picture = table.parent / "7.png"
    fresh = hasher.encoders["image"]([picture])
    np.testing.assert_allclose(corpus["image"][7:8], fresh, atol=1e-3)
    for query in ("--image", picture), ("--text", "a green square"):
        found = invoke("search", "run", *query, "-k", 5, "--json")
        assert found.exit_code == 0, found.output
        items = json.loads(found.stdout)
        assert len(items) == 5
        assert items[0]["path"].endswith(".png")
    # Random weights still tell plain colours apart.
    items = json.loads(invoke("search", "run", "--image", picture, "-k", 5, "--json").stdout)
    assert {tuple(item["labels"]) for item in items} == {("green",)}


def test_layers_of_vgg19(invoke, table, models, tmp_path) -> None:
    weights = f"vgg19:{models / 'vgg19.pth'}"
    small = tmp_path / "small.csv"
    small.write_text("\n".join(table.read_text().splitlines()[:4]) + "\n")
    common = (small, "--option", f"images={table.parent}", "--image", weights, "--rows", 2, "--to")
    extract(invoke, *common, "fc7", "--text", "bow")
    extract(invoke, *common, "maps", "--image-set", "layer=conv5")
    assert datasets.load("fc7").dims["image"] == 12
    assert np.load("maps/image/00000.npy").shape == (2, 14, 14, 16)
    maps = datasets.load("maps")
    assert maps.dims == {"image": 14 * 14 * 16}
    fresh = maps.encoders["image"]([table.parent / "2.png"])
    np.testing.assert_allclose(maps["image"][2:3], fresh, rtol=1e-4, atol=1e-5)


def test_efficientnet_needs_no_file_where_its_weights_are_installed(
    invoke, table, models, tmp_path
) -> None:
    small = tmp_path / "small.csv"
    small.write_text("\n".join(table.read_text().splitlines()[:4]) + "\n")
    common = (small, "--option", f"images={table.parent}", "--to")
    extract(invoke, *common, "pooled", "--image", "efficientnet", "--text", "bow")
    own = f"efficientnet:{models / 'lite0.pth'}"
    extract(invoke, *common, "maps", "--image", own, "--image-set", "layer=maps")
    assert np.load("maps/image/00000.npy").shape == (3, 7, 7, 320)
    pooled = datasets.load("pooled")
    assert pooled.dims["image"] == 1280
    fresh = pooled.encoders["image"]([table.parent / "2.png"])
    np.testing.assert_allclose(pooled["image"][2:3], fresh, rtol=1e-3, atol=1e-4)


def test_settings_reach_the_encoders(invoke, table) -> None:
    settings = ("--text-set", "min_count=2", "--text-set", "max_words=3", "--image-set", "size=4")
    extract(invoke, table, "--image", "pixels", "--text", "bow", *settings, "--to", "f")
    corpus = datasets.load("f")
    assert corpus.dims == {"image": 48, "text": 3}
    texts = [corpus.raw_item("text", k) for k in range(60)]
    expected = BagOfWords.fit(texts, min_count=2, max_words=3)
    assert corpus.encoders["text"].to_json() == expected.to_json()


def test_bad_pictures_are_counted_and_listed(invoke, table, tmp_path) -> None:
    shutil.copytree(table.parent, tmp_path / "copy")
    (tmp_path / "copy" / "9.png").write_bytes(b"no picture")
    command = ("copy/pairs.csv", "--image", "pixels", "--text", "bow", "--to")
    stopped = invoke("extract", *command, "stop")
    assert stopped.exit_code == 2
    assert "error: item item09: the picture" in stopped.stderr
    assert "--bad skip" in stopped.stderr
    result = extract(invoke, *command, "skip", "--bad", "skip")
    assert "60 of 60 items" in result.stdout
    assert "pictures that could not be read: 1, listed in skip/bad.csv" in result.stdout
    assert "9.png" in Path("skip/bad.csv").read_text()
    assert np.flatnonzero(~datasets.load("skip").has("image")).tolist() == [9]
    alone = extract(invoke, *command[:3], "--to", "alone", "--bad", "skip")
    assert "59 of 60 items (image)" in alone.stdout
    assert "items left out, with nothing to extract from: 1" in alone.stdout


def test_folders_and_datasets_are_sources_too(invoke, table, tmp_path) -> None:
    for k in range(3):
        shutil.copy(table.parent / f"{k}.png", tmp_path)
        (tmp_path / f"{k}.txt").write_text(f"a text of {k}")
    extract(invoke, tmp_path, "--image", "pixels", "--text", "bow", "--to", "features")
    corpus = datasets.load("features")
    assert corpus.ids.tolist() == ["0.png", "1.png", "2.png"]
    assert corpus.raw_item("text", 2) == "a text of 2"
    extract(invoke, "glyphs", "--text", "bow", "--to", "glyphs-text")
    glyphs = datasets.load("glyphs")
    found = datasets.load("glyphs-text")
    assert (found["text"] != glyphs["text"]).nnz == 0
    assert (found.require_labels() != glyphs.require_labels()).nnz == 0
    assert found.label_names == glyphs.label_names


def test_an_index_takes_the_features_as_they_are(invoke, table, monkeypatch) -> None:
    command = ("--image", "pixels", "--text", "bow", "--to", "f")
    extract(invoke, table, *command)
    assert invoke("fit", "f", "--method", "fake", "--out", "run").exit_code == 0

    def never(self, items):
        raise AssertionError("nothing needs to be encoded again")

    monkeypatch.setattr(Pixels, "__call__", never)
    result = invoke("index", "build", "run", "f", "--view", "image", "--to", "i")
    assert result.exit_code == 0, result.output
    assert "60 items" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to extract; give an encoder for the image or the text"),
        (("--image", "bow"), "no encoder 'bow' reads images"),
        (("--text", "pixels"), "no encoder 'pixels' reads texts"),
        (("--image", "vgg18:x"), "no encoder 'vgg18' reads images; did you mean 'vgg19'"),
        (("--image", "vgg19"), "vgg19 needs its weights: vgg19:PATH"),
        (("--text", "bow:x"), "bow has nothing after a colon"),
        (("--text", "bow", "--text-set", "words=3"), "the settings of bow are wrong"),
        (("--image", "pixels", "--image-set", "sise=3"), "of a pixels encoder is wrong"),
        (("--image", "pixels", "--dtype", "int8"), "dtype is 'int8'"),
        (("--image", "vgg19:none.pth"), "there is no weight file"),
        (("--image", "pixels", "--option", "size=3"), "a table has no option 'size' here"),
    ],
)
def test_mistakes_end_in_one_line(invoke, table, arguments, message) -> None:
    result = invoke("extract", table, *arguments, "--to", "f")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("f").exists()


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    code = "from crossbit.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, "extract", "pairs.csv", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(file: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while not file.is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def let_go(pipe: Path, process: subprocess.Popen) -> None:
    """Write into the pipe if the process reads it, until the process has ended."""
    end = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < end
        with contextlib.suppress(OSError):  # nobody reads
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            os.write(writer, b"no picture")
            os.close(writer)
        time.sleep(0.02)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("way", ["kill -9", "Ctrl-C"])
def test_an_interrupted_run_goes_on_at_the_first_missing_shard(
    invoke, table, tmp_path, way
) -> None:
    """A picture that is a pipe holds the process up in the middle of the fourth shard."""
    arguments = ["--image", "pixels", "--text", "bow", "--rows", "10", "--bad", "skip", "--to"]
    shutil.copytree(table.parent, tmp_path / "copy")
    picture = tmp_path / "copy" / "35.png"
    content = picture.read_bytes()
    picture.unlink()
    os.mkfifo(picture)
    process = start(tmp_path / "copy", *arguments, "f", "--batch", "2", "--threads", "1")
    folder = tmp_path / "copy" / "f"
    wait_for(folder / "metadata" / "00002.parquet", process)
    if way == "kill -9":
        process.kill()
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
    else:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if "stopping after this batch; press Ctrl-C again" in line:
                break
        let_go(picture, process)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "stopped after 30 items; run the same command again to go on" in said
    assert sorted(file.name for file in (folder / "metadata").glob("*.parquet")) == [
        f"0000{k}.parquet" for k in range(3)
    ]
    picture.unlink()
    picture.write_bytes(content)
    os.chdir(tmp_path / "copy")
    times = {file: file.stat().st_mtime_ns for file in folder.rglob("0000[012].*")}
    result = extract(invoke, "pairs.csv", *arguments, "f")
    assert "60 of 60 items (image and text)" in result.stdout
    assert times == {file: file.stat().st_mtime_ns for file in folder.rglob("0000[012].*")}
    extract(invoke, "pairs.csv", *arguments, "whole")
    found, expected = datasets.load("f"), datasets.load("whole")
    np.testing.assert_array_equal(found["image"], expected["image"])
    assert (found["text"] != expected["text"]).nnz == 0
    assert found.ids.tolist() == expected.ids.tolist()
    assert not Path("f/bad.csv").exists()
    assert {file.relative_to(folder) for file in folder.rglob("*")} == {
        file.relative_to("whole") for file in Path("whole").rglob("*")
    }


def test_every_kind_of_encoder_can_be_named() -> None:
    from crossbit.features.named import NAMES

    assert sorted(NAMES) == features.kinds()


def test_a_picture_to_search_with_need_not_be_in_the_data(invoke, table, models, tmp_path) -> None:
    encoder = f"clip:{models / 'clip'}"
    extract(invoke, table, "--image", encoder, "--text", encoder, "--to", "f")
    assert invoke("fit", "f", "--method", "fake", "--out", "run").exit_code == 0
    Image.new("RGB", (50, 70), (230, 30, 30)).save(tmp_path / "query.jpg")
    found = json.loads(invoke("search", "run", "--image", "query.jpg", "-k", 5, "--json").stdout)
    assert {tuple(item["labels"]) for item in found} == {("red",)}
