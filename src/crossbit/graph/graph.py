"""CorrelationGraph: who is whose neighbour in which view; built once, then read from a cache."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError
from crossbit.files import canonical_json, check_format, replace_file, sha256
from crossbit.graph.blocks import BlockReader
from crossbit.graph.neighbours import METRICS, nearest

__all__ = ["VARIABLE", "CorrelationGraph", "cache_folder", "correlation_graph"]

FORMAT = 1
VARIABLE = "CROSSBIT_CACHE"


@dataclass(frozen=True, eq=False)
class CorrelationGraph:
    """The k nearest neighbours of n items in each view.

    Two items are correlated, as UGACH has it (Zhang, Peng and Yuan, AAAI 2018), if one is among
    the other's nearest neighbours in any view; an item is correlated with itself.

    Attributes
    ----------
    neighbours : mapping of view to (n, k) int32
        Positions, nearest first; an item is not its own neighbour.
    distances : mapping of view to (n, k) float32
    metric : str
        Of the distances (see `nearest`).
    """

    neighbours: Mapping[str, np.ndarray]
    distances: Mapping[str, np.ndarray]
    metric: str

    def __len__(self) -> int:
        return len(next(iter(self.neighbours.values())))

    @property
    def k(self) -> int:
        """Neighbours of an item in a view."""
        return int(next(iter(self.neighbours.values())).shape[1])

    @cached_property
    def positives(self) -> tuple[np.ndarray, np.ndarray]:
        """Every item itself and its neighbours in any view, as the rows of a CSR matrix.

        Made when first asked for, O(n K log K) for K = 1 + views * k, then kept.

        Returns
        -------
        indptr : (n + 1,) int64
        indices : (at most n K,) int32
            Of item i, ascending: ``indices[indptr[i] : indptr[i + 1]]``.
        """
        own = np.arange(len(self), dtype=np.int32)[:, None]
        every = np.sort(np.hstack([own, *self.neighbours.values()]), axis=1)
        first = np.ones(every.shape, dtype=bool)
        first[:, 1:] = every[:, 1:] != every[:, :-1]
        indptr = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(first.sum(axis=1), out=indptr[1:])
        return indptr, every[first]

    def save(self, path: str | Path) -> None:
        """Write one .npz, atomically and without pickle."""
        head = {"format": FORMAT, "metric": self.metric, "views": list(self.neighbours)}
        arrays = {"head": np.array(canonical_json(head))}
        for i, view in enumerate(self.neighbours):
            arrays |= {f"neighbours{i}": self.neighbours[view]}
            arrays |= {f"distances{i}": self.distances[view]}
        with replace_file(path) as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is missing, damaged or of another version.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                head = json.loads(str(file["head"]))
                check_format(path, head["format"], FORMAT, "delete it, and it is built again")
                views = list(enumerate(head["views"]))
                found = cls(
                    {view: file[f"neighbours{i}"] for i, view in views},
                    {view: file[f"distances{i}"] for i, view in views},
                    head["metric"],
                )
            found._check()
        except FileNotFoundError:
            raise DataError(f"there is no graph {path}; build it first") from None
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"the graph {path} is damaged ({type(error).__name__}: {error}); delete it, and it "
                "is built again"
            ) from error
        return found

    def _check(self) -> None:
        """Raise a ValueError if positions could not be looked up."""
        if self.metric not in METRICS or not self.neighbours:
            raise ValueError("no views, or an unknown metric")
        shape = (len(self), self.k)
        for at, far in zip(self.neighbours.values(), self.distances.values(), strict=True):
            wrong = at.dtype != np.int32 or at.shape != shape
            if wrong or at.min() < 0 or at.max() >= shape[0]:
                raise ValueError("neighbours are not (n, k) positions")
            if far.dtype != np.float32 or far.shape != shape:
                raise ValueError("distances are not (n, k) float32")


def cache_folder() -> Path | None:
    """Return the folder for graphs: below $CROSSBIT_CACHE, else below the user's cache.

    None if the variable is set but empty: nothing is to be kept.
    """
    given = os.environ.get(VARIABLE)
    if given == "":
        return None
    if given is not None:
        return Path(given).expanduser() / "graphs"
    # The XDG base directory specification has relative paths ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "crossbit" / "graphs"


def correlation_graph(
    views: Mapping[str, BlockReader | np.ndarray | sparse.csr_matrix],
    k: int,
    metric: str = "euclidean",
    *,
    cache: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> CorrelationGraph:
    """Return the graph of n items seen through several views, from the cache if it is there.

    Its file is named after the SHA-256 of features, k and metric, which takes one pass over the
    features; the same features give the same name, in memory, mapped or read in blocks. A file that
    is damaged is built anew. Two processes that build the same graph both write it whole.
    Cost as `nearest`, for one view after the other.

    Parameters
    ----------
    views : mapping of name to Blocks, (n, d) array, memory map or CSR matrix
    cache : Path, optional
        Folder of kept graphs (see `cache_folder`); None keeps nothing.
    progress : callable, optional
        Told the view and the fraction of it that is done; not called for a graph that was kept.

    Raises
    ------
    ConfigError
        For an unknown metric, k < 1 or no views.
    DataError
        If views have different numbers of rows, not more than k, or hold NaN or infinity; if the
        cache is no folder that can be written in.
    """
    rows = {
        view: x if isinstance(x, BlockReader) else BlockReader.of(x) for view, x in views.items()
    }
    if not rows:
        raise ConfigError("a correlation graph needs at least one view")
    if len({x.n for x in rows.values()}) > 1:
        listing = ", ".join(f"{view} has {x.n}" for view, x in rows.items())
        raise DataError(f"views must have one row per item, but {listing} rows")
    path = None if cache is None else _writable(cache) / f"{_key(rows, k, metric)}.npz"
    if path is not None and path.exists():
        try:
            return CorrelationGraph.load(path)
        except DataError as error:
            warnings.warn(f"{error}: building it now", stacklevel=2)
    neighbours, distances = {}, {}
    for view, x in rows.items():
        report = _named(progress, view)
        neighbours[view], distances[view] = nearest(x, k, metric=metric, progress=report)
    graph = CorrelationGraph(neighbours, distances, metric)
    if path is not None:
        try:
            graph.save(path)
        except OSError as error:  # the disk is full: minutes of work are not to be lost for it
            warnings.warn(f"the graph was not kept in {cache}: {error}", stacklevel=2)
    return graph


def _named(
    progress: Callable[[str, float], None] | None, view: str
) -> Callable[[float], None] | None:
    return None if progress is None else lambda done: progress(view, done)


def _writable(cache: Path) -> Path:
    """Return the folder, made if need be: better known before the work than after it."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"graphs cannot be kept in {cache} ({error.strerror}); set {VARIABLE} to another "
            "folder, or to nothing to keep none"
        ) from None
    if not os.access(cache, os.W_OK):
        raise DataError(
            f"graphs cannot be kept in {cache}, which is read-only; set {VARIABLE} to another "
            "folder, or to nothing to keep none"
        )
    return cache


def _key(rows: Mapping[str, BlockReader], k: int, metric: str) -> str:
    """Return the SHA-256 of what a graph is made of."""
    parts: list[Any] = [canonical_json({"format": FORMAT, "k": k, "metric": metric})]
    for view, x in rows.items():
        parts += [canonical_json(view), *(sha256(x.checked(block)) for block in x.blocks())]
    return sha256(*parts)
