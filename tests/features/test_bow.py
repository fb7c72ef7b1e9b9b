"""BagOfWords: what a word is, how they are counted, what the vocabulary keeps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbit.errors import ConfigError, DataError
from crossbit.features import from_json
from crossbit.features.bow import BagOfWords, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("BLACK Chess knight!", ["black", "chess", "knight"]),
        ("double-struck I don't", ["double-struck", "i", "don't"]),
        ("Größe_1, Ωμέγα; 東京", ["größe", "1", "ωμέγα", "東京"]),
        ("-- ... '", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


@given(st.lists(st.text("ab c,", max_size=20), min_size=1, max_size=8))
def test_counts_equal_a_naive_loop(texts):
    encoder = BagOfWords(["c", "a", "ab", "zz"])
    expected = [[Counter(words_of(t))[w] for w in encoder.vocabulary] for t in texts]
    found = encoder(texts)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), expected)
    binary = BagOfWords(encoder.vocabulary, binary=True)(texts)
    np.testing.assert_array_equal(binary.toarray(), np.array(expected) > 0)


def test_a_vocabulary_may_hold_what_is_no_word():
    encoder = BagOfWords(["360°", "sea", "geo:tool=gmif"])
    np.testing.assert_array_equal(
        encoder(["Sea, 360° sea geo:tool=gmif", "(360°)"]).toarray(), [[1, 2, 1], [0, 0, 0]]
    )


def test_fit_keeps_frequent_words_in_alphabetical_order():
    texts = ["b b b a", "a c", "c a d"]
    assert BagOfWords.fit(texts).vocabulary == ["a", "b", "c", "d"]
    assert BagOfWords.fit(texts, min_count=2).vocabulary == ["a", "c"]
    assert BagOfWords.fit(texts, max_words=1).vocabulary == ["a"]


def test_one_string_is_one_text():
    assert BagOfWords(["a", "b"])("a b a").toarray().tolist() == [[2, 1]]


def test_json_gives_the_same_encoder():
    encoder = BagOfWords(["x", "é"], binary=True)
    again = from_json(encoder.to_json())
    assert again.to_json() == encoder.to_json()
    assert again(["é é"]).toarray().tolist() == [[0, 1]]


def test_bad_vocabularies_and_texts_are_refused():
    with pytest.raises(ConfigError, match="at least one word"):
        BagOfWords([])
    with pytest.raises(ConfigError, match="'a' twice"):
        BagOfWords(["a", "b", "a"])
    with pytest.raises(DataError, match="lower min_count"):
        BagOfWords.fit(["a", "b"], min_count=2)
    with pytest.raises(ConfigError, match="1 or more"):
        BagOfWords.fit(["a"], max_words=0)
    with pytest.raises(DataError, match="must be a string, got int"):
        BagOfWords(["a"])([3])


def test_unknown_encoders_and_options_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'pixels'"):
        from_json({"kind": "pixel"})
    with pytest.raises(ConfigError, match="description of a bow encoder is wrong"):
        from_json({"kind": "bow", "words": ["a"]})
