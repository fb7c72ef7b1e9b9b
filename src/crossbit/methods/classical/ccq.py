"""CCQ: collective composite quantisation, ranked by distances to sums of shared codewords."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.linalg import solve

from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.composite import greedy, quantised, restored
from crossbit.methods.ranking import Ranker, ScoreRanker
from crossbit.methods.settings import hyper, method

__all__ = ["CCQ", "LookupRanker"]

SETTLED = 1e-3  # of the first objective; on development rows, more rounds moved no MAP by .002
RIDGE = 1e-3  # of the authors' least squares from features to codes


class LookupRanker(ScoreRanker):
    """Squared distance of a real-valued query to the codewords of an item, less ||query||².

    ||S||² - 2 <z, S> with S = sum_m C_m[b_m] is looked up in bits / 8 tables of 256 products.
    """

    name = "asymmetric distance to codewords"
    hasher: CCQ

    def queries(self, items: Any, view: str) -> np.ndarray:
        return self.hasher.points(items, view)

    def database(self, corpus: Corpus, view: str, coding: str) -> Codes:
        return self.hasher.encode_database(corpus, view, coding)

    def distances(self, queries: np.ndarray, database: Codes) -> np.ndarray:
        books = self.hasher.books
        found = np.square(restored(database.packed, books)).sum(axis=1)[None]
        for place, book in enumerate(books):
            found = found - 2 * (queries @ book.T)[:, database.packed[:, place]]
        return found


@method
class CCQ(ClassicalHasher):
    """Both views of an item are rotated to one point, a sum of codewords that the views share.

        min ||X - B C R_xᵀ||² + lambda ||Y - B C R_yᵀ||²

    over R_x, R_y with orthonormal columns (d, q), bits / 8 codebooks C of 256 words in q
    dimensions, and B with one word of each codebook per item (`composite.quantised` alternates in
    closed form; it stops after `rounds`, or when ten bring less than .001 of the objective). q is
    the number of bits, as in the authors' code, but no more than the narrowest view has dimensions,
    for there are no more orthonormal columns. Then ridge regressions replace the rotations, so that
    new items can be coded:

        R_x = (XᵀX + 1e-3 I)^-1 Xᵀ B C.

    An item's point x R_x is coded greedily, codebook by codebook; every 8 bits number one word.
    Items are ranked by the distance of the query's own point to their codewords; Hamming distances
    of such numbers mean nothing. Database codes: per view; fused, as the greedy code of both
    views' residuals together (that is, of their weighted mean point); or as learnt in training.

    The authors' code starts from the first q features, sums words of codebooks that were chosen
    independently, and takes every round's greedy codes even where they are worse; here each
    codebook starts from random residuals and an item keeps its code where the new one is farther,
    so that the objective never rises. Public code scales training and query rows each by their own
    statistics and the database not at all; here all are scaled by those of the training rows.

    At most `most_rows` rows are learnt from, drawn by the seed. Any number of views.

    Cost for n rows: O(n d q + n bits² + (32 bits)³) time a round, O(n (d + q) + (32 bits)²) memory;
    a query costs O(32 bits q + bits / 8 per item).
    """

    name: ClassVar[str] = "ccq"
    title: ClassVar[str] = "CCQ"
    family: ClassVar[str] = "Unsupervised"
    summary: ClassVar[str] = "shared codebooks, ranked by asymmetric distance"
    citation: ClassVar[Citation | None] = Citation(
        "M. Long, Y. Cao, J. Wang, P. S. Yu",
        "Composite Correlation Quantization for Efficient Multimodal Retrieval",
        "SIGIR",
        2016,
        "https://arxiv.org/abs/1504.04818",
    )
    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})
    database_codings: ClassVar[tuple[str, ...]] = ("single", "fused", "train")
    ranker: ClassVar[type[Ranker]] = LookupRanker

    scaling: Literal["centred", "standard"] = hyper("centred", SCALING, DEVELOPMENT)
    weight: float = hyper(1.0, "lambda: weight of every view after the first", "the authors' code")
    rounds: int = hyper(100, "rounds of the alternation at most", "the authors' code")
    most_rows: int = hyper(20_000, "rows learnt from at most; codebooks hold 256 words each")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight <= 0 or self.rounds < 1 or self.most_rows < 1:
            raise ConfigError("weight must be above 0, rounds and most_rows at least 1")
        if self.bits % 8:
            raise ConfigError(
                f"ccq: a code has 8 bits for each codebook, so bits must be a multiple of 8, got "
                f"{self.bits}; try {self.bits // 8 * 8} or {self.bits // 8 * 8 + 8}"
            )

    @property
    def books(self) -> np.ndarray:
        """The codebooks, (bits / 8, 256, q) float32."""
        return self._learnt["books"]

    def points(self, items: Any, view: str) -> np.ndarray:
        """Return the points of items seen through one view, (n, q) float32."""
        return self._in_batches(items, view, self._point_of)

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        if len(rows) > self.most_rows:
            rows = rows.take(np.sort(rng.choice(len(rows), self.most_rows, replace=False)))
        self.trained["quantised"] = len(rows)
        views = {view: self._features(rows, view) for view in rows.views}
        started, values = time.perf_counter(), [np.inf]
        width = min(self.bits, *rows.dims.values())
        alternation = quantised(
            list(views.values()), self._weights(views), self.bits // 8, width, rng
        )
        for found in alternation:
            values.append(found[0])
            run.log([*run.history, _event(values, self.rounds, time.perf_counter() - started)])
            resolved = len(values) > 11 and values[-11] - values[-1] < SETTLED * values[1]
            if resolved or len(values) > self.rounds or run.stop.is_set():
                break
        _, books, codes = found
        sums = restored(codes, books)
        learnt = {f"map/{view}": _ridge(x, sums) for view, x in views.items()}
        bits01 = np.unpackbits(codes, axis=1, bitorder="little")
        return learnt | {"books": books} | self._kept(rows, bits01)

    def _weights(self, views: Mapping[str, np.ndarray]) -> list[float]:
        return [1.0] + [self.weight] * (len(views) - 1)

    def _point_of(self, batch: np.ndarray, view: str) -> np.ndarray:
        return self._point(self._scaled(batch, view), view)

    def _point(self, batch: np.ndarray, view: str) -> np.ndarray:
        points: np.ndarray = batch @ self._learnt[f"map/{view}"]
        return points

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        """Return +-1 for the bits of each word's number."""
        return _signs(greedy(self._point(batch, view), self.books))

    def _unify(self, batches: Mapping[str, np.ndarray]) -> np.ndarray:
        parts = [self._point(batch, view) for view, batch in batches.items()]
        return _signs(greedy(np.average(parts, axis=0, weights=self._weights(batches)), self.books))


def _signs(codes: np.ndarray) -> np.ndarray:
    bits01 = np.unpackbits(codes, axis=1, bitorder="little")
    return np.where(bits01, np.float32(1), np.float32(-1))


def _ridge(x: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return (XᵀX + 1e-3 I)^-1 Xᵀ S, (d, q) float32."""
    x, width = x.astype(np.float64), x.shape[1]
    gram = x.T @ x
    gram.flat[:: width + 1] += max(RIDGE, width * np.finfo(np.float64).eps * gram.trace())
    solved: np.ndarray = solve(gram, x.T @ sums.astype(np.float64), assume_a="pos")
    return solved.astype(np.float32)


def _event(values: list[float], rounds: int, seconds: float) -> dict[str, Any]:
    return {
        "stage": "quantise",
        "epoch": len(values) - 1,
        "epochs": rounds,
        "loss": {"objective": values[-1]},
        "validation_map": None,
        "seconds": seconds,
    }
