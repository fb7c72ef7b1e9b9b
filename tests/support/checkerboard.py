"""The checkerboard: a small clean corpus on which every correct method reaches MAP 1."""

from __future__ import annotations

import dataclasses
from itertools import permutations
from typing import Any

import numpy as np
from scipy import sparse

from crossbit import hamming, methods
from crossbit.corpus import Corpus
from crossbit.methods.base import Hasher
from crossbit.metrics import mean_average_precision
from crossbit.splits import Split, make_split

CLASSES = 4
DIMS = {"image": 24, "text": 16}

# Sizes that train in a moment. A method takes those that it has; all else is its default.
QUICK = {
    "bits": 16,
    "hidden": 64,
    "rounds": 4,
    "steps": 8,
    "batch": 64,
    "labelled_batch": 32,
    "asked": 32,
    "picks": 8,
    "positives": 4,
    "pool": 64,
    "pretrain_rounds": 1,
    "generator_steps": 2,
}


def board(
    n: int = 160, dims: dict[str, int] = DIMS, *, seed: int = 0, noise: float = 0.15
) -> Corpus:
    """Return n items in four clusters, each with its own place in every view."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % CLASSES
    views = {
        view: (rng.normal(size=(CLASSES, d))[classes] + noise * rng.normal(size=(n, d)))
        for view, d in dims.items()
    }
    return Corpus(views, labels=np.eye(CLASSES, dtype=bool)[classes], name="checkerboard")


def words(n: int = 160, *, seed: int = 0) -> Corpus:
    """The same with a sparse bag of words as text: each class has words of its own."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % CLASSES
    counts = rng.poisson(1.5, size=(n, 3 * CLASSES)) * np.repeat(np.eye(CLASSES), 3, 1)[classes]
    image = rng.normal(size=(CLASSES, 24))[classes] + 0.15 * rng.normal(size=(n, 24))
    views = {"image": image, "text": sparse.csr_matrix(counts)}
    return Corpus(views, labels=np.eye(CLASSES, dtype=bool)[classes], name="words")


def split(corpus: Corpus, labelled: float | int = 0.3, **numbers: Any) -> Split:
    """Return 40 queries and a database of the rest, with labels for some of it."""
    return make_split(corpus, "random", 0, queries=40, labelled=labelled, **numbers)


def quick(name: str, **settings: Any) -> Hasher:
    """Return an unfitted method at quick sizes."""
    cls = methods.get(name)
    known = {item.name for item in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in QUICK.items() if k in known} | settings)


def maps(hasher: Hasher, parts: Split) -> dict[str, float]:
    """Return the expected MAP of every direction between two views."""
    query, database = parts.query, parts.database
    return {
        f"{a}->{b}": mean_average_precision(
            *hamming.histogram(
                hasher.encode(query[a], a),
                hasher.encode(database[b], b),
                query.label_matrix,
                database.label_matrix,
            )
        ).expected
        for a, b in permutations(query.views, 2)
    }


def same_weights(a: Hasher, b: Hasher) -> bool:
    """Whether everything learnt is equal, bit for bit."""
    first, second = a._arrays(), b._arrays()
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )
