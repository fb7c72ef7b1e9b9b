"""Batches: the items of one shard pass through the encoders, pictures decoded ahead of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from crossbit.errors import DataError
from crossbit.features.items import Item, path_of

__all__ = ["Made", "Passage"]


class Made(NamedTuple):
    """One shard: rows of each view, and which items, in which views, they are."""

    views: dict[str, Any]
    has: dict[str, np.ndarray]  # of all items of the part
    kept: np.ndarray
    bad: list[tuple[str, str, str]]
    pictures: int


@dataclass
class Passage:
    """Takes the items of one shard through the encoders, batch by batch."""

    encoders: Mapping[str, Any]
    shapes: Mapping[str, Sequence[int]]
    sparse: frozenset[str]  # views whose rows are
    dtype: np.dtype
    on_bad: str
    batch: int
    pool: ThreadPoolExecutor
    stop: threading.Event

    def shard(self, part: list[Item], tell: Callable[[int], None]) -> Made | None:
        """Return the shard, or None if `stop` was set before it was whole."""
        batches = [part[at : at + self.batch] for at in range(0, len(part), self.batch)]
        rows: dict[str, list[Any]] = {view: [] for view in self.encoders}
        has: dict[str, list[np.ndarray]] = {view: [] for view in self.encoders}
        bad: list[tuple[str, str, str]] = []
        ahead = self._begin(batches[0])
        done = pictures = 0
        for number, items in enumerate(batches):
            begun = ahead
            # The next batch is decoded while this one passes through the network.
            ahead = self._begin(batches[number + 1]) if number + 1 < len(batches) else {}
            if self.stop.is_set():
                for future in [*begun.values(), *ahead.values()]:
                    future.cancel()
                return None
            for view, encoder in self.encoders.items():
                if view == "image":
                    ready = self._ready(items, begun, bad)
                    pictures += len(ready)
                    at, found = list(ready), list(ready.values())
                    made = encoder.features(found) if found else None
                else:
                    at = [k for k, item in enumerate(items) if item.text is not None]
                    made = encoder([items[k].text for k in at]) if at else None
                rows[view].append(self._rows(view, len(items), at, made, items))
                mask = np.zeros(len(items), dtype=bool)
                mask[at] = True
                has[view].append(mask)
            done += len(items)
            tell(done)
        masks = {view: np.concatenate(parts) for view, parts in has.items()}
        kept = np.flatnonzero(np.any(list(masks.values()), axis=0))
        joined = {view: _joined(parts)[kept] for view, parts in rows.items()}
        return Made(joined, masks, kept, bad, pictures)

    def _begin(self, items: list[Item]) -> dict[int, Future]:
        if "image" not in self.encoders:
            return {}
        prepare = self.encoders["image"].prepare
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

    def _rows(self, view: str, n: int, at: list[int], made: Any, items: list[Item]) -> Any:
        """Return one row for each of n items, empty or NaN for those that are not `at`."""
        shape = (n, *self.shapes[view])
        if view in self.sparse:
            below = sparse.csr_matrix(np.zeros((1, shape[1]), dtype=np.float32))  # an empty row
            order = np.full(n, len(at))
            order[at] = np.arange(len(at))
            return sparse.vstack([below] if made is None else [made, below], format="csr")[order]
        rows = np.full(shape, np.nan, dtype=self.dtype)
        if made is not None:
            with np.errstate(over="ignore"):
                rows[at] = made.reshape(len(at), *shape[1:])
            finite = np.isfinite(rows[at].reshape(len(at), -1)).all(axis=1)
            if not finite.all():
                first = int(np.flatnonzero(~finite)[0])
                hint = (
                    "store them with --dtype float32"
                    if np.isfinite(made[first]).all()
                    else "check the encoder's weights"
                )
                raise DataError(
                    f"the {view} features of item {items[at[first]].id} do not fit into "
                    f"{self.dtype}; {hint}"
                )
        return rows


def _joined(parts: list[Any]) -> Any:
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)
