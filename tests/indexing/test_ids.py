"""Ids as text: lines of a file or standard input, and the kind of id that an index has."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from index_items import codes_of, names

from crossbit.errors import ConfigError, DataError
from crossbit.index import open_index
from crossbit.indexing.ids import parse_ids, read_ids


def test_lines_are_ids_whatever_else_ends_a_line_in_unicode(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes("\ufeffa b\n\nc\u2028d\n".encode())
    assert read_ids(file) == ["a b", "c\u2028d"]


def test_ids_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n2\n"))
    assert read_ids(Path("-")) == ["1", "2"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the path"):
        read_ids(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xe4\n")
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_ids(tmp_path / "latin.txt")


def test_ids_take_the_kind_of_the_index_each_once(tmp_path: Path) -> None:
    with open_index(tmp_path / "numbers", "w") as index:
        index.add(codes_of(2, ids=[7, 8]))
        assert parse_ids(index, ["7", "08", "8"]) == [7, 8]
        with pytest.raises(ConfigError, match="are whole numbers, 'x' is none"):
            parse_ids(index, ["7", "x"])
    with open_index(tmp_path / "texts", "w") as index:
        index.add(codes_of(2, ids=names(2)))
        assert parse_ids(index, ["7", "item 1", "7"]) == ["7", "item 1"]
