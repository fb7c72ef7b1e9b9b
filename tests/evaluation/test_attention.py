"""The picture of masks: darkened where nothing is attended; words by the bits that they move."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.evaluation.attention import (
    attended_shares,
    attention_picture,
    masks_of,
    word_weights,
)
from crossbit.features.bow import BagOfWords
from crossbit.features.pixels import Pixels

WORDS = ["loud", "quiet", "empty"]


class Halves:
    """Attends to the left half of pictures and the first feature of texts; two bits of words."""

    name, bits = "halves", 2
    dims: ClassVar[dict[str, int]] = {"image": 192, "text": 3}
    encoders: ClassVar[dict[str, Any]] = {"image": Pixels(8), "text": BagOfWords(WORDS)}

    def masks(self, items: Any, view: str) -> np.ndarray:
        n = items.shape[0]
        if view == "text":
            return np.tile([True, False, False, False], (n, 1))
        return np.tile([[True, False], [True, False]], (n, 1, 1))

    def project(self, items: np.ndarray, view: str) -> np.ndarray:
        weights = np.array([[9.0, 9.0], [0.0, 1.0], [0.0, 0.0]])  # of "empty": nothing
        return np.asarray(items) @ weights


def corpus() -> Corpus:
    pictures = np.full((3, 8, 8, 3), 240, dtype=np.uint8)
    texts = ["loud quiet empty", "empty", ""]
    encoder = Halves.encoders["text"]
    return Corpus(
        {"image": Pixels(8)(pictures), "text": encoder(texts)},
        raw={"image": pictures, "text": texts},
        encoders=Halves.encoders,
        ids=np.array([5, 6, 7]),
    )


def test_words_are_weighed_by_the_bits_that_they_move() -> None:
    row = sparse.csr_matrix(np.array([[1.0, 1.0, 1.0]]))
    found = word_weights(Halves(), "text", row)
    assert list(found) == ["loud", "quiet", "empty"]

    def sigmoid(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    assert found["loud"] == pytest.approx(sigmoid(9) - 0.5 + sigmoid(10) - sigmoid(1), rel=1e-5)
    assert found["quiet"] == pytest.approx(sigmoid(10) - sigmoid(9), rel=1e-2)
    assert found["empty"] == 0
    assert word_weights(Halves(), "text", 0 * row) == {}
    assert word_weights(Halves(), "image", row) == {}


def test_shares_are_means_over_items() -> None:
    assert attended_shares(Halves(), corpus()) == {"image": 0.5, "text": 0.25}


def test_the_rest_of_a_picture_is_dark() -> None:
    drawn = Image.open(io.BytesIO(attention_picture(Halves(), corpus())))
    pixels = np.asarray(drawn.convert("L")).astype(int)
    height = len(pixels) // 3
    for k in range(3):
        row = pixels[k * height : (k + 1) * height]
        bright, dark = (row == 240).sum(0) > height / 3, (abs(row - 53) < 3).sum(0) > height / 3
        # The whole picture and a half are bright, the other half is dark and to the right of it.
        assert bright.sum() == pytest.approx(3 * dark.sum(), rel=0.05)
        assert np.flatnonzero(bright).max() < np.flatnonzero(dark).min()


def test_what_cannot_be_shown_is_refused() -> None:
    class Blind:
        name, dims = "blind", {"image": 192}

    with pytest.raises(ConfigError, match="blind has no attention to show; choose a model of has"):
        masks_of(Blind(), corpus(), "image")
    bare = Corpus({"image": corpus()["image"]})
    hasher = Halves()
    with pytest.raises(DataError, match="keeps no pictures and no words of the items asked for"):
        attention_picture(hasher, bare)
    with pytest.raises(DataError, match="nothing to show"):
        attention_picture(hasher, corpus().take(slice(0)))
