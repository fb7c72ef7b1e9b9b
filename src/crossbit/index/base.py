"""The contract that every index engine keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from crossbit.codes import Codes

__all__ = ["Hits", "Index"]


@dataclass(frozen=True, eq=False)
class Hits:
    """What one query found, nearest first; equal distances in the order of adding.

    Attributes
    ----------
    ids : (h,) int64 or str
    distances : (h,) int32
    payload : list of dict
        What was stored with each item.
    """

    ids: np.ndarray
    distances: np.ndarray
    payload: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)


class Index(ABC):
    """Codes of one length from one model, by id, with a JSON dictionary for each.

    Used in a ``with`` statement, a writable index is flushed at its end; after an error in the
    block, what was not flushed yet is dropped.
    """

    @classmethod
    @abstractmethod
    def open(cls, location: str, mode: str) -> Self:
        """Open the index at `location` for reading ("r") or writing ("w")."""

    @property
    @abstractmethod
    def bits(self) -> int | None:
        """Code length; None while nothing was ever added."""

    @property
    @abstractmethod
    def fingerprint(self) -> str | None:
        """Fingerprint of the model whose codes these are; None if it was not given."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of items."""

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
            For an id that is there already, another length, another model, or a payload that
            is not JSON; nothing is added then.
        """

    @abstractmethod
    def remove(self, ids: Sequence[Any] | np.ndarray) -> None:
        """Remove items; an id that is not there is a DataError, and nothing is removed."""

    @abstractmethod
    def search(
        self,
        queries: Codes,
        k: int = 10,
        *,
        allowed: Sequence[Any] | np.ndarray | None = None,
        fingerprint: str | None = None,
    ) -> list[Hits]:
        """Return the k nearest items of every query, all of them if there are fewer.

        Parameters
        ----------
        queries : Codes
        k : int
            At least 1.
        allowed : sequence of ids, optional
            Search these items only; ids that are not there are passed over.
        fingerprint : str, optional
            Of the model that coded the queries; another one than the index's is refused.

        Raises
        ------
        DataError
            For codes of another length or model.
        """

    @abstractmethod
    def range_search(
        self, queries: Codes, radius: int, *, fingerprint: str | None = None
    ) -> list[Hits]:
        """Return, for every query, all items at a distance of at most `radius`."""

    @abstractmethod
    def get(self, ids: Sequence[Any] | np.ndarray) -> tuple[Codes, list[dict[str, Any]]]:
        """Return codes and payload of some items; an id that is not there is a DataError."""

    @abstractmethod
    def flush(self) -> None:
        """Make everything added and removed so far last."""

    @abstractmethod
    def close(self) -> None:
        """Flush, if writable, and let go of the index; any later call is a ConfigError."""

    @abstractmethod
    def discard(self) -> None:
        """Let go of the index without writing what was not flushed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
