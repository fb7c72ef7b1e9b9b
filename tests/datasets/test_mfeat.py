"""mfeat: three aligned views of digits from the original file, and what broken files say."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from crossbit import datasets, make_split
from crossbit.errors import DataError

FILE = "uci_mfeat_FSH_1500_500.mat"
DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")
WIDTHS = {"I": 76, "T": 64, "P": 240}


@pytest.fixture
def matrices() -> dict[str, np.ndarray]:
    """Matrices of the published shapes; column 0 of every view is the row number."""
    found = {}
    for part, n, first in ("tr", 1500, 0), ("te", 500, 1500):
        rows = np.arange(first, first + n)
        for key, d in WIDTHS.items():
            found[f"{key}_{part}"] = np.zeros((n, d))
            found[f"{key}_{part}"][:, 0] = rows
        found[f"L_{part}"] = (rows % 10 + 1).astype(np.uint8)[:, None]
    return found


@pytest.fixture
def folder(tmp_path, matrices) -> Path:
    path = Path(tmp_path / "mfeat")
    path.mkdir()
    savemat(path / FILE, matrices)
    return path


def test_rows_stay_aligned_and_train_comes_first(folder):
    for root in folder, folder.parent:
        corpus = datasets.load("mfeat", root=root)
        assert corpus.dims == {"fourier": 76, "karhunen": 64, "pixels": 240}
        numbers = np.arange(2000)
        for view in corpus.views:
            np.testing.assert_array_equal(corpus[view][:, 0], numbers)
        np.testing.assert_array_equal(corpus.ids, numbers)
        np.testing.assert_array_equal(corpus.require_labels().indices, numbers % 10)
        assert corpus.label_names[9] == "10"
        assert not corpus.present


def test_missing_and_damaged_files_are_named_with_place_and_source(folder, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"looked for uci_mfeat.* in .*none.*archive\.ics\.uci"):
        datasets.load("mfeat", root=tmp_path / "none")
    monkeypatch.delenv("CROSSBIT_DATA", raising=False)
    with pytest.raises(DataError, match=r"--root .* CROSSBIT_DATA"):
        datasets.load("mfeat")
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:5000])
    with pytest.raises(DataError, match=r"\.mat cannot be read as a MATLAB file"):
        datasets.load("mfeat", root=folder)


def test_other_shapes_and_classes_are_refused(folder, matrices):
    savemat(folder / FILE, matrices | {"P_te": np.zeros((3, 240))})
    with pytest.raises(DataError, match=r"P_te of shape \(500, 240\), it has \(3, 240\)"):
        datasets.load("mfeat", root=folder)
    savemat(folder / FILE, {name: value for name, value in matrices.items() if name != "L_tr"})
    with pytest.raises(DataError, match=r"L_tr of shape \(1500, 1\), it has nothing"):
        datasets.load("mfeat", root=folder)
    matrices["L_te"][3] = 0
    savemat(folder / FILE, matrices)
    with pytest.raises(DataError, match=r"classes 1\.\.10"):
        datasets.load("mfeat", root=folder)


@pytest.mark.skipif(not (DATA / "mfeat").is_dir(), reason="CROSSBIT_DATA with mfeat/ is not set")
def test_the_real_files_are_aligned():
    """In every view the nearest digits are of the same class, and many the same ones in another."""
    corpus = datasets.load("mfeat")
    np.testing.assert_array_equal(corpus.require_labels().sum(axis=0).A1, 200)
    split = make_split(corpus)
    classes = split.database.require_labels().indices
    nearest = {}
    for view in corpus.views:
        asked, found = split.query[view], split.database[view]
        distance = np.square(found).sum(axis=1) - 2 * asked @ found.T
        nearest[view] = distance.argsort(axis=1)[:, :10]
        same = split.query.require_labels().indices[:, None] == classes[nearest[view]]
        assert same[:, 0].mean() > 0.7, view
    for a, b in permutations(corpus.views, 2):
        shared = [len(set(x) & set(y)) for x, y in zip(nearest[a], nearest[b], strict=True)]
        assert np.mean(shared) > 1, (a, b)  # of ten; within a class of 180 chance is .55
