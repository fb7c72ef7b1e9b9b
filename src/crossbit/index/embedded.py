"""The embedded index: exact search over a folder of files, replaced as a whole generation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.index import folder
from crossbit.index.base import Hits, Index

__all__ = ["EmbeddedIndex"]


class EmbeddedIndex(Index):
    """Codes, ids and payload in memory; `flush` writes them as the next generation of files.

    Every search goes over all codes: O(n bits / 64) a query. A flush writes all n items.
    """

    def __init__(self, path: Path, writable: bool, state: folder.State) -> None:
        self._path, self._writable = path, writable
        self._state: folder.State | None = state
        self._rows = {key: row for row, key in enumerate(state.ids.tolist())}
        self._changed = False

    @classmethod
    def open(cls, location: str, mode: str) -> Self:
        """Open a folder; see `crossbit.open_index`."""
        path = Path(location)
        writable = mode == "w"
        if writable and not (path / folder.META).exists():
            folder.check_new(path)
            return cls(path, writable, folder.State.empty())
        return cls(path, writable, folder.read(path))

    @property
    def bits(self) -> int | None:
        """Code length; None while nothing was ever added."""
        return self._open().bits

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the model whose codes these are; None if it was not given."""
        return self._open().fingerprint

    def __len__(self) -> int:
        return len(self._open().ids)

    def add(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Add items; O(n) for the copy, so add in large batches."""
        state = self._open(writing=True)
        ids = _as_ids(codes.ids)
        if not len(ids):
            return
        if not len(state.ids):
            state = folder.State.empty(codes.bits, fingerprint, ids.dtype.kind)
            state.generation = self._open().generation
        self._check_model(state, codes, fingerprint, "add")
        if ids.dtype.kind != state.ids.dtype.kind:
            raise DataError(
                f"this index has {_kind(state.ids)} ids, the new items have {_kind(ids)} ids; "
                "use one kind"
            )
        self._check_new(ids)
        lines = _as_lines(payload, len(ids))
        start = len(state.ids)
        state.packed = np.concatenate([state.packed, codes.packed])
        state.ids = np.concatenate([state.ids, ids])
        state.lines = state.lines + lines
        self._rows.update((key, start + row) for row, key in enumerate(ids.tolist()))
        self._state, self._changed = state, True

    def remove(self, ids: Sequence[Any] | np.ndarray) -> None:
        """Remove items; O(n)."""
        state = self._open(writing=True)
        keep = np.ones(len(state.ids), dtype=bool)
        keep[self._find(ids)] = False
        state.packed, state.ids = state.packed[keep], state.ids[keep]
        state.lines = [state.lines[row] for row in np.flatnonzero(keep)]
        self._rows = {key: row for row, key in enumerate(state.ids.tolist())}
        self._changed = self._changed or not keep.all()

    def search(
        self,
        queries: Codes,
        k: int = 10,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        fingerprint: str | None = None,
    ) -> list[Hits]:
        """Return the k nearest items of every query, exactly."""
        state = self._open()
        if state.bits is None:
            return [self._hits(state, [], []) for _ in range(len(queries))]
        self._check_model(state, queries, fingerprint, "search")
        rows = None
        if allowed is not None:
            known = [self._rows.get(key) for key in np.asarray(allowed).tolist()]
            rows = np.array([row for row in known if row is not None], dtype=np.int64)
        distances, positions = hamming.topk(queries, state.packed, k, allowed=rows)
        return [self._hits(state, positions[i], distances[i]) for i in range(len(queries))]

    def range_search(
        self, queries: Codes, radius: int, *, fingerprint: str | None = None
    ) -> list[Hits]:
        """Return, for every query, all items at a distance of at most `radius`."""
        state = self._open()
        if state.bits is None:
            return [self._hits(state, [], []) for _ in range(len(queries))]
        self._check_model(state, queries, fingerprint, "search")
        offsets, positions, distances = hamming.within(queries, state.packed, radius)
        spans = [slice(a, b) for a, b in pairwise(offsets.tolist())]
        return [self._hits(state, positions[span], distances[span]) for span in spans]

    def get(self, ids: Sequence[Any] | np.ndarray) -> tuple[Codes, list[dict[str, Any]]]:
        """Return codes and payload of some items, in the order asked for."""
        state = self._open()
        rows = self._find(ids)
        if state.bits is None:
            raise DataError("the index is empty; add codes first")
        codes = Codes(state.packed[rows], state.bits, state.ids[rows])
        return codes, [json.loads(state.lines[row]) for row in rows]

    def flush(self) -> None:
        """Write the next generation, if anything changed; the old one stays valid until then."""
        state = self._open(writing=True)
        if self._changed or not (self._path / folder.META).exists():
            folder.write(self._path, state)
            self._changed = False

    def close(self) -> None:
        """Flush, if writable, and let go of the index; closing twice does no harm."""
        if self._state is not None and self._writable:
            self.flush()
        self._state = None

    def discard(self) -> None:
        """Let go of the index without writing what was not flushed."""
        self._state = None

    def _open(self, writing: bool = False) -> folder.State:
        if self._state is None:
            raise ConfigError("this index is closed; open it again with crossbit.open_index")
        if writing and not self._writable:
            raise ConfigError(f"the index {self._path} is open for reading; open it with mode 'w'")
        return self._state

    def _check_model(
        self, state: folder.State, codes: Codes, fingerprint: str | None, verb: str
    ) -> None:
        if codes.bits != state.bits:
            raise DataError(
                f"this index holds {state.bits}-bit codes, the codes to {verb} have {codes.bits} "
                "bits; use the model that made the index"
            )
        if fingerprint is not None and fingerprint != state.fingerprint:
            made = f"by model {state.fingerprint[:12]}" if state.fingerprint else "without a model"
            raise DataError(
                f"the codes to {verb} come from model {fingerprint[:12]}, but this index was made "
                f"{made}: their distances mean nothing; encode the items again into a new index"
            )

    def _check_new(self, ids: np.ndarray) -> None:
        seen: set[Any] = set()
        for key in ids.tolist():
            if key in self._rows or key in seen:
                where = "given twice" if key in seen else "in the index already"
                raise DataError(f"id {key!r} is {where}; remove it first, or use another id")
            seen.add(key)

    def _find(self, ids: Sequence[Any] | np.ndarray) -> np.ndarray:
        keys = np.asarray(ids).tolist()
        for key in keys:
            if key not in self._rows:
                raise DataError(f"id {key!r} is not in the index")
        return np.array([self._rows[key] for key in keys], dtype=np.int64)

    @staticmethod
    def _hits(state: folder.State, positions: Any, distances: Any) -> Hits:
        rows = np.asarray(positions, dtype=np.int64)
        found = [json.loads(state.lines[row]) for row in rows]
        return Hits(state.ids[rows], np.asarray(distances, dtype=np.int32), found)


def _as_ids(ids: np.ndarray | None) -> np.ndarray:
    found = np.asarray(ids)
    if found.dtype.kind in "iu":
        return found.astype(np.int64)
    if found.dtype.kind != "U":
        raise DataError(f"ids must be whole numbers or strings, got {found.dtype}")
    return found


def _as_lines(payload: Sequence[dict[str, Any]] | None, n: int) -> list[str]:
    """Return one line of JSON per item, so that a bad payload is found before anything is kept."""
    items = [{}] * n if payload is None else list(payload)
    if len(items) != n:
        raise DataError(f"{n} items need {n} payloads, got {len(items)}")
    lines = []
    for row, item in enumerate(items):
        if not isinstance(item, dict):
            raise DataError(f"payload {row} must be a dict, got {type(item).__name__}")
        try:
            lines.append(json.dumps(item, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise DataError(f"payload {row} is not JSON ({error})") from None
    return lines


def _kind(ids: np.ndarray) -> str:
    return "string" if ids.dtype.kind == "U" else "whole-number"
