"""BagOfWords: a text becomes how often each word of a fixed vocabulary is in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError

__all__ = ["BagOfWords", "words_of"]

# A word is a run of letters and digits, also joined by - or ' inside ("double-struck", "don't").
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class BagOfWords:
    """Counts the words of a text; words outside the vocabulary are ignored.

    Parameters
    ----------
    vocabulary : sequence of str
        Word j is column j, lower case. A piece of text between spaces that is in it as a whole
        counts as such ("360°"); otherwise its words do ("sea," is "sea").
    binary : bool
        1 for a word that occurs, however often.

    Raises
    ------
    ConfigError
        For an empty vocabulary or one with repetitions.
    """

    kind = "bow"

    def __init__(self, vocabulary: Sequence[str], binary: bool = False) -> None:
        self.vocabulary = list(vocabulary)
        self.binary = bool(binary)
        self._column = {word: j for j, word in enumerate(self.vocabulary)}
        if not self.vocabulary or not all(isinstance(word, str) for word in self.vocabulary):
            raise ConfigError("a bag of words needs a vocabulary: a list of at least one word")
        if len(self._column) < len(self.vocabulary):
            twice = next(word for word, k in Counter(self.vocabulary).items() if k > 1)
            raise ConfigError(f"the vocabulary holds {twice!r} twice")

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        min_count: int = 1,
        max_words: int | None = None,
        binary: bool = False,
    ) -> Self:
        """Take as vocabulary the words in at least `min_count` texts, at most the `max_words`
        most frequent ones, in alphabetical order.

        The vocabulary only says which columns there are; what a column is worth is learnt from
        training rows (see `Scaler`), so fitting it on all texts shows a model no test text.
        """
        if min_count < 1 or (max_words is not None and max_words < 1):
            raise ConfigError("min_count and max_words must be 1 or more")
        found = Counter(chain.from_iterable(set(words_of(text)) for text in texts))
        kept = sorted((-times, word) for word, times in found.items() if times >= min_count)
        if not kept:
            raise DataError(
                f"no word occurs in {min_count} or more of the texts, so there is no vocabulary; "
                "check that the texts are not empty, or lower min_count"
            )
        return cls(sorted(word for _, word in kept[:max_words]), binary=binary)

    def __call__(self, items: Sequence[str]) -> sparse.csr_matrix:
        """Return the counts of n texts, (n, words) float32 CSR; time grows with their length."""
        texts = [items] if isinstance(items, str) else items
        rows = [self._columns(text) for text in texts]
        indptr = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=indptr[1:])
        indices = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(indptr[-1]))
        ones = np.ones(len(indices), dtype=np.float32)
        counts = sparse.csr_matrix((ones, indices, indptr), shape=(len(rows), len(self.vocabulary)))
        counts.sum_duplicates()
        if self.binary:
            counts.data[:] = 1.0
        return counts

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary and options, for `crossbit.features.from_json`."""
        return {"kind": self.kind, "vocabulary": self.vocabulary, "binary": self.binary}

    def _columns(self, text: str) -> list[int]:
        column = self._column
        found = []
        for piece in _checked(text).lower().split():
            words = [piece] if piece in column else WORD.findall(piece)
            found += [column[word] for word in words if word in column]
        return found


def words_of(text: str) -> list[str]:
    """Return the words of a text, in order and lower case.

    Raises
    ------
    DataError
        If `text` is not a string.
    """
    return WORD.findall(_checked(text).lower())


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise DataError(f"a text must be a string, got {type(text).__name__}: {text!r:.60}")
    return text
