"""Encoding of raw items: texts, pictures and feature vectors of many requests in one model call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from crossbit.errors import CrossbitError, DataError

if TYPE_CHECKING:
    from crossbit.methods.base import Hasher

__all__ = ["RawEncoder", "RawItem"]


@dataclass(frozen=True, eq=False)
class RawItem:
    """One item to encode.

    Attributes
    ----------
    view : str
        The view of the model that encodes it.
    content : str, bytes, Path or sequence of float
        The text, the picture or its file, or the feature vector.
    is_vector : bool
        Whether `content` is a vector of the view's features, which needs no preprocessing.
    """

    view: str
    content: Any
    is_vector: bool = False


@dataclass
class RawEncoder:
    """A model and its preprocessing, applied to many items at a time."""

    hasher: Hasher

    def encode(self, items: Sequence[RawItem]) -> list[np.ndarray | Exception]:
        """Return the model's outputs of every item, (bits,) float32, or its own error."""
        results: list[np.ndarray | Exception] = [DataError("not encoded")] * len(items)
        groups: dict[tuple[str, bool, int], list[int]] = {}
        for position, item in enumerate(items):
            width = len(item.content) if item.is_vector else 0  # arrays have rows of one width
            groups.setdefault((item.view, item.is_vector, width), []).append(position)
        for (view, is_vector, _), positions in groups.items():
            contents = [items[position].content for position in positions]
            outputs = self._encode_each(view, contents, is_vector)
            for position, output in zip(positions, outputs, strict=True):
                results[position] = output
        return results

    def _encode_each(
        self, view: str, contents: list[Any], is_vector: bool
    ) -> list[np.ndarray | Exception]:
        try:
            return self._encode_batch(view, contents, is_vector)
        except CrossbitError as error:
            if len(contents) == 1:
                return [error]
        # One of them is at fault: each by itself, so that the others get their outputs.
        return [
            output
            for content in contents
            for output in self._encode_each(view, [content], is_vector)
        ]

    def _encode_batch(
        self, view: str, contents: list[Any], is_vector: bool
    ) -> list[np.ndarray | Exception]:
        hasher = self.hasher
        if is_vector:
            features: Any = np.asarray(contents, dtype=np.float32)
        elif view not in hasher.encoders:
            hasher.encode_raw(contents, view)  # raises: unknown view, or no preprocessing
            raise AssertionError("a view without preprocessing encoded raw items")
        else:
            features = hasher.encoders[view](contents)
        outputs: list[np.ndarray | Exception] = list(hasher.project(features, view))
        if isinstance(features, sparse.csr_matrix):
            empty = np.flatnonzero(np.diff(features.indptr) == 0)
            for row in empty.tolist():
                outputs[row] = DataError(
                    f"the model knows no word of {_excerpt(contents[row])}; use words of its "
                    "training texts"
                )
        return outputs


def _excerpt(content: Any) -> str:
    text = str(content)
    return repr(text if len(text) <= 60 else text[:60] + "...")
