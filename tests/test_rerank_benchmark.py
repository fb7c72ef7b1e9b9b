"""The re-ranking benchmark: its figures against a plain ranking, its table, its command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import tables
from benchmarks.speed import rerank
from crossbit import Corpus, make_split, methods
from crossbit.errors import ConfigError
from crossbit.runs.config import ExperimentConfig


@pytest.fixture(autouse=True)
def fake_method(monkeypatch) -> None:
    monkeypatch.setitem(methods.BUILT_IN, "fake", "fake_method:Fake")


@pytest.fixture(scope="module")
def arrays(tmp_path_factory) -> Path:
    """A folder of 120 noisy pairs of three classes."""
    folder = tmp_path_factory.mktemp("data") / "shapes"
    folder.mkdir()
    random, classes = np.random.default_rng(0), np.arange(120) % 3
    for view, width in (("image", 6), ("text", 4)):
        noise = 1.5 * random.normal(size=(120, width))
        np.save(folder / f"{view}.npy", (np.eye(3, width)[classes] + noise).astype(np.float32))
    np.save(folder / "labels.npy", classes)
    return folder


def naive(scores: np.ndarray, relevant: np.ndarray, k: int, draws: int = 400) -> float:
    """Return AP@k, the mean over random orders of equal scores."""
    random, values = np.random.default_rng(0), []
    for _ in range(draws):
        order = np.lexsort((random.random(len(scores)), scores))
        hits = relevant[order[:k]]
        precision = np.cumsum(hits) / np.arange(1, k + 1)
        values.append((precision * hits).sum() / min(k, max(relevant.sum(), 1)))
    return float(np.mean(values))


def test_the_figures_are_those_of_a_plain_ranking(arrays) -> None:
    classes = np.load(arrays / "labels.npy")
    views = {name: np.load(arrays / f"{name}.npy") for name in ("image", "text")}
    split = make_split(Corpus(views, labels=np.eye(3, dtype=bool)[classes]), queries=12)
    hasher = methods.get("fake")(bits=8).fit(split.train)
    size = len(split.database)
    found = rerank.measure(hasher, split, k=10, depths=(10, size), seed=0)
    assert list(found) == ["image->text", "text->image"]
    for direction, values in found.items():
        asked, searched = direction.split("->")
        outputs = hasher.project(split.query[asked], asked).astype(float)
        codes = hasher.encode(split.query[asked], asked)
        stored = hasher.encode(split.database[searched], searched)
        labels = split.query.require_labels().toarray(), split.database.require_labels().toarray()
        before, after = [], []
        for i in range(len(codes)):
            relevant = (labels[0][i] & labels[1]).any(axis=1)
            before.append(naive(stored.distance(codes[i]), relevant, 10))
            differs = stored.unpack().astype(bool) != (outputs[i] > 0)
            # Rounded: equal codes must be equal whatever the order of summing.
            costs = np.round((differs * abs(outputs[i])).sum(axis=1), 9)
            after.append(naive(costs, relevant, 10))
        assert values["0"]["map"] == pytest.approx(np.mean(before), abs=0.01)
        assert values[str(size)]["map"] == pytest.approx(np.mean(after), abs=0.01)
        # Ten items in another order are the same ten items, but for those drawn at the cut.
        assert values["10"]["precision"] == pytest.approx(values["0"]["precision"], abs=0.06)
        assert values[str(size)]["map"] != values["0"]["map"]


def test_equal_distances_share_a_bucket() -> None:
    distances = np.array([[0.0, 0.0, 1.5, 2.0], [1.0, 1.0, 1.0, 1.0]])
    relevant = np.array([[True, False, True, True], [False, True, False, True]])
    hits, total = rerank.grouped(distances, relevant)
    assert total.tolist() == [[2, 1, 1, 0], [4, 0, 0, 0]]
    assert hits.tolist() == [[1, 1, 1, 0], [2, 0, 0, 0]]


def test_a_finished_fit_is_measured_again_and_the_table_shows_gains(
    arrays, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(rerank, "DEPTHS", (50, 100, 1000))
    rows = []
    for seed in (0, 1, 2):
        experiment = ExperimentConfig(
            str(arrays), split_seed=seed, method="fake", settings={"bits": 8, "seed": seed}
        ).resolved()
        row = {"dataset": "shapes", "seed": seed} | rerank._cell(experiment, tmp_path)
        again = {"dataset": "shapes", "seed": seed} | rerank._cell(experiment, tmp_path)
        assert row == again
        rows.append(row)
    assert len(list(tmp_path.iterdir())) == 3
    assert rows[0]["depths"] == [0, 50, 100], "no deeper than the database"
    value = rerank.result(rows)
    item = next(
        i
        for i in value["summaries"]
        if (i["direction"], i["depth"], i["measure"]) == ("mean", 100, "map")
    )
    before = [np.mean([f["0"]["map"] for f in row["figures"].values()]) for row in rows]
    after = [np.mean([f["100"]["map"] for f in row["figures"].values()]) for row in rows]
    assert item["mean"] == pytest.approx(np.mean(after))
    assert item["gain"]["mean"] == pytest.approx(np.mean(after) - np.mean(before))
    text = rerank.render(value)
    assert f"{item['mean']:.3f} [{item['gain']['low']:+.3f}, {item['gain']['high']:+.3f}]" in text
    assert "| shapes | mean of the directions |" in text
    tables.publish(value, rerank.render, whole=True, folder=tmp_path / "results")
    kept = tables.read("rerank", tmp_path / "results")
    assert kept == value | {"code_hashes": {}}


def test_an_unknown_dataset_is_refused() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    rerank.options(parser)
    with pytest.raises(ConfigError, match="did you mean 'wikipedia'"):
        rerank.run(parser.parse_args(["--datasets", "wikipdia"]))
