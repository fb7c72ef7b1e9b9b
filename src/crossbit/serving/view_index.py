"""View index: the index of one view, opened once to search and once to write."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.index import Hits, Index, open_index
from crossbit.indexing.searcher import Searcher, SearchRequest

__all__ = ["ViewIndex"]


@dataclass
class ViewIndex:
    """An index and the view that its items are encoded by.

    Searches read through an object of their own, so that they do not wait for writes; each sees
    what was written before it began.
    """

    view: str
    address: str
    writable: bool = False
    n_jobs: int | None = None
    reader: Index = field(init=False)
    writer: Index | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.writable:
            self.writer = open_index(self.address, "w")
        self.reader = open_index(self.address)
        self._searcher = Searcher(self.reader, self.n_jobs)
        self._id_kind: str | None = None
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

    def search(self, requests: Sequence[SearchRequest]) -> list[Hits | Exception]:
        """Answer all requests by few calls of the kernel; see `Searcher.search_batch`."""
        results = self._searcher.search_batch(requests)
        return [r if isinstance(r, Exception) else r.hits for r in results]

    def get(self, keys: Sequence[Any]) -> tuple[Codes, list[dict[str, Any]]]:
        """Return codes and payload of some items; DataError for an id that is not there."""
        return self.reader.get(self.ids(keys))

    def ids(self, keys: Sequence[Any]) -> list[Any]:
        """Return ids as they came in a request as the kind of id that the index has.

        An address holds text alone, also of whole numbers. An empty index takes what comes.
        """
        if self._id_kind is None:
            self._id_kind = self.reader.stat()["ids"]
        if self._id_kind == "str":
            return [str(key) for key in keys]
        if self._id_kind == "int64":
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
        number = int(key)
    except ValueError:
        raise DataError(f"id {key!r} is not in the index: its ids are whole numbers") from None
    if abs(number) >= 1 << 63:
        raise DataError(f"id {key!r} is not in the index")
    return number
