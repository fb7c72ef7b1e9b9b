"""wikipedia: row order, ids and labels from the original files, and what broken files say."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from crossbit import datasets, make_split
from crossbit.errors import DataError

TRAIN, TEST = "trainset_txt_img_cat.list", "testset_txt_img_cat.list"
DATA = Path(os.environ.get("CROSSBIT_DATA") or "nowhere")


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    """Files of the published shapes; column 0 of every matrix is the row number."""
    folder = tmp_path_factory.mktemp("data") / "wikipedia"
    folder.mkdir()
    matrices = {}
    for part, n, first in ("tr", 2173, 0), ("te", 693, 2173):
        for view, d in ("I", 128), ("T", 10):
            matrices[f"{view}_{part}"] = np.zeros((n, d))
            matrices[f"{view}_{part}"][:, 0] = np.arange(first, first + n)
    savemat(folder / "raw_features.mat", matrices)
    for name, n, first in (TRAIN, 2173, 0), (TEST, 693, 2173):
        lines = [f"text{k}\timage{k}\t{k % 10 + 1}\n" for k in range(first, first + n)]
        (folder / name).write_text("".join(lines))
    return folder


@pytest.fixture
def broken(originals, tmp_path) -> Path:
    return Path(shutil.copytree(originals, tmp_path / "wikipedia"))


def test_rows_stay_aligned_and_train_comes_first(originals):
    for root in originals, originals.parent:
        corpus = datasets.load("wikipedia", root=root)
        assert corpus.dims == {"image": 128, "text": 10}
        numbers = np.arange(2866)
        for view in corpus.views:
            np.testing.assert_array_equal(corpus[view][:, 0], numbers)
        assert corpus.ids[2500] == "text2500|image2500"
        np.testing.assert_array_equal(corpus.require_labels().indices, numbers % 10)
    split = make_split(corpus, "wikipedia")
    assert len(split.query) == 693


def test_the_environment_names_the_folder(originals, monkeypatch):
    monkeypatch.setenv("CROSSBIT_DATA", str(originals.parent))
    assert len(datasets.load("wikipedia")) == 2866
    monkeypatch.delenv("CROSSBIT_DATA")
    with pytest.raises(DataError, match=r"--root .* CROSSBIT_DATA.*svcl\.ucsd\.edu"):
        datasets.load("wikipedia")


def test_missing_files_are_named_with_place_and_source(broken, tmp_path):
    (broken / TEST).unlink()
    with pytest.raises(DataError) as caught:
        datasets.load("wikipedia", root=tmp_path)
    message = str(caught.value)
    assert f"looked for {TEST} in {broken} " in message
    assert "raw_features.mat" not in message
    assert "svcl.ucsd.edu" in message
    with pytest.raises(DataError, match=r"raw_features\.mat, trainset.* in .*none"):
        datasets.load("wikipedia", root=tmp_path / "none")


def test_a_truncated_matrix_file_is_refused(broken):
    path = broken / "raw_features.mat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"raw_features\.mat cannot be read"):
        datasets.load("wikipedia", root=broken)


def test_other_shapes_are_refused(broken):
    savemat(broken / "raw_features.mat", {"I_tr": np.zeros((3, 128))})
    with pytest.raises(DataError, match=r"I_tr of shape \(2173, 128\), it has \(3, 128\)"):
        datasets.load("wikipedia", root=broken)


@pytest.mark.parametrize("line", ["a\tb\t11", "a\tb\t0", "a b 3", "a\tb\tx", ""])
def test_a_broken_list_names_its_line(broken, line):
    lines = (broken / TRAIN).read_text().splitlines()
    lines[6] = line
    (broken / TRAIN).write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"trainset.*, line 7: expected"):
        datasets.load("wikipedia", root=broken)


def test_a_short_list_is_refused(broken):
    (broken / TEST).write_text("a\tb\t1\n")
    with pytest.raises(DataError, match="has 1 lines, expected 693"):
        datasets.load("wikipedia", root=broken)


@pytest.mark.skipif(
    not (DATA / "wikipedia").is_dir(), reason="CROSSBIT_DATA with wikipedia/ is not set"
)
def test_the_real_files_are_aligned():
    """Nearest texts in the topic space share the category far beyond chance (about .11)."""
    split = make_split(datasets.load("wikipedia"), "wikipedia")
    assert split.duplicates_dropped == 0
    text, found = split.query["text"], split.database["text"]
    nearest = (text @ found.T / np.linalg.norm(found, axis=1)).argmax(axis=1)
    same = split.query.require_labels().indices == split.database.require_labels().indices[nearest]
    assert same.mean() > 0.5
