"""A small labelled corpus of two views, its split, and a hasher that needs no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from crossbit.corpus import Corpus
from crossbit.methods.base import FitRun, Hasher
from crossbit.methods.settings import hyper
from crossbit.splits import Split, make_split

WORDS = ("circle", "square", "cross")


@dataclass
class Projection(Hasher):
    """Signs of random projections, the same for every view, so that pairs come out near."""

    name: ClassVar[str] = "projection"
    summary: ClassVar[str] = "random projections of equal views"
    noise: float = hyper(0.0, "standard deviation added to every projection")

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        rng = np.random.default_rng(self.seed)
        self.weights = {v: rng.normal(size=(d, self.bits)) for v, d in train.dims.items()}
        first = next(iter(self.weights.values()))
        for view, matrix in self.weights.items():
            self.weights[view] = first[: len(matrix)] + self.noise * matrix

    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        return (batch @ self.weights[view]).astype(np.float32)

    def _arrays(self) -> dict[str, np.ndarray]:
        return dict(self.weights)

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.weights = dict(arrays)


def make_corpus(n: int = 160, views: tuple[str, ...] = ("image", "text"), raw: bool = True):
    """Three classes as directions in space; some items carry a second label."""
    rng = np.random.default_rng(7)
    classes = rng.integers(0, 3, n)
    centres = np.eye(3, 12) * 3
    labels = np.eye(3, dtype=bool)[classes]
    labels[::10, 0] = True
    pictures = np.full((n, 8, 8), 255, dtype=np.uint8)
    pictures[np.arange(n), classes, :] = 0
    items = {
        "image": pictures,
        "text": [f"a {WORDS[c]} & <b>{k}</b>" for k, c in enumerate(classes)],
    }
    return Corpus(
        views={v: (centres[classes] + rng.normal(size=(n, 12))).astype(np.float32) for v in views},
        labels=labels,
        name="shapes",
        raw={view: items[view] for view in views if view in items} if raw else {},
    )


@pytest.fixture(scope="session")
def split() -> Split:
    return make_split(make_corpus(), "random", 0, queries=30, labelled=60)


@pytest.fixture(scope="session")
def hasher(split: Split) -> Projection:
    return Projection(bits=16, noise=0.3).fit(split.train)


@pytest.fixture(scope="session")
def build():
    """Return the makers above to tests that need other corpora or hashers."""
    return make_corpus, Projection
