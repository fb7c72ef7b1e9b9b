"""Sources: what a table, a folder of pictures and a dataset give to extract from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_models import save_pictures

from crossbit import Corpus
from crossbit.datasets.pictures import Pictures
from crossbit.datasets.source import CorpusItems, open_source
from crossbit.errors import ConfigError, DataError
from crossbit.features.items import Item


@pytest.fixture
def table(tmp_path):
    save_pictures(tmp_path / "pictures", 3)
    rows = [
        {"id": "a", "image": "pictures/0.png", "text": "a cat", "labels": "animal|night"},
        {"id": "b", "image": "", "text": "the sea", "labels": ""},
        {"id": "c", "image": "pictures/2.png", "text": " ", "labels": "night"},
        {"id": "d", "image": "", "text": "", "labels": "night"},
    ]
    lines = [",".join(row.values()) for row in rows]
    (tmp_path / "pairs.csv").write_text("\n".join(["id,image,text,labels", *lines]) + "\n")
    (tmp_path / "pairs.tsv").write_text((tmp_path / "pairs.csv").read_text().replace(",", "\t"))
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_table_gives_its_rows_one_by_one_again_and_again(table, kind) -> None:
    source = open_source(table / f"pairs.{kind}")
    expected = [
        Item("a", table / "pictures" / "0.png", "a cat", ["animal", "night"]),
        Item("b", None, "the sea", None),
        Item("c", table / "pictures" / "2.png", None, ["night"]),
        Item("d", None, None, ["night"]),
    ]
    assert list(source) == expected
    assert list(source) == expected


def test_the_checksum_of_a_table_is_that_of_what_is_in_it(table) -> None:
    before = open_source(table / "pairs.csv").about()
    assert before == open_source(str(table / "pairs.csv")).about()
    text = (table / "pairs.csv").read_text()
    (table / "pairs.csv").write_text(text.replace("cat", "dog"))
    assert open_source(table / "pairs.csv").about() != before


def test_columns_and_folder_can_be_named(table) -> None:
    (table / "other.csv").write_text("file,name\n1.png,one\n")
    source = open_source(
        table / "other.csv",
        images=str(table / "pictures"),
        image_column="file",
        text_column="name",
    )
    assert list(source) == [Item(0, table / "pictures" / "1.png", "one", None)]


def test_what_a_table_lacks_is_said(table) -> None:
    with pytest.raises(ConfigError, match=r"has no column 'txt'; did you mean 'text'"):
        list(open_source(table / "pairs.csv", text_column="txt"))
    with pytest.raises(ConfigError, match="a table has no option 'size' here"):
        open_source(table / "pairs.csv", size=3)
    with pytest.raises(DataError, match="there is no folder of images"):
        open_source(table / "pairs.csv", images=str(table / "none"))
    with pytest.raises(ConfigError, match="is a path and needs none"):
        open_source(table / "pairs.csv", root=table)
    with pytest.raises(DataError, match="there is no file"):
        open_source(table / "none.csv")
    (table / "out.csv").write_text("image\n../secret.png\n")
    with pytest.raises(DataError, match=r"line 2: the picture \.\./secret\.png lies outside"):
        list(open_source(table / "out.csv"))


def test_a_folder_gives_pictures_with_the_texts_beside_them(tmp_path) -> None:
    files = save_pictures(tmp_path / "photos" / "deep", 2) + save_pictures(tmp_path / "photos", 1)
    (tmp_path / "photos" / "deep" / "1.txt").write_text("a text\n")
    (tmp_path / "photos" / "0.txt").write_text("\n")
    (tmp_path / "photos" / "notes.md").write_text("no picture")
    source = open_source(tmp_path / "photos")
    assert list(source) == [
        Item("0.png", files[2], None),
        Item("deep/0.png", files[0], None),
        Item("deep/1.png", files[1], "a text"),
    ]
    before = source.about()
    files[0].unlink()
    assert open_source(tmp_path / "photos").about() != before


def test_a_folder_without_pictures_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no pictures"):
        open_source(tmp_path)
    save_pictures(tmp_path, 1)
    with pytest.raises(ConfigError, match="a folder of pictures has no option 'images'"):
        open_source(tmp_path, images="x")
    (tmp_path / "0.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match=r"0\.txt is not UTF-8"):
        list(open_source(tmp_path))


def test_a_dataset_gives_its_raw_items_ids_and_labels() -> None:
    source = open_source("glyphs", labels="script")
    corpus, items = source.corpus, list(source)
    assert corpus.name == "glyphs"
    assert len(items) == len(corpus)
    for k in 0, 100, 5000:
        assert items[k].id == corpus.ids[k]
        assert items[k].text == corpus.raw_item("text", k)
        np.testing.assert_array_equal(items[k].image, corpus.raw_item("image", k))
        (column,) = corpus.require_labels()[k].indices
        assert items[k].labels == [corpus.label_names[column]]
    assert tuple(source.label_names) == corpus.label_names


def test_a_corpus_says_who_lacks_what_and_keeps_its_files(tmp_path) -> None:
    files = save_pictures(tmp_path, 3)
    corpus = Corpus(
        {"image": np.eye(3), "text": np.eye(3)},
        labels=np.array([[1, 0], [0, 0], [0, 0]]),
        labelled=np.array([True, True, False]),
        raw={"image": Pictures(3, files.__getitem__), "text": ["x", "y", "z"]},
        present={"text": np.array([True, False, True])},
    )
    assert list(CorpusItems(corpus)) == [
        Item(0, files[0], "x", ["0"]),
        Item(1, files[1], None, []),
        Item(2, files[2], "z", None),
    ]
    with pytest.raises(DataError, match="keeps neither raw images nor raw texts"):
        CorpusItems(Corpus({"image": np.eye(3)}))
