"""datasets.load: names, paths, options and their error messages."""

from __future__ import annotations

import numpy as np
import pytest

from crossbit import datasets
from crossbit.errors import ConfigError, DataError


def test_every_dataset_has_a_name_and_a_line():
    assert datasets.names() == [
        "cifar10",
        "glyphs",
        "mfeat",
        "mirflickr",
        "mnist",
        "wikipedia",
    ]
    for name in datasets.names():
        assert datasets.describe(name)
        assert "\n" not in datasets.describe(name)


@pytest.mark.parametrize("name", ["glyps", "wikipedai"])
def test_unknown_names_suggest_the_nearest(name):
    for call in datasets.load, datasets.describe:
        with pytest.raises(ConfigError, match="did you mean"):
            call(name)


def test_unknown_options_suggest_the_nearest():
    with pytest.raises(ConfigError, match="no option 'label'; did you mean 'labels'"):
        datasets.load("glyphs", label="script")
    with pytest.raises(ConfigError, match="no option 'size'; it has no options"):
        datasets.load("wikipedia", size=3)


def test_paths_choose_the_loader(tmp_path):
    np.save(tmp_path / "image.npy", np.eye(3))
    assert datasets.load(tmp_path).dims == {"image": 3}
    (tmp_path / "t.CSV").write_text("text\nhello world\n")
    assert datasets.load(str(tmp_path / "t.CSV")).dims == {"text": 2}


def test_text_options_become_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("text\nhello world\nhello\n")
    assert datasets.load(tmp_path / "t.csv", min_count="2").dims == {"text": 1}
    with pytest.raises(ConfigError, match="must be a whole number, got 'two'"):
        datasets.load(tmp_path / "t.csv", min_count="two")


def test_wrong_paths_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file or folder"):
        datasets.load(tmp_path / "none")
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(ConfigError, match=r"give a \.csv, \.tsv or \.jsonl"):
        datasets.load(tmp_path / "a.xlsx")
    with pytest.raises(ConfigError, match="is a path and needs none"):
        datasets.load(tmp_path, root=tmp_path)
    with pytest.raises(ConfigError, match="leave root out"):
        datasets.load("glyphs", root=tmp_path)


def test_only_named_datasets_with_files_have_a_root(tmp_path) -> None:
    found = {name: datasets.reads_files(name) for name in datasets.names()}
    assert {name for name, reads in found.items() if not reads} == {"glyphs"}
    assert not datasets.reads_files(str(tmp_path))
