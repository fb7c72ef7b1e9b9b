"""Every file that is read may be damaged: what comes of it is an error, never a crash."""

from __future__ import annotations

import json
import shutil
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkerboard import board, quick, split
from digit_files import write_digits
from fake_method import Fake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import sparse

import crossbit
from crossbit import datasets, methods
from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.datasets.source import open_source
from crossbit.errors import CrossbitError
from crossbit.evaluation import save_report
from crossbit.evaluation.report import Report
from crossbit.features.bow import BagOfWords
from crossbit.features.extraction import extract
from crossbit.features.pixels import Pixels, open_picture
from crossbit.graph.graph import CorrelationGraph, correlation_graph
from crossbit.indexing.code_files import read_codes, write_codes
from crossbit.runs.config import ExperimentConfig, read_toml
from crossbit.runs.folder import FINISHED, RunFolder, config_of
from crossbit.splits import Split, make_split
from crossbit.training.run import FitRun

N = 24
BOARD = split(board()).train
TEXTS = [f"a {'red' if k % 2 else 'blue'} thing n{k}" for k in range(N)]


def corpus() -> Corpus:
    random = np.random.default_rng(0)
    words = BagOfWords.fit(TEXTS)
    return Corpus(
        {"image": random.normal(size=(N, 6)).astype(np.float32), "text": words(TEXTS)},
        labels=np.eye(2, dtype=bool)[np.arange(N) % 2],
        encoders={"text": words},
        raw={"text": TEXTS},
    )


def picture(kind: str) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


# -- each format: how a folder of it is made, and how it is read -----------------------------------


def make_model(folder: Path) -> None:
    Fake(bits=16).fit(corpus()).save(folder)


def read_model(folder: Path) -> Any:
    return methods.load(folder).encode_raw(["a red thing"], "text")


def make_index(folder: Path) -> None:
    codes = Codes(np.random.default_rng(2).integers(0, 256, (N, 2), dtype=np.uint8), 16)
    with crossbit.open_index(folder, "w") as index:
        index.add(codes, [{"caption": text} for text in TEXTS])


def read_index(folder: Path) -> Any:
    with crossbit.open_index(folder) as index:
        index.verify()
        return index.search(Codes(np.zeros((1, 2), dtype=np.uint8), 16), 5)


def make_arrays(folder: Path) -> None:
    np.save(folder / "image.npy", np.ones((N, 3), dtype=np.float32))
    sparse.save_npz(folder / "text.npz", sparse.csr_matrix(np.eye(N, 5, dtype=np.float32)))
    np.save(folder / "labels.npy", np.arange(N) % 3)
    (folder / "ids.txt").write_text("\n".join(f"i{k}" for k in range(N)))


def make_table(folder: Path) -> None:
    (folder / "one.png").write_bytes(picture("PNG"))
    lines = [f'one.png,"{text}",x|y' for text in TEXTS]
    (folder / "pairs.csv").write_text("image,text,labels\n" + "\n".join(lines))


def make_lines(folder: Path) -> None:
    lines = [json.dumps({"text": text, "labels": ["x"], "id": k}) for k, text in enumerate(TEXTS)]
    (folder / "pairs.jsonl").write_text("\n".join(lines))


def make_features(folder: Path) -> None:
    source = folder.parent / "source"
    source.mkdir(exist_ok=True)
    make_table(source)
    encoders = {"image": Pixels(2), "text": BagOfWords.fit(TEXTS)}
    extract(open_source(source / "pairs.csv"), encoders, folder, rows_per_shard=10)


def make_embeddings(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    for name in ("img_emb", "text_emb", "metadata"):
        (folder / name).mkdir()
    for part in range(2):
        for name in ("img_emb", "text_emb"):
            np.save(folder / name / f"{name}_{part}.npy", np.ones((4, 3), dtype=np.float16))
        table = pyarrow.table({"caption": TEXTS[:4], "image_path": ["a.png"] * 4})
        pyarrow.parquet.write_table(table, folder / "metadata" / f"metadata_{part}.parquet")


def make_codes(folder: Path) -> None:
    write_codes(folder, Codes(np.ones((N, 2), dtype=np.uint8), 16), {"fingerprint": None})


def make_split_file(folder: Path) -> None:
    make_split(corpus(), "random", 0, queries=5).save(folder / "split.json")


def make_pictures(folder: Path) -> None:
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        (folder / f"one.{kind.lower()}").write_bytes(picture(kind))


def make_report(folder: Path) -> None:
    split = make_split(corpus(), "random", 0, queries=6)
    save_report(crossbit.evaluate(Fake(bits=16).fit(split.train), split), folder)


def make_plan(folder: Path) -> None:
    (folder / "plan.toml").write_text(
        '[data]\nname = "glyphs"\n[split]\nseed = 3\nlabelled = 0.1\n'
        '[method]\nname = "fake"\nbits = 32\nmargin = 5\n'
    )


def read_plan(folder: Path) -> Any:
    return ExperimentConfig.from_json(read_toml(folder / "plan.toml")).resolved()


def make_run(folder: Path) -> None:
    RunFolder(folder).write(ExperimentConfig(data="glyphs", method="fake").resolved(), FINISHED)
    Fake(bits=16).fit(corpus()).save(folder)


def read_run(folder: Path) -> Any:
    run = RunFolder(folder)
    return config_of(run.finished()), run.hasher


def make_graph(folder: Path) -> None:
    points = np.random.default_rng(3).normal(size=(N, 4)).astype(np.float32)
    correlation_graph({"image": points}, 3).save(folder / "graph.npz")


def make_checkpoint(folder: Path) -> None:
    stop = threading.Event()
    run = FitRun(folder=folder, report=lambda event: stop.set(), stop=stop)
    quick("dis", epochs=3, min_steps_per_epoch=1, hidden=4).fit(BOARD, run=run)


def read_checkpoint(folder: Path) -> Any:
    run = FitRun(folder=folder, resume=True)
    return quick("dis", epochs=3, min_steps_per_epoch=1, hidden=4).fit(BOARD, run=run)


def make_digits(folder: Path) -> None:
    write_digits(folder, 20)


def make_photographs(folder: Path) -> None:
    place = folder / "cifar-10-batches-bin"
    place.mkdir()
    records = np.random.default_rng(4).integers(0, 256, (2, 3073), dtype=np.uint8)
    records[:, 0] = (0, 7)
    for number in range(1, 6):
        (place / f"data_batch_{number}.bin").write_bytes(records.tobytes())
    (place / "batches.meta.txt").write_text("\n".join("abcdefghij"))


def read_pictures(folder: Path) -> Any:
    return [Pixels(3)([file]) for file in sorted(folder.iterdir())]


FORMATS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "model": (make_model, read_model),
    "index": (make_index, read_index),
    "arrays": (make_arrays, datasets.load),
    "csv": (make_table, lambda folder: datasets.load(folder / "pairs.csv")),
    "jsonl": (make_lines, lambda folder: datasets.load(folder / "pairs.jsonl")),
    "features": (make_features, datasets.load),
    "embeddings": (make_embeddings, datasets.load),
    "codes": (make_codes, read_codes),
    "split": (make_split_file, lambda folder: Split.load(folder / "split.json", corpus())),
    "report": (make_report, Report.load),
    "plan": (make_plan, read_plan),
    "run": (make_run, read_run),
    "graph": (make_graph, lambda folder: CorrelationGraph.load(folder / "graph.npz")),
    "checkpoint": (make_checkpoint, read_checkpoint),
    "digits": (make_digits, lambda folder: datasets.load("mnist", folder)),
    "photographs": (make_photographs, lambda folder: datasets.load("cifar10", folder)),
    "pictures": (make_pictures, read_pictures),
}


@pytest.fixture(params=sorted(FORMATS))
def whole(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Any:
    monkeypatch.setitem(methods.BUILT_IN, "fake", "fake_method:Fake")
    make, read = FORMATS[request.param]
    folder = tmp_path / "whole"
    folder.mkdir()
    make(folder)
    read(folder)
    return folder, read


def test_damage_is_an_error_that_can_be_mended(whole: Any, tmp_path: Path) -> None:
    folder, read = whole
    files = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())

    @given(
        file=st.sampled_from(files),
        where=st.floats(0, 1, exclude_max=True),
        change=st.sampled_from(["flip", "cut", "zero", "insert", "empty", "text"]),
        value=st.integers(1, 255),
    )
    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def damage(file: Path, where: float, change: str, value: int) -> None:
        broken = tmp_path / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(folder, broken)
        data = bytearray((broken / file).read_bytes())
        at = int(where * len(data))
        if data and change == "flip":
            data[at] ^= value
        elif change == "cut":
            del data[at:]
        elif change == "zero":
            data[at : at + value] = bytes(min(value, len(data) - at))
        elif change == "insert":
            data[at:at] = bytes([value]) * value
        elif change == "empty":
            data.clear()
        elif change == "text":
            data[:] = b'{"format": 1e999, "a": [' * value
        (broken / file).write_bytes(bytes(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an index says that it makes a damaged cache anew
            with suppress(CrossbitError):
                read(broken)

    damage()


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(CrossbitError):
        open_picture(data)
