"""Shelf: one index of one view, searched for many requests by one call of the kernel."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import CrossbitError, DataError
from crossbit.index import Hits, Index, open_index
from crossbit.index.rerank import rerank_hits

__all__ = ["Ask", "Shelf"]

Condition = str | int | float | bool


@dataclass(frozen=True, eq=False)
class Ask:
    """One query of one request.

    Attributes
    ----------
    codes : Codes
        One code.
    outputs : (bits,) float or None
        The real-valued outputs behind it, needed to re-rank.
    k : int
    radius : int or None
        Only items as near as this.
    rerank : int or None
        How many of the nearest are ordered anew before k are taken.
    where : tuple of (field, value)
        What the payload of an item must hold.
    """

    codes: Codes
    outputs: np.ndarray | None = None
    k: int = 10
    radius: int | None = None
    rerank: int | None = None
    where: tuple[tuple[str, Condition], ...] = ()

    @property
    def wanted(self) -> int:
        """Items to find before the best k are taken."""
        return max(self.k, self.rerank or 0)


@dataclass
class Shelf:
    """An index and the view that its items are coded by.

    Searches read through an object of their own, so that they do not wait for writes; each sees
    what was written before it began.
    """

    view: str
    address: str
    writable: bool = False
    threads: int = 1
    reader: Index = field(init=False)
    writer: Index | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.writable:
            self.writer = open_index(self.address, "w")
        self.reader = open_index(self.address)
        self._kind: str | None = None
        self._bits: int | None = None
        self._writing = threading.Lock()

    @property
    def bits(self) -> int | None:
        """Code length; None of an index that never held anything."""
        if self._bits is None:  # it stays once it is there: the service's model stays, too
            self._bits = self.reader.bits
        return self._bits

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the model that made the codes."""
        return self.reader.fingerprint

    def __len__(self) -> int:
        return len(self.reader)

    def search(self, asks: list[Ask]) -> list[Hits | Exception]:
        """Answer all asks, those of one kind together; O(kinds) calls of the kernel."""
        groups: dict[Any, list[int]] = {}
        for at, ask in enumerate(asks):
            # Lengths within a power of two of each other share a call: the longest is paid for.
            kind = (ask.where, ask.codes.bits, ask.wanted.bit_length())
            groups.setdefault(kind, []).append(at)
        answers: list[Hits | Exception] = [CrossbitError("not searched")] * len(asks)
        for places in groups.values():
            try:
                found: Sequence[Hits | Exception] = self._together([asks[at] for at in places])
            except CrossbitError as error:
                found = [error] * len(places)
            for at, hits in zip(places, found, strict=True):
                answers[at] = hits
        return answers

    def _together(self, asks: list[Ask]) -> list[Hits]:
        codes = Codes.concatenate([ask.codes for ask in asks])
        first = asks[0]
        options: dict[str, Any] = {"threads": self.threads}
        if first.where:
            options["where"] = dict(first.where)
        found = self.reader.search(codes, max(ask.wanted for ask in asks), **options)
        return [self._ordered(ask, hits) for ask, hits in zip(asks, found, strict=True)]

    def _ordered(self, ask: Ask, hits: Hits) -> Hits:
        if ask.radius is not None:  # the nearest are found first: no ball can outgrow k
            near = int(np.searchsorted(hits.distances, ask.radius, side="right"))
            hits = _first(hits, near)
        if ask.rerank is not None and ask.outputs is not None:
            (hits,), _ = rerank_hits(self.reader, [_first(hits, ask.wanted)], ask.outputs[None])
        return _first(hits, ask.k)

    def get(self, keys: Sequence[Any]) -> tuple[Codes, list[dict[str, Any]]]:
        """Return codes and payload of some items; DataError for an id that is not there."""
        return self.reader.get(self.ids(keys))

    def ids(self, keys: Sequence[Any]) -> list[Any]:
        """Return ids as they came in a request as the kind of id that the index has.

        An address holds text alone, also of whole numbers. An empty index takes what comes.
        """
        if self._kind is None:
            self._kind = self.reader.stat()["ids"]
        if self._kind == "str":
            return [str(key) for key in keys]
        if self._kind == "int64":
            return [_whole(key) for key in keys]
        return list(keys)

    def write(
        self,
        verb: str,
        codes: Codes,
        payload: Sequence[Mapping[str, Any]],
        fingerprint: str | None,
    ) -> None:
        """Add or upsert items, one request after the other; durable on return."""
        assert self.writer is not None
        act = self.writer.add if verb == "add" else self.writer.upsert
        with self._writing:
            act(codes, [dict(item) for item in payload], fingerprint=fingerprint)

    def remove(self, ids: Sequence[Any]) -> None:
        """Remove items; durable on return."""
        assert self.writer is not None
        with self._writing:
            self.writer.remove(ids)

    def close(self) -> None:
        """Let go of the index."""
        self.reader.close()
        if self.writer is not None:
            self.writer.close()


def _whole(key: Any) -> Any:
    try:
        found = int(key)
    except ValueError:
        raise DataError(f"id {key!r} is not in the index: its ids are whole numbers") from None
    if abs(found) >= 1 << 63:
        raise DataError(f"id {key!r} is not in the index")
    return found


def _first(hits: Hits, count: int) -> Hits:
    return replace(
        hits,
        ids=hits.ids[:count],
        distances=hits.distances[:count],
        payload=hits.payload[:count],
    )
