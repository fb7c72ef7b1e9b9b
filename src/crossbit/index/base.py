"""The contract that every index engine keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import CrossbitError, DataError

__all__ = ["Hits", "Index"]


@dataclass(frozen=True, eq=False)
class Hits:
    """The items nearest to one query, nearest first.

    Attributes
    ----------
    ids : (h,) int64 or str
    distances : (h,) int32
    payload : list of dict
        What was stored with each item, {} for nothing; an empty list for ``payload=False``.
    """

    ids: np.ndarray
    distances: np.ndarray
    payload: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


class Index(ABC):
    """Codes of one length from one model, by id, with a JSON dictionary for each.

    Every `add`, `upsert` and `remove` is one transaction: it happens wholly or, after an error,
    not at all. The embedded engine is durable when the call returns; `flush` asks an engine that
    writes later to do so now. What an index does in a ``with`` block it has done, also if the
    block ends in an error.

    Ids are whole numbers that fit int64, or strings; all of one index are of one kind. An index
    without items (new, or all removed) takes the code length, model and kind of id of what is
    added next.
    """

    @classmethod
    @abstractmethod
    def open(cls, location: str, mode: str) -> Self:
        """Open the index at `location` for reading ("r") or writing ("w")."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the index is, without secrets."""

    @property
    @abstractmethod
    def bits(self) -> int | None:
        """Code length; None while nothing was ever added."""

    @property
    @abstractmethod
    def fingerprint(self) -> str | None:
        """Fingerprint of the model whose codes these are; None if it was not given."""

    @property
    def gather(self) -> int:
        """How many items of many `add` had best get in one call; 0 if that makes no difference."""
        return 0

    @abstractmethod
    def __len__(self) -> int:
        """Number of items, without the removed ones."""

    @abstractmethod
    def add(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Add items under the ids that `codes` carry.

        Parameters
        ----------
        codes : Codes
            Ids must be new, and all int64 or all str.
        payload : sequence of dict, optional
            JSON values kept with each item, for example caption, image path, labels.
        fingerprint : str, optional
            Of the model (`Hasher.fingerprint`). The first one given to an empty index is stored.

        Raises
        ------
        DataError
            For an id that is there already or given twice, another length, another model, or a
            payload that is not JSON; nothing is added then.
        """

    @abstractmethod
    def upsert(
        self,
        codes: Codes,
        payload: Sequence[dict[str, Any]] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Add items, and replace those whose id is there: code and payload, as a whole.

        Parameters and errors are those of `add`. A replaced item counts as added last.
        """

    @abstractmethod
    def remove(self, ids: Sequence[Any] | np.ndarray) -> None:
        """Remove items; an id that is not there is a DataError, and nothing is removed."""

    @abstractmethod
    def get(self, ids: Sequence[Any] | np.ndarray) -> tuple[Codes, list[dict[str, Any]]]:
        """Return codes and payload of some items, in the order of `ids`.

        Raises
        ------
        DataError
            For an id that is not there.
        """

    @abstractmethod
    def sample(self, count: int) -> Codes:
        """Return the codes of up to `count` items from everywhere in the index, with their ids.

        For measuring them (`Codes.health`); the same items while nothing is written, as far as
        the engine can promise it. DataError for an index without items.
        """

    @abstractmethod
    def search(
        self,
        queries: Codes,
        k: int = 10,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        where: Mapping[str, Any] | None = None,
        approximate: bool = False,
        payload: bool = True,
        fingerprint: str | None = None,
        n_jobs: int | None = None,
    ) -> list[Hits]:
        """Return the k nearest items of every query, all of them if there are fewer.

        Parameters
        ----------
        queries : Codes
        k : int
            At least 1.
        allowed : sequence of ids, optional
            Search these items only; ids that are not there are passed over.
        where : mapping of payload field to value, optional
            Search only items whose payload has all these values. ``"a.b"`` is field b of the
            object in field a. A value is a string, a whole number of 64 bits, a float or a
            boolean; 1 equals 1.0, but neither equals True or "1". A field that is missing, null,
            a list or an object equals nothing.
        approximate : bool
            Search the structure that `build_approximate` made: quicker over many items, and may
            miss some of the nearest. Not together with `allowed` or `where`.
        payload : bool
            False leaves the payload of the hits out, which is cheaper for a large k.
        fingerprint : str, optional
            Of the model that coded the queries; another one than the index's is refused.
        n_jobs : int or None
            Threads that an engine on this machine may use, None for all cores; the result does
            not depend on it.

        Raises
        ------
        DataError
            For codes of another length or model, or an approximate search without its structure.
        ConfigError
            For a k, a `where` or n_jobs that mean nothing.

        Notes
        -----
        Equal distances come in the order of adding from the embedded engine; an engine that
        cannot promise an order says so, and then also which of several equally far items stand
        at the end of the k is open.
        """

    @abstractmethod
    def range_search(
        self,
        queries: Codes,
        radius: int,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        where: Mapping[str, Any] | None = None,
        payload: bool = True,
        fingerprint: str | None = None,
        n_jobs: int | None = None,
    ) -> list[Hits]:
        """Return, for every query, all items at a distance of at most `radius`, as `search`."""

    def search_arrays(
        self,
        queries: Codes | np.ndarray,
        k: int = 10,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        where: Mapping[str, Any] | None = None,
        approximate: bool = False,
        fingerprint: str | None = None,
        n_jobs: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the k nearest items of every query as two arrays, as faiss does.

        Parameters and errors are those of `search`, but for the queries.

        Parameters
        ----------
        queries : Codes or (q, ceil(bits / 8)) uint8
            Packed codes.

        Returns
        -------
        distances : (q, k) int32
            Hamming distances, in bits.
        ids : (q, k) int64 or str
            Where a query has fewer than k items, the rest of its row is padding: distance -1 and
            id -1 or, among string ids, "".
        """
        if not isinstance(queries, Codes):
            packed = np.asarray(queries)
            if packed.ndim != 2 or packed.dtype != np.uint8:
                raise DataError(
                    f"queries must be packed codes, (q, bits / 8) uint8, got {packed.dtype} "
                    f"{packed.shape}; pack bits with Codes.pack"
                )
            queries = Codes(packed, self.bits or packed.shape[1] * 8)
        hits = self.search(
            queries,
            k,
            allowed=allowed,
            where=where,
            approximate=approximate,
            payload=False,
            fingerprint=fingerprint,
            n_jobs=n_jobs,
        )
        shape = (len(queries), int(k))
        filled = np.arange(shape[1]) < np.array([len(row) for row in hits], dtype=int)[:, None]
        distances = np.full(shape, -1, dtype=np.int32)
        if not hits:
            return distances, np.empty(shape, dtype=np.int64)
        every_id = np.concatenate([row.ids for row in hits])
        distances[filled] = np.concatenate([row.distances for row in hits])
        ids = np.full(shape, "" if every_id.dtype.kind == "U" else -1, dtype=every_id.dtype)
        ids[filled] = every_id
        return distances, ids

    @abstractmethod
    def build_approximate(self, kind: str = "ivf", **settings: Any) -> float | None:
        """Make the structure that ``search(approximate=True)`` uses over the items of now.

        Parameters
        ----------
        kind : str
            "ivf" (cells around centres); the embedded engine also knows "hnsw" (a graph).
        **settings
            Of the kind, documented by the engine.

        Returns
        -------
        float or None
            Recall at 10 against exact search, measured on a sample of the stored codes; `stat`
            repeats it. None if the engine does not measure it.
        """

    @abstractmethod
    def stat(self) -> dict[str, Any]:
        """Describe the index.

        Returns
        -------
        dict
            JSON values. Every engine gives engine (its name), items, removed (items whose space
            `compact` gives back, or None), bits, fingerprint, ids ("int64", "str" or None),
            version (transactions so far, or None) and bytes (on disk, or None); more as it likes.
        """

    @abstractmethod
    def verify(self) -> list[str]:
        """Check everything that can be checked; return one sentence per problem, [] for none."""

    @abstractmethod
    def compact(self) -> None:
        """Give back the space of removed items; what a search finds does not change."""

    @abstractmethod
    def flush(self) -> None:
        """Make everything that was written so far last, where a call does not do so by itself."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the index; closing twice does no harm, another later call is a ConfigError."""

    def __repr__(self) -> str:
        try:
            state = f"{len(self):,} items" + (f", {self.bits} bits" if self.bits else "")
        except CrossbitError:
            state = "closed, or cannot be read"
        return f"<{type(self).__name__} {self.address}: {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
