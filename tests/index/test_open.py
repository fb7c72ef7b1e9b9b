"""Addresses: which engine opens them, and what is refused."""

from __future__ import annotations

import json

import pytest
from index_items import codes_of, names

from crossbit.errors import ConfigError, DataError
from crossbit.index import open_index


def test_addresses_and_modes_that_mean_nothing_are_refused(tmp_path):
    folder = tmp_path / "index"
    with pytest.raises(DataError, match="no index in"):
        open_index(folder)
    with pytest.raises(ConfigError, match=r"no index engine opens fil://.*'file'"):
        open_index(f"fil://{folder}")
    with pytest.raises(ConfigError, match=r"'r' .* or 'w'"):
        open_index(folder, "a")
    assert not folder.exists()
    with open_index(f"file://{folder}", "w") as index:
        index.add(codes_of(3))
    with open_index(folder) as index:
        assert len(index) == 3


def test_a_folder_of_other_things_is_not_taken_over(tmp_path):
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(DataError, match="holds other files"):
        open_index(tmp_path, "w")
    with pytest.raises(DataError, match="is a file"):
        open_index(tmp_path / "thesis.tex", "w")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_folder_of_the_old_format_is_refused(tmp_path, mode):
    meta = {"kind": "crossbit index", "format": 1, "generation": 1}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(DataError, match=r"old format .* encode the items again"):
        open_index(tmp_path, mode)
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]


@pytest.mark.parametrize("name", ["with space", "per%20cent", "quest?ion#", "ünï"])
def test_a_folder_may_have_any_name(tmp_path, name):
    with open_index(tmp_path / name, "w") as index:
        index.add(codes_of(3, ids=names(3)))
    with open_index(tmp_path / name) as index:
        assert len(index) == 3
    assert [path.name for path in tmp_path.iterdir()] == [name]
