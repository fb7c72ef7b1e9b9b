"""Batches: the items of one shard pass through the encoders, pictures decoded ahead of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from crossbit.corpus import Encoder
from crossbit.errors import DataError
from crossbit.features.items import Item, path_of

__all__ = ["Made", "Passage", "View", "look_at"]

EXAMPLES = {"image": np.zeros((8, 8, 3), dtype=np.uint8), "text": "a"}


class View(NamedTuple):
    """An encoder, and what its rows are."""

    encoder: Any
    shape: tuple[int, ...]
    sparse: bool


class Made(NamedTuple):
    """One shard: rows of each view, and which items, in which views, they are."""

    views: dict[str, Any]
    has: dict[str, np.ndarray]  # of all items of the part, (n,) bool
    kept: np.ndarray  # the items that have any view
    bad: list[tuple[str, str, str]]  # id, path and reason
    pictures: int


def look_at(encoder: Encoder, view: str) -> View:
    """Return what an encoder makes of an example; reads its weights."""
    row = encoder([EXAMPLES[view]])
    shape = tuple(getattr(encoder, "shape", row.shape[1:]))
    return View(encoder, shape, sparse.issparse(row))


@dataclass
class Passage:
    """Takes the items of one shard through the encoders, batch by batch."""

    views: Mapping[str, View]
    dtype: np.dtype
    on_bad: str
    batch: int
    pool: ThreadPoolExecutor
    stop: threading.Event

    def shard(self, part: list[Item], tell: Callable[[int], None]) -> Made | None:
        """Return the shard, or None if `stop` was set before it was whole."""
        starts = range(0, len(part), self.batch)
        rows = {view: self._empty(view, len(part)) for view in self.views}
        has = {view: np.zeros(len(part), dtype=bool) for view in self.views}
        bad: list[tuple[str, str, str]] = []
        ahead = self._begin(part[: self.batch])
        for start in starts:
            begun, items = ahead, part[start : start + self.batch]
            # The next batch is decoded while this one passes through the network.
            ahead = self._begin(part[start + self.batch : start + 2 * self.batch])
            if self.stop.is_set():
                for future in [*begun.values(), *ahead.values()]:
                    future.cancel()
                return None
            for view, (encoder, _, _) in self.views.items():
                if view == "image":
                    ready = self._ready(items, begun, bad)
                    at = list(ready)
                    made = encoder.features(list(ready.values())) if ready else None
                else:
                    at = [k for k, item in enumerate(items) if item.text is not None]
                    made = encoder([items[k].text for k in at]) if at else None
                places = start + np.array(at, dtype=np.int64)
                has[view][places] = True
                if made is not None:
                    self._put(view, rows[view], places, made, [items[k] for k in at])
            tell(start + len(items))
        kept = np.flatnonzero(np.any(list(has.values()), axis=0))
        pictures = int(has["image"].sum()) if "image" in has else 0
        done = {view: self._whole(view, rows[view], has[view], kept) for view in self.views}
        return Made(done, has, kept, bad, pictures)

    def _begin(self, items: list[Item]) -> dict[int, Future]:
        """Begin to prepare the pictures of a batch, by position."""
        if "image" not in self.views:
            return {}
        prepare = self.views["image"].encoder.prepare
        return {
            k: self.pool.submit(prepare, item.image)
            for k, item in enumerate(items)
            if item.image is not None
        }

    def _ready(
        self, items: list[Item], begun: dict[int, Future], bad: list[tuple[str, str, str]]
    ) -> dict[int, Any]:
        """Return the prepared pictures by position; say what is wrong with the others."""
        ready = {}
        for k, future in begun.items():
            try:
                ready[k] = future.result()
            except DataError as error:
                if self.on_bad == "stop":
                    raise DataError(
                        f"item {items[k].id}: {error}; or leave such pictures out with --bad skip "
                        "(bad='skip')"
                    ) from error
                bad.append((str(items[k].id), path_of(items[k]) or "", str(error)))
        return ready

    def _empty(self, view: str, n: int) -> Any:
        """Return what rows are put into: an array, in which an item without the view is NaN."""
        if self.views[view].sparse:
            return []
        return np.full((n, *self.views[view].shape), np.nan, dtype=self.dtype)

    def _put(
        self, view: str, rows: Any, places: np.ndarray, made: Any, items: Sequence[Item]
    ) -> None:
        if self.views[view].sparse:
            rows.append(made)
            return
        with np.errstate(over="ignore"):
            stored = made.astype(self.dtype)
        finite = np.isfinite(stored).all(axis=1)
        if not finite.all():
            first = int(np.flatnonzero(~finite)[0])
            whole = np.isfinite(made[first]).all()
            raise DataError(
                f"the {view} features of item {items[first].id} do not fit into {self.dtype}; "
                f"{'store them with --dtype float32' if whole else 'check the weights'}"
            )
        rows[places] = stored.reshape(len(places), *self.views[view].shape)

    def _whole(self, view: str, rows: Any, has: np.ndarray, kept: np.ndarray) -> Any:
        """Return the rows of the items that are kept, in their order."""
        if not self.views[view].sparse:
            return rows if len(kept) == len(has) else rows[kept]
        empty = sparse.csr_matrix(np.zeros((1, *self.views[view].shape), dtype=np.float32))
        order = np.where(has, np.cumsum(has) - 1, has.sum())  # the last row is for who lacks one
        return sparse.vstack([*rows, empty], format="csr")[order[kept]]
