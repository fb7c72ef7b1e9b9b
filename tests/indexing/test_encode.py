"""Raw items of several views in one call: outputs in order, and one item's fault is its own."""

from __future__ import annotations

import numpy as np
import pytest
from fake_method import Fake

from crossbit.corpus import Corpus
from crossbit.errors import DataError
from crossbit.features.bow import BagOfWords
from crossbit.indexing.encode import RawEncoder, RawItem
from crossbit.indexing.query import encode_query

TEXTS = [f"a {colour} square n{k}" for k, colour in enumerate(["red", "green", "blue"] * 8)]


@pytest.fixture(scope="module")
def hasher() -> Fake:
    words = BagOfWords.fit(TEXTS)
    image = np.random.default_rng(0).normal(size=(len(TEXTS), 4)).astype(np.float32)
    corpus = Corpus(
        {"image": image, "text": words(TEXTS)},
        labels=np.eye(3, dtype=bool)[np.arange(len(TEXTS)) % 3],
        encoders={"text": words},
        raw={"text": TEXTS},
    )
    return Fake(bits=16).fit(corpus)


def test_items_of_several_views_come_back_in_their_order(hasher: Fake) -> None:
    vector = [0.5, -1.0, 2.0, 0.0]
    items = [
        RawItem("text", "a red square"),
        RawItem("image", vector, is_vector=True),
        RawItem("text", "xyzzy"),
        RawItem("image", vector[:3], is_vector=True),
        RawItem("image", b"no preprocessing"),
        RawItem("text", "a blue square"),
    ]
    red, picture, unknown, short, raw, blue = RawEncoder(hasher).encode(items)
    features = hasher.encoders["text"](["a red square", "a blue square"])
    np.testing.assert_array_equal(np.stack([red, blue]), hasher.project(features, "text"))
    projected = hasher.project(np.array([vector], dtype=np.float32), "image")
    np.testing.assert_array_equal(np.stack([picture]), projected)
    for error, message in (unknown, "knows no word of 'xyzzy'"), (short, "4"), (raw, "image"):
        assert isinstance(error, DataError), error
        assert message in str(error)


def test_a_query_keeps_the_outputs_behind_its_code(hasher: Fake, tmp_path) -> None:
    query = encode_query(hasher, "text", "a red square")
    assert query.outputs.shape == (1, 16)
    assert query.codes.unpack().tolist() == (query.outputs > 0).astype(int).tolist()
    assert query.fingerprint == hasher.fingerprint
    np.save(tmp_path / "one.npy", np.ones(4, dtype=np.float32))
    assert encode_query(hasher, "image", tmp_path / "one.npy", is_vector=True).codes.bits == 16
    np.save(tmp_path / "two.npy", np.ones((2, 4), dtype=np.float32))
    with pytest.raises(DataError, match="one at a time"):
        encode_query(hasher, "image", tmp_path / "two.npy", is_vector=True)
