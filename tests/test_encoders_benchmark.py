"""The benchmark of encoders: both are given the same rows, and what its page says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import encoders, pictures_page, tables
from crossbit.errors import DataError


def test_both_encoders_are_split_by_one_recipe() -> None:
    here, there = (
        encoders.experiment(data, "/data", encoders.FORMS["SCH-GAN"], 2)
        for data in (encoders.STATISTICS, "/features/mirflickr-efficientnet")
    )
    assert here.recipe == there.recipe == "mirflickr"
    assert (here.root, there.root) == ("/data", None)
    assert here.query_seed == there.query_seed == 12345
    assert here.settings == there.settings
    assert here.settings["bits"] == 64


def rows(query: list[int], labelled: list[int]) -> SimpleNamespace:
    split = SimpleNamespace(
        query_rows=np.array(query), labelled_rows=np.array(labelled), validation_rows=np.array([9])
    )
    return SimpleNamespace(corpus=lambda: None, split=lambda corpus: split)


def test_other_rows_are_refused() -> None:
    encoders._check_rows([rows([1, 2], [3]), rows([1, 2], [3])])
    for other in (rows([1, 3], [3]), rows([1, 2], [4]), rows([1, 2], [3, 4])):
        with pytest.raises(DataError, match="different rows"):
            encoders._check_rows([rows([1, 2], [3]), other])


def test_the_readme_has_a_row_for_each_encoder() -> None:
    figures = {("mirflickr", "Dis"): 0.6, ("mirflickr-efficientnet", "SCH-GAN"): 0.75}
    value: tables.Json = {
        "summaries": [
            {
                "dataset": dataset,
                "label": label,
                "bits": 64,
                "direction": direction,
                "mean": figure + 0.01 * (direction == "text->image"),
                "std": 0.0,
                "seeds": 3,
            }
            for (dataset, label), figure in figures.items()
            for direction in ("image->text", "text->image")
        ]
    }
    block = pictures_page.encoders_block(value)
    assert "| GIST and colours | 0.600 / 0.610 | – / – | – / – |" in block
    assert "| EfficientNet-Lite0, of 64 x 64 pixels | – / – | – / – | 0.750 / 0.760 |" in block
