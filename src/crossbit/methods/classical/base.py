"""ClassicalHasher: what the closed-form and alternating methods share around their algebra."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.errors import DataError
from crossbit.files import sha256
from crossbit.methods.base import BATCH, FitRun, Hasher
from crossbit.methods.settings import hyper, method

__all__ = ["DEVELOPMENT", "SCALING", "ClassicalHasher"]

SCALING = "of dense views: mean 0, or mean 0 and variance 1; bags of words are centred"
DEVELOPMENT = "chosen by queries held out of the training rows of wikipedia and mirflickr"


@method
class ClassicalHasher(Hasher):
    """A hasher that NumPy and SciPy fit, without rounds and so without a choice on validation.

    `fit` learns from training and validation rows together. A method puts everything it learns
    into one dictionary of arrays. Features are centred by the mean of the rows that train.
    """

    scaling: Literal["centred", "standard"] = hyper("centred", SCALING)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._learnt: dict[str, np.ndarray] = {}

    # -- what a method adds ----------------------------------------------------------------

    @abstractmethod
    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        """Return everything learnt from `rows`; read them by `_features` or `_blocks`."""

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        """Return the outputs of scaled rows: linear, by ``map/<view>``, unless overridden."""
        return batch @ self._learnt[f"map/{view}"]

    def _unify(self, batches: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the outputs of scaled rows seen through all views, for the fused coding."""
        raise AssertionError(f"{self.name} has no fused coding")

    # -- fit -------------------------------------------------------------------------------

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        rows = train if validation is None else train.union(validation)
        self.trained = {
            "rows": len(rows),
            "labelled": int(rows.labelled.sum()),
            "refit": validation is not None,
        }
        if "labels" in self.requires:
            rows = rows.take(rows.labelled)
        self._learnt = {}
        for view in rows.views:
            mean, scale = self._moments(rows, view)
            self._learnt |= {f"mean/{view}": mean, f"scale/{view}": scale}
        self._learnt |= self._learn(rows, np.random.default_rng(self.seed), run)

    def _moments(self, rows: Corpus, view: str) -> tuple[np.ndarray, np.ndarray]:
        total = np.zeros(rows.dims[view])
        square = np.zeros(rows.dims[view])
        for start in range(0, len(rows), BATCH):
            part = rows.batch(view, slice(start, start + BATCH)).astype(np.float64)
            total += part.sum(axis=0)
            square += np.square(part).sum(axis=0)
        mean = total / len(rows)
        scale = np.ones_like(mean)
        dense = isinstance(rows.take(slice(0, 1))[view], np.ndarray)  # one row: all may be a copy
        if self.scaling == "standard" and dense:
            spread = np.sqrt(np.maximum(square / len(rows) - mean**2, 0))
            scale = np.where(spread > 1e-9, spread, 1.0)
        return mean.astype(np.float32), scale.astype(np.float32)

    def _scaled(self, batch: np.ndarray, view: str) -> np.ndarray:
        scaled: np.ndarray = (batch - self._learnt[f"mean/{view}"]) / self._learnt[f"scale/{view}"]
        return scaled

    def _features(self, rows: Corpus, view: str) -> np.ndarray:
        """Return scaled features of all rows, (n, d) float32: for methods that pass them often."""
        return self._scaled(rows.batch(view, slice(None)), view)

    def _blocks(self, rows: Corpus, view: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield scaled features some rows at a time, for sums over more rows than memory holds."""
        for start in range(0, len(rows), BATCH):
            part = slice(start, min(start + BATCH, len(rows)))
            yield part, self._scaled(rows.batch(view, part), view)

    def _joint_blocks(self, rows: Corpus) -> Iterator[dict[str, np.ndarray]]:
        """Yield scaled features of all views some rows at a time, for `joint_moments`."""
        for parts in zip(*(self._blocks(rows, view) for view in rows.views), strict=True):
            yield {view: batch for view, (_, batch) in zip(rows.views, parts, strict=True)}

    # -- the hasher's side -----------------------------------------------------------------

    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        outputs: np.ndarray = self._outputs(self._scaled(batch, view), view).astype(np.float32)
        return outputs

    def _arrays(self) -> dict[str, np.ndarray]:
        return self._learnt

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._learnt = dict(arrays)

    # -- codings of the database -----------------------------------------------------------

    def _kept(self, rows: Corpus, bits01: np.ndarray) -> dict[str, np.ndarray]:
        """Return the codes of training rows, (n, bits) of 0 and 1, as a method keeps them."""
        return {"train/keys": _keys(rows), "train/codes": Codes.pack(bits01).packed}

    def _encode_together(self, corpus: Corpus, view: str, coding: str) -> Codes:
        if coding == "train":
            return self._train_codes(corpus)
        missing = [name for name in self.dims if name not in corpus.views]
        if missing:
            raise DataError(
                f"fused codes look at all views of an item, but {corpus.name} has no "
                f"{missing[0]}; use the coding 'view'"
            )
        lacking = len(corpus) - len(corpus.with_views(*self.dims))
        if lacking:
            raise DataError(
                f"fused codes look at all views of an item, but {lacking:,} of {len(corpus):,} "
                "database items lack one; use the coding 'view'"
            )
        parts = []
        for start in range(0, len(corpus), BATCH):
            part = slice(start, start + BATCH)
            batches = {v: self._scaled(corpus.batch(v, part), v) for v in self.dims}
            parts.append(Codes.pack(self._unify(batches) > 0).packed)
        return Codes(np.concatenate(parts), self.bits, corpus.ids)

    def _train_codes(self, corpus: Corpus) -> Codes:
        known, wanted = self._learnt["train/keys"], _keys(corpus)
        order = np.argsort(known)
        places = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
        strange = known[order][places] != wanted
        if strange.any():
            raise DataError(
                f"{int(strange.sum()):,} of {len(corpus):,} database items were not trained on, so "
                "they have no train codes; use the coding 'single' or 'fused'"
            )
        return Codes(self._learnt["train/codes"][order][places], self.bits, corpus.ids)


def _keys(rows: Corpus) -> np.ndarray:
    """Return each row's id, or 63 bits of its hash: safetensors hold no text. (n,) int64."""
    ids = rows.ids
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    found = [int(sha256(item)[:16], 16) >> 1 for item in ids.tolist()]
    return np.array(found, dtype=np.int64)
