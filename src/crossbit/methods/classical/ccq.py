"""CCQ: composite correlation quantisation, one set of codebooks for all views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.linalg import cho_factor, cho_solve, svd

from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun, Hasher
from crossbit.methods.classical.base import ClassicalHasher
from crossbit.methods.ranking import Ranker, ScoreRanker
from crossbit.methods.settings import hyper

__all__ = ["CCQ", "AsymmetricRanker"]

WORDS = 256  # in a codebook: its index is one byte of the code


class AsymmetricRanker(ScoreRanker):
    """Squared distance from a query that is not quantised to the database's composite codes."""

    name = "asymmetric distance to composite codes"
    hasher: CCQ

    def __init__(self, hasher: Hasher) -> None:
        assert isinstance(hasher, CCQ)
        self.hasher = hasher

    def queries(self, items: Any, view: str) -> np.ndarray:
        return self.hasher.latent(items, view)

    def database(self, corpus: Corpus, view: str, coding: str) -> Codes:
        return self.hasher.encode_database(corpus, view, coding)

    def distances(self, queries: np.ndarray, database: Codes) -> np.ndarray:
        """||C b||^2 - 2 <z, C b>, once for each distinct code: equal codes are tied exactly."""
        distinct, place = np.unique(database.packed, axis=0, return_inverse=True)
        points = self.hasher.composed(distinct)
        scores: np.ndarray = np.square(points).sum(axis=1) - 2 * queries @ points.T
        return scores[:, place.reshape(-1)]


@dataclass
class CCQ(ClassicalHasher):
    """All views are turned into one space, where a sum of codewords stands for an item.

    With x_v the features of view v, R_v with orthonormal columns (or rows, if the view is
    narrower than the space), codebooks C = [C_1, ..., C_M] shared by all views, and b_m choosing
    one word of each:

        min  sum_v lambda_v ||X_v - R_v C B||^2,    the pairs of the corpus sharing one B.

    Each of three updates solves its part, so the objective never rises:

    - R_v = U Vᵀ from the SVD of X_v (C B)ᵀ (Procrustes);
    - C_m: the mean, over the items that chose a word, of what the other codebooks leave of the
      joint target t = sum_v lambda_v R_vᵀ x_v / sum_v lambda_v. One codebook after the other (the
      paper solves for all at once, which costs (M K)^3);
    - b_m: the word nearest to what the others leave of t (iterated conditional modes).

    Items outside training have no B, so R_v is replaced in the end by the ridge regression W_v from
    x_v to C b. An item is coded by z = W_vᵀ x_v, word by word; a unified code is that of the
    weighted mean of its views' z. Search is asymmetric: ||z - C b||^2 with z of the query as it is,
    so a code is not for Hamming distance. The authors' demo scales queries and training rows by
    statistics of their own and leaves the database raw; here one scaling, from training, serves all.

    Cost: O(n (d + M K) bits) for a pass over the rows; memory O(n (d + bits)).
    """

    name: ClassVar[str] = "ccq"
    summary: ClassVar[str] = "sums of codewords shared by all views; asymmetric ranking"
    citation: ClassVar[Citation | None] = Citation(
        "M. Long, Y. Cao, J. Wang, P. S. Yu",
        "Composite Correlation Quantization for Efficient Multimodal Retrieval",
        "SIGIR",
        2016,
        "https://doi.org/10.1145/2911451.2911493",
    )
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    codings: ClassVar[tuple[str, ...]] = ("view", "unified", "train")
    ranker: ClassVar[type[Ranker]] = AsymmetricRanker

    scaling: Literal["centred", "standard"] = hyper("standard", "of dense views", "authors' demo")
    weight: float = hyper(1.0, "of every view after the first, lambda", "authors' code")
    rounds: int = hyper(100, "passes over the rows, at most", "authors' code")
    tolerance: float = hyper(1e-4, "relative gain of a pass below which learning stops")
    ridge: float = hyper(1e-3, "of the regression from features to codes", "authors' code")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight <= 0 or self.rounds < 1 or self.tolerance < 0 or self.ridge <= 0:
            raise ConfigError(
                "ccq: weight and ridge must be above 0, rounds at least 1, tolerance not below 0"
            )

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        features = {view: self._features(rows, view) for view in rows.views}
        weights = self._weights(list(features))
        turns = {view: np.eye(x.shape[1], self.bits, dtype=x.dtype) for view, x in features.items()}
        target = _joint({view: x @ turns[view] for view, x in features.items()}, weights)
        books = _first_books(target, self.bits // 8, rng)
        words = assign(target, books)
        self.trained["objective"] = []
        for _ in range(self.rounds):
            points = compose(books, words)
            turns = {view: procrustes(x.T @ points) for view, x in features.items()}
            target = _joint({view: x @ turns[view] for view, x in features.items()}, weights)
            words = refine(target, books, words)
            lost = _objective(features, turns, weights, compose(books, words))
            self.trained["objective"].append(lost)
            before = self.trained["objective"][-2:][0]
            if before - lost < self.tolerance * abs(before) and len(self.trained["objective"]) > 1:
                break
        points = compose(books, words)
        learnt = {f"map/{v}": _ridge(x, points, self.ridge) for v, x in features.items()}
        self.trained["objective"] = [float(f"{value:.6g}") for value in self.trained["objective"]]
        return learnt | {"books": books, **self._kept(rows, _bits01(words))}

    # -- coding ----------------------------------------------------------------------------

    def latent(self, items: Any, view: str) -> np.ndarray:
        """Return where items of one view lie in the common space, (n, bits) float32."""
        items = self._check(items, view)
        dense = items.toarray() if hasattr(items, "toarray") else np.asarray(items)
        found: np.ndarray = self._scaled(dense, view) @ self._learnt[f"map/{view}"]
        return found.astype(np.float32)

    def composed(self, packed: np.ndarray) -> np.ndarray:
        """Return the points C b of packed codes (n, bits / 8), (n, bits) float32."""
        return compose(self._learnt["books"], packed)

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        words = assign(batch @ self._learnt[f"map/{view}"], self._learnt["books"])
        return 2.0 * _bits01(words) - 1

    def _unify(self, batches: Mapping[str, np.ndarray]) -> np.ndarray:
        latent = {view: batch @ self._learnt[f"map/{view}"] for view, batch in batches.items()}
        words = assign(_joint(latent, self._weights(list(batches))), self._learnt["books"])
        return 2.0 * _bits01(words) - 1

    def _weights(self, views: list[str]) -> dict[str, float]:
        first = next(iter(self.dims))
        return {view: 1.0 if view == first else self.weight for view in views}


def compose(books: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return sum_m C_m b_m: books (M, K, d), words (n, M) uint8 to points (n, d)."""
    points = np.zeros((len(words), books.shape[2]), dtype=books.dtype)
    for m, book in enumerate(books):
        points += book[words[:, m]]
    return points


def assign(target: np.ndarray, books: np.ndarray) -> np.ndarray:
    """Return words (n, M) uint8 for new points (n, d): each the nearest to what is left so far."""
    left = target.astype(books.dtype, copy=True)
    words = np.empty((len(target), len(books)), dtype=np.uint8)
    for m, book in enumerate(books):
        words[:, m] = _nearest(left, book)
        left -= book[words[:, m]]
    return words


def refine(target: np.ndarray, books: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Update codebooks (in place) and words, codebook by codebook; return the words."""
    words = words.copy()
    left = target - compose(books, words)
    for m, book in enumerate(books):
        left += book[words[:, m]]
        words[:, m] = _nearest(left, book)
        counts = np.bincount(words[:, m], minlength=WORDS)
        chosen = np.flatnonzero(counts)  # a word that nobody chose stays where it is
        order = np.argsort(words[:, m], kind="stable")
        starts = np.cumsum(counts[chosen]) - counts[chosen]
        sums = np.add.reduceat(left[order], starts, axis=0)
        book[chosen] = sums / counts[chosen, None]
        left -= book[words[:, m]]
    return words


def procrustes(matrix: np.ndarray) -> np.ndarray:
    """Return the partial isometry R, (d_v, d), that makes tr(Rᵀ matrix) largest."""
    left, _, right = svd(matrix, full_matrices=False)
    found: np.ndarray = left @ right
    return found


def _first_books(target: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw every codebook from the rows' targets, an equal share of each, as words are added up."""
    rows = [rng.choice(len(target), WORDS, replace=len(target) < WORDS) for _ in range(count)]
    return np.stack([target[chosen] / count for chosen in rows])


def _joint(latent: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    total = sum(weights.values())
    return sum(weights[view] / total * z for view, z in latent.items())  # type: ignore[return-value]


def _nearest(points: np.ndarray, book: np.ndarray) -> np.ndarray:
    return np.argmin(np.square(book).sum(axis=1) - 2 * points @ book.T, axis=1).astype(np.uint8)


def _objective(
    features: Mapping[str, np.ndarray],
    turns: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
    points: np.ndarray,
) -> float:
    """Return sum_v lambda_v (||X||^2 - 2 tr(Xᵀ R C B) + ||C B||^2)."""
    size = float(np.vdot(points, points))
    return sum(
        weights[v] * (float(np.vdot(x, x)) - 2 * float(np.vdot(x @ turns[v], points)) + size)
        for v, x in features.items()
    )


def _ridge(x: np.ndarray, points: np.ndarray, ridge: float) -> np.ndarray:
    """Return W of min ||X W - C B||^2 + ridge ||W||^2, (d_v, d)."""
    square = (x.T @ x).astype(np.float64)
    square.flat[:: len(square) + 1] += ridge
    solved: np.ndarray = cho_solve(cho_factor(square), (x.T @ points).astype(np.float64))
    return solved.astype(np.float32)


def _bits01(words: np.ndarray) -> np.ndarray:
    """Return the code of words (n, M): their indices as bytes, lowest bit first, (n, 8 M)."""
    return np.unpackbits(words, axis=1, bitorder="little")
