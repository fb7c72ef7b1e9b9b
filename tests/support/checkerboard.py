"""The checkerboard: a small clean corpus on which every correct method reaches MAP 1."""

from __future__ import annotations

import dataclasses
from itertools import permutations
from typing import Any

import numpy as np
from scipy import sparse

from crossbit import methods
from crossbit.corpus import Corpus
from crossbit.features.pixels import Pixels
from crossbit.methods.base import Hasher
from crossbit.methods.ranking import HammingRanker
from crossbit.metrics import mean_average_precision
from crossbit.splits import Split, make_split

CLASSES = 4
DIMS = {"image": 24, "text": 16}
THREE = {"image": 24, "text": 16, "audio": 10}

# Such a method takes its bits from different directions in which views (or classes) agree, and
# 4 classes give 3: of 16 bits the others would be noise. It gets 32 classes, in wider views. With
# no labels to move its cuts out of a class, it needs the classes tighter, too.
FINE = {"cca", "cmfh", "cvh"}
FINE_BOARD = {"classes": 32, "n": 640, "noise": 0.05}
FINE_WORDS = {"classes": 32, "n": 640, "noise": 0.05, "rate": 12.0}
WIDER = 3

# Its bits tell classes apart by how many rows they have: 9 classes fill 8 bits, and where two are
# of one size, noise decides some. Chance is a MAP of 1 / 9.
ONE_CLASS_A_BIT = {"scm_orth"}
NINE_BOARD = {"classes": 9, "n": 640, "noise": 0.05}

# Such a method draws its bits at random: 16 of them estimate an angle too roughly.
DRAWN = {"lsh", "sign"}
DRAWN_BITS = 64

# Bits are the numbers of codewords: the Hamming distance of two says nothing, but they are ranked
# by the distance of what they stand for.
NUMBERED = {"ccq"}

SIDE = 8  # pixels, of the pictures of methods that learn from nothing else

# Sizes that train in a moment. A method takes those that it has; all else is its default.
QUICK = {
    "bits": 16,
    "hidden": 64,
    "rounds": 4,  # of CCQ
    "epochs": 4,
    "steps": 8,  # of the SVMs of PDH
    "min_steps_per_epoch": 8,
    "batch": 64,
    "labelled_batch": 32,
    "query_batch": 32,
    "samples": 8,
    "positives": 4,
    "pool": 64,
    "negatives": 64,
    "warmup_epochs": 1,
    "generator_steps": 2,
    "ridge": 1e-3,  # there is little noise to guard against
    "iterations": 10,  # nor to learn
}


def board(
    n: int = 160,
    dims: dict[str, int] = DIMS,
    *,
    seed: int = 0,
    noise: float = 0.15,
    classes: int = CLASSES,
    one_space: bool = False,
) -> Corpus:
    """Return n items in clusters, each with its own place in every view, or one in all of them."""
    rng = np.random.default_rng(seed)
    of = np.arange(n) % classes
    views: dict[str, np.ndarray] = {}
    for view, d in dims.items():
        if not (one_space and views):
            places = rng.normal(size=(classes, d))
        views[view] = places[of] + noise * rng.normal(size=(n, d))
    return Corpus(views, labels=np.eye(classes, dtype=bool)[of], name="checkerboard")


def words(
    n: int = 160,
    *,
    seed: int = 0,
    width: int = 24,
    noise: float = 0.15,
    rate: float = 1.5,
    classes: int = CLASSES,
    one_space: bool = False,
) -> Corpus:
    """The same with sparse bags of words as text: each class has three words of its own."""
    rng = np.random.default_rng(seed)
    of = np.arange(n) % classes
    lexicon = np.repeat(np.eye(classes), 3, 1)
    text = rng.poisson(rate, size=(n, 3 * classes)) * lexicon[of]
    image = rng.normal(size=(classes, width))[of] + noise * rng.normal(size=(n, width))
    views = {"image": image, "text": sparse.csr_matrix(text)}
    if one_space:
        views["image"] = sparse.csr_matrix(rng.poisson(rate, size=text.shape) * lexicon[of])
    return Corpus(views, labels=np.eye(classes, dtype=bool)[of], name="words")


def pictures(
    n: int = 160, view: str = "image", *, seed: int = 0, noise: float = 0.1, classes: int = CLASSES
) -> Corpus:
    """The same for methods of pictures: one view of grey ones, each class a pattern under noise."""
    rng = np.random.default_rng(seed)
    of = np.arange(n) % classes
    patterns = np.kron(rng.random((classes, 4, 4)) > 0.5, np.ones((2, 2))).reshape(classes, -1)
    drawn = np.clip(0.2 + 0.6 * patterns[of] + noise * rng.normal(size=(n, SIDE**2)), 0, 1)
    pixels = np.round(255 * drawn) / 255  # as a file holds them
    encoders = {view: Pixels(SIDE, colour=False)}
    labels = np.eye(classes, dtype=bool)[of]
    return Corpus({view: pixels}, labels=labels, name="checkerboard", encoders=encoders)


def lacking_views(corpus: Corpus, present: dict[str, np.ndarray], junk: float = 0.0) -> Corpus:
    """Return a corpus without some items' views, in whose places `junk` stands."""
    views = {name: np.array(value) for name, value in corpus.views.items()}
    for name, mask in present.items():
        views[name][~mask] = junk
    return Corpus(views, labels=corpus.labels, name=corpus.name, present=present)


def board_for(name: str, dims: dict[str, int] = DIMS, *, seed: int = 0) -> Corpus:
    """Return the board on which the method called `name` must find everything."""
    if of_pictures(name):
        return pictures(view=next(iter(dims)), seed=seed)
    kind: dict[str, Any] = {}
    if name in FINE:
        kind = FINE_BOARD
        dims = {view: WIDER * d for view, d in dims.items()}
    if name in ONE_CLASS_A_BIT:
        kind = NINE_BOARD
    if in_one_space(name):
        dims = dict.fromkeys(dims, max(dims.values()))
    return board(dims=dims, seed=seed, one_space=in_one_space(name), **kind)


def words_for(name: str) -> Corpus:
    """Return the words of the method called `name`."""
    kind: dict[str, Any] = FINE_WORDS | {"width": WIDER * 24} if name in FINE else {}
    if name in ONE_CLASS_A_BIT:
        kind = NINE_BOARD
    return words(one_space=in_one_space(name), **kind)


def of_pictures(name: str) -> bool:
    return "pictures" in methods.get(name).requires


def in_one_space(name: str) -> bool:
    return "one space" in methods.get(name).requires


def split(corpus: Corpus, labelled: float | int = 0.3, **numbers: Any) -> Split:
    """Return 40 queries and a database of the rest, with labels for some of it."""
    return make_split(corpus, "random", 0, queries=40, labelled=labelled, **numbers)


def quick(name: str, **settings: Any) -> Hasher:
    """Return an unfitted method at quick sizes."""
    cls = methods.get(name)
    known = {item.name for item in dataclasses.fields(cls)}
    sizes = {k: v for k, v in QUICK.items() if k in known}
    if name in DRAWN:
        sizes["bits"] = DRAWN_BITS
    if name in ONE_CLASS_A_BIT:
        sizes["bits"] = 8
    return cls(**sizes | settings)


def maps(hasher: Hasher, parts: Split) -> dict[str, float]:
    """Return the expected MAP of every direction between two views, by Hamming distance.

    Of one view: from it to itself.
    """
    query, database = parts.query, parts.database
    ranker = (hasher.ranker if hasher.name in NUMBERED else HammingRanker)(hasher)
    found = {}
    for a, b in list(permutations(query.views, 2)) or [(next(iter(query.views)),) * 2]:
        asking, holding = query.with_views(a), database.with_views(b)
        asked, searched = ranker.queries(asking[a], a), ranker.database(holding, b, "single")
        labels = asking.require_labels(), holding.require_labels()
        ((relevant, total),) = ranker.counts(asked, searched, *labels, 1)
        found[f"{a}->{b}"] = mean_average_precision(relevant, total).expected
    return found


def same_weights(a: Hasher, b: Hasher) -> bool:
    """Whether everything learnt is equal, bit for bit."""
    first, second = a._arrays(), b._arrays()
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )
