"""The benchmark of the correlation graph: its checks can fail, and its table is made."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import tables
from benchmarks.__main__ import main
from benchmarks.speed import graph
from crossbit.graph.blocks import BlockReader
from crossbit.graph.neighbours import nearest


def test_both_views_are_measured_and_checked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(graph, "SQUARE", 200)
    graph.write_images(tmp_path / "images.npy", 300, 40)
    graph.write_texts(tmp_path / "texts.npz", 300, 90)
    rows = [
        {"view": view} | graph.measure(tmp_path / name, 250, 7, 1)
        for view, name in (("image", "images.npy"), ("text", "texts.npz"))
    ]
    assert [(row["items"], row["width"], row["wrong"]) for row in rows] == [
        (250, 40, 0),
        (250, 90, 0),
    ]
    for row in rows:
        assert row["checked"] == 200
        assert row["peak_bytes"] > row["own_bytes"] > 1 << 20
    value = tables.head("graph") | {"k": 7, "threads": 1, "checked": 200, "load_before": 0.0}
    page = graph.render(value | {"rows": rows})
    assert "| image | 250 x 40 |" in page
    assert "| text | 250 x 90 |" in page


def test_wrong_neighbours_are_counted() -> None:
    x = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    asked = np.array([3, 8, 20])
    found = nearest(x, 4)[0]
    assert graph._differing(BlockReader.of(x), asked, found[asked]) == 0
    found[8, 3] = nearest(x, 5)[0][8, 4]
    found[20, 1] = found[20, 0]
    assert graph._differing(BlockReader.of(x), asked, found[asked]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--items", "300"], "items must be more than"), (["--k", "0"], "must be at least 1")],
)
def test_mistakes_end_in_one_sentence(arguments, words, capsys) -> None:
    assert main(["graph", *arguments]) == 2
    assert words in capsys.readouterr().err
