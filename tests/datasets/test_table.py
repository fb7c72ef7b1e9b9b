"""Your own table of pictures and texts: features, labels, paths, and clear refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from crossbit import datasets
from crossbit.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for k in range(4):
        Image.new("RGB", (10, 6), (60 * k, 0, 255)).save(tmp_path / "pictures" / f"{k}.png")
    (tmp_path / "pairs.csv").write_text(
        "id,image,text,labels\n"
        "a,pictures/0.png,a black cat,animal|night\n"
        'b,pictures/1.png,"a dog, barking",animal\n'
        "c,pictures/2.png,the sea,\n"
        "d,pictures/3.png,the night sea,night; water\n"
    )
    return tmp_path


def test_a_csv_becomes_pixels_words_and_labels(folder):
    corpus = datasets.load(folder / "pairs.csv", size=4)
    assert corpus.name == "pairs"
    assert corpus.ids.tolist() == list("abcd")
    assert corpus.dims["image"] == 48
    np.testing.assert_allclose(corpus["image"][:, 0], np.arange(4) * 60 / 255, atol=1e-6)
    assert corpus.label_names == ("animal", "night", "water")
    np.testing.assert_array_equal(
        corpus.require_labels().toarray(), [[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 1]]
    )
    np.testing.assert_array_equal(corpus.labelled, [1, 1, 0, 1])
    words = corpus.encoders["text"].vocabulary
    assert {words[j] for j in corpus["text"][1].indices} == {"a", "dog", "barking"}
    assert corpus.raw_item("image", 2).shape == (6, 10, 3)
    assert corpus.raw_item("text", 3) == "the night sea"
    np.testing.assert_array_equal(
        corpus.encoders["image"]([folder / "pictures" / "3.png"])[0], corpus["image"][3]
    )


def test_tsv_and_jsonl_give_the_same_corpus(folder):
    expected = datasets.load(folder / "pairs.csv")
    rows = [
        ("a", "0.png", "a black cat", "animal|night"),
        ("b", "1.png", "a dog, barking", "animal"),
        ("c", "2.png", "the sea", ""),
        ("d", "3.png", "the night sea", "night; water"),
    ]
    lines = ["\t".join(row) for row in [("id", "image", "text", "labels"), *rows]]
    (folder / "pairs.tsv").write_text("\n".join(lines))
    objects = [dict(zip(("id", "image", "text", "labels"), row, strict=True)) for row in rows]
    objects[0]["labels"] = ["animal", "night"]
    del objects[2]["labels"]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, objects)) + "\n\n")
    for name in "pairs.tsv", "pairs.jsonl":
        found = datasets.load(folder / name, images=str(folder / "pictures"))
        assert found.fingerprint() == expected.fingerprint()


def test_columns_of_other_names_and_single_views(folder):
    (folder / "t.csv").write_text("caption,kind,url\nhello,x,u\nworld,y,v\n")
    corpus = datasets.load(folder / "t.csv", text_column="caption", labels_column="kind")
    assert list(corpus.views) == ["text"]
    assert corpus.label_names == ("x", "y")
    np.testing.assert_array_equal(corpus.ids, [0, 1])
    (folder / "i.csv").write_text("image\npictures/0.png\n")
    assert list(datasets.load(folder / "i.csv").views) == ["image"]
    with pytest.raises(ConfigError, match="no column 'captoin'; did you mean 'caption'"):
        datasets.load(folder / "t.csv", text_column="captoin")
    with pytest.raises(DataError, match="neither a column 'image' nor 'text', only caption"):
        datasets.load(folder / "t.csv")


def test_missing_pictures_are_counted_and_the_first_named(folder):
    lines = [f"pictures/{k}.png,text {k}" for k in range(10)]
    (folder / "t.csv").write_text("image,text\n" + "\n".join(lines) + "\n,nothing")
    with pytest.raises(DataError) as caught:
        datasets.load(folder / "t.csv")
    message = str(caught.value)
    assert "6 of 10 pictures are missing" in message  # line 12 has none
    assert "pictures/4.png (line 6), pictures/5.png (line 7), pictures/6.png (line 8)" in message
    assert "and 3 more" in message
    assert "\n" not in message


HOLES = [
    ("a", "0.png", "a black cat", "animal"),
    ("b", "", "a dog, barking", "animal"),
    ("c", "2.png", " ", "water"),
    ("d", "3.png", "...", "night"),
]


def write_holes(folder, kind):
    if kind == "jsonl":
        keys = ("id", "image", "text", "labels")
        objects = [dict(zip(keys, row, strict=True)) for row in HOLES]
        objects[1]["image"] = None
        del objects[2]["text"]
        text = "\n".join(map(json.dumps, objects))
    else:
        lines = [("id", "image", "text", "labels"), *HOLES]
        text = "\n".join({"csv": ";", "tsv": "\t"}[kind].join(line) for line in lines)
        text = text.replace(",", "").replace(";", ",")
    (folder / f"t.{kind}").write_text(text + "\n")
    return datasets.load(folder / f"t.{kind}", images=str(folder / "pictures"), size=4)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_blank_cell_is_a_missing_view(folder, kind):
    corpus, whole = write_holes(folder, kind), datasets.load(folder / "pairs.csv", size=4)
    np.testing.assert_array_equal(corpus.has("image"), [1, 0, 1, 1])
    np.testing.assert_array_equal(corpus.has("text"), [1, 1, 0, 1])  # a text without words is one
    np.testing.assert_array_equal(corpus.with_views("image")["image"], whole["image"][[0, 2, 3]])
    words = corpus.encoders["text"].vocabulary
    assert words == ["a", "barking", "black", "cat", "dog"]
    assert corpus["text"][3].nnz == 0
    assert corpus.raw_item("image", 1) is None
    assert corpus.raw_item("text", 2) is None
    assert corpus.raw_item("text", 3) == "..."
    assert corpus.raw["image"][1] is None
    assert corpus.raw_item("image", 2).shape == (6, 10, 3)


def test_a_table_without_blanks_lacks_nothing(folder):
    assert not datasets.load(folder / "pairs.csv").present


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "image,text\npictures/0.png,a\n, \n", "line 3: image and text are blank, so"),
        ("t.csv", "image,text\n,\n,b\n,\n", "line 2: .* blank and in 1 more lines, so"),
        ("t.csv", "image,text\n,a\n,b\n", "column 'image' is blank .* with image_column"),
        ("t.tsv", "text\timage\n\tpictures/0.png\n", "column 'text' is blank in every line"),
        ("t.csv", "text,labels\na,x\n ,y\n", "line 3: text is blank, so there is no item"),
        ("t.jsonl", '{"text": "a"}\n{"text": null}\n', "line 2: text is blank"),
        ("t.jsonl", '{"text": "a"}\n{"text": false}\n', "line 2: text must be text, got False"),
    ],
)
def test_blanks_that_leave_nothing_are_refused(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=message):
        datasets.load(folder / name)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "pictures/../../x.png"])
def test_pictures_outside_the_folder_are_refused(folder, path):
    (folder / "t.csv").write_text(f"image,text\npictures/0.png,a\n{path},b\n")
    with pytest.raises(DataError, match=r"line 3: the picture .* lies outside"):
        datasets.load(folder / "t.csv")


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    Image.new("L", (2, 2)).save(secret)
    (folder / "pictures" / "link.png").symlink_to(secret)
    (folder / "t.csv").write_text("image,text\npictures/link.png,a\n")
    with pytest.raises(DataError, match="lies outside"):
        datasets.load(folder / "t.csv")


def test_a_damaged_picture_is_named(folder):
    (folder / "pictures" / "1.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        datasets.load(folder / "pairs.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"text\n", "has no rows"),
        ("t.csv", b"", "has no rows"),
        ("t.csv", b"id,text\na,b,c\n", "line 2: expected 2 cells"),
        ("t.csv", b"id,text\na\n", "line 2: expected 2 cells"),
        ("t.csv", b'text\n"open\n', "cannot be read"),
        ("t.csv", b"text\n\xff\xfe\n", "UTF-8"),
        ("t.csv", b"id,text\nx,a\nx,b\n", "id x is used twice"),
        ("t.csv", b"text\n...\n", "no vocabulary"),
        ("t.jsonl", b'{"text": "a"}\n{"text"\n', "line 2: not valid JSON"),
        ("t.jsonl", b"[1]\n", "line 1: expected an object"),
        ("t.jsonl", b'{"text": "a"}\n{"txt": "b"}\n', "line 2: text is blank, so there is no item"),
        ("t.jsonl", b'{"text": "a"}\n{"text": {}}\n', "line 2: text must be text"),
        ("t.jsonl", b'{"text": "\xff"}\n', "UTF-8"),
    ],
)
def test_broken_tables_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        datasets.load(tmp_path / name)


def test_a_missing_folder_of_images_is_named(folder):
    with pytest.raises(DataError, match="no folder of images"):
        datasets.load(folder / "pairs.csv", images=str(folder / "none"))
