"""Real data for regression tests: the splits behind the reference figures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from crossbit import datasets, make_split
from crossbit.splits import Split

DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")


@pytest.fixture(scope="session")
def wikipedia() -> Split:
    """The published split: 2,173 rows train and are searched, 693 ask."""
    if not (DATA / "wikipedia").is_dir():
        pytest.skip("CROSSBIT_DATA with wikipedia/ is not set")
    return make_split(datasets.load("wikipedia"), "wikipedia", validation=0)


@pytest.fixture(scope="session")
def mirflickr() -> Split:
    """2,000 rows train, 463 ask, 8,802 are searched: `reference_split.npz`."""
    path = DATA / "mirflickr25k" / "reference_split.npz"
    if not path.is_file():
        pytest.skip("CROSSBIT_DATA with mirflickr25k/reference_split.npz is not set")
    with np.load(path, allow_pickle=False) as rows:
        train = np.sort(rows["train_labelled"])
        return Split(
            corpus=datasets.load("mirflickr"),
            recipe="reference",
            seed=0,
            options={},
            train_rows=train,
            labelled_rows=train,
            validation_rows=np.empty(0, dtype=np.int64),
            query_rows=np.sort(rows["query"]),
            database_rows=np.sort(rows["database"]),
        )
