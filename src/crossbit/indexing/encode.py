"""Coding: texts, pictures and vectors of many requests as codes, by one call of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from crossbit.errors import CrossbitError, DataError

if TYPE_CHECKING:
    from crossbit.methods.base import Hasher

__all__ = ["Coder", "Raw"]


@dataclass(frozen=True, eq=False)
class Raw:
    """One thing to code: what it is seen through, and the text, picture bytes or vector itself."""

    view: str
    item: Any
    ready: bool = False  # a vector of the view's features


@dataclass
class Coder:
    """The model, for many items at a time."""

    hasher: Hasher

    def encode(self, raws: list[Raw]) -> list[np.ndarray | Exception]:
        """Return the outputs of every item, (bits,) float32; one that is wrong harms no other."""
        answers: list[np.ndarray | Exception] = [DataError("not coded")] * len(raws)
        groups: dict[tuple[str, bool], list[int]] = {}
        for at, raw in enumerate(raws):
            groups.setdefault((raw.view, raw.ready), []).append(at)
        for (view, ready), places in groups.items():
            items = [raws[at].item for at in places]
            for at, found in zip(places, self._all(view, items, ready), strict=True):
                answers[at] = found
        return answers

    def _all(self, view: str, items: list[Any], ready: bool) -> list[np.ndarray | Exception]:
        try:
            return self._together(view, items, ready)
        except CrossbitError as error:
            if len(items) == 1:
                return [error]
        # One of them is at fault: each by itself, so that the others have their answers.
        return [found for item in items for found in self._all(view, [item], ready)]

    def _together(self, view: str, items: list[Any], ready: bool) -> list[np.ndarray | Exception]:
        hasher = self.hasher
        if ready:
            features: Any = np.asarray(items, dtype=np.float32)
        elif view not in hasher.encoders:
            hasher.encode_raw(items, view)  # says that the view is unknown or has no preprocessing
            raise AssertionError("a view without encoder was coded")
        else:
            features = hasher.encoders[view](items)
        answers: list[np.ndarray | Exception] = list(hasher.project(features, view))
        if isinstance(features, sparse.csr_matrix):
            empty = np.flatnonzero(np.diff(features.indptr) == 0)
            for at in empty.tolist():
                answers[at] = DataError(
                    f"the model knows no word of {_short(items[at])}; use words of its training "
                    "texts"
                )
        return answers


def _short(text: Any) -> str:
    shown = str(text)
    return repr(shown if len(shown) <= 60 else shown[:60] + "...")
