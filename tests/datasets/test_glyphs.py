"""Glyphs: pictures, names and groups of the font's characters."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from crossbit import Corpus, datasets
from crossbit.errors import ConfigError


@pytest.fixture(scope="module")
def glyphs() -> Corpus:
    return datasets.load("glyphs")


def row_of(glyphs: Corpus, character: str) -> int:
    return int(np.flatnonzero(glyphs.ids == f"U+{ord(character):04X}")[0])


def labels_of(glyphs: Corpus, character: str) -> set[str]:
    return {glyphs.label_names[j] for j in glyphs.labels[row_of(glyphs, character)].indices}


def test_views_are_pixels_and_words_of_the_name(glyphs):
    assert len(glyphs) > 5000
    assert glyphs.dims["image"] == 1024
    assert glyphs["image"].min() == 0
    assert glyphs["image"].max() == 1
    knight = row_of(glyphs, "♞")
    assert glyphs.raw_item("text", knight) == "BLACK CHESS KNIGHT"
    words = glyphs.encoders["text"].vocabulary
    assert {words[j] for j in glyphs["text"][knight].indices} == {"black", "chess", "knight"}


def test_raw_items_encode_to_the_features(glyphs):
    rows = np.arange(0, len(glyphs), 97)
    for view in "image", "text":
        items = [glyphs.raw_item(view, k) for k in rows]
        found = glyphs.encoders[view](items)
        found = found if view == "image" else found.toarray()
        np.testing.assert_array_equal(found, glyphs.batch(view, rows))


def test_every_picture_shows_something_and_most_differ(glyphs):
    blank = np.flatnonzero(glyphs["image"].sum(axis=1) < 0.5)
    names = {glyphs.raw_item("text", k) for k in blank}
    assert names <= {"BRAILLE PATTERN BLANK", "OBJECT REPLACEMENT CHARACTER"}
    assert len(np.unique(glyphs["image"], axis=0)) > 0.9 * len(glyphs)


def test_a_glyph_is_found_again_from_a_picture_file_in_either_colour(glyphs):
    knight = row_of(glyphs, "♞")
    large = Image.fromarray(glyphs.raw_item("image", knight)).resize((128, 128))
    for picture in large, Image.fromarray(255 - np.asarray(large)).convert("RGB"):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        query = glyphs.encoders["image"]([stream.getvalue()])
        distances = np.linalg.norm(glyphs["image"] - query, axis=1)
        assert int(distances.argmin()) == knight


@pytest.mark.parametrize(
    ("character", "labels"),
    [
        ("A", {"latin", "upper case"}),
        ("ж", {"cyrillic", "lower case"}),
        ("♞", {"miscellaneous symbols"}),
        ("→", {"arrows", "mathematical symbols"}),
        ("7", {"numbers"}),
        ("٧", {"arabic", "numbers"}),
        ("!", {"punctuation"}),
        ("€", {"currency"}),
        ("⠿", {"braille"}),
        ("©", {"other"}),
    ],
)
def test_labels_are_script_or_block_and_category(glyphs, character, labels):
    assert labels_of(glyphs, character) == labels


def test_every_glyph_has_a_label_and_no_label_is_idle(glyphs):
    assert glyphs.labelled.all()
    assert (np.asarray(glyphs.labels.sum(axis=0)).ravel() >= 10).all()


def test_script_labels_are_one_each():
    scripts = datasets.load("glyphs", labels="script")
    np.testing.assert_array_equal(np.diff(scripts.labels.indptr), 1)
    assert labels_of(scripts, "!") == {"other"}
    assert "upper case" not in scripts.label_names


def test_unknown_label_sets_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'script'"):
        datasets.load("glyphs", labels="scripts")
