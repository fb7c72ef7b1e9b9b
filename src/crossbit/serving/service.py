"""Service: indexes, model and thumbnails behind the routes, and the threads that use them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

import crossbit
from crossbit.codes import Codes, code_bytes
from crossbit.errors import ConfigError, DataError
from crossbit.index import Hits
from crossbit.indexing.encode import RawEncoder, RawItem
from crossbit.indexing.query import parse_code
from crossbit.indexing.searcher import SearchRequest
from crossbit.serving.auth import Auth
from crossbit.serving.batching import Batcher
from crossbit.serving.problems import Problem
from crossbit.serving.telemetry import Telemetry
from crossbit.serving.thumbnails import Thumbnails
from crossbit.serving.view_index import ViewIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbit.methods.base import Hasher

__all__ = ["Limits", "Service", "info"]

T = TypeVar("T")
TEXTS = frozenset({"bow"})  # encoders of texts


@dataclass(frozen=True)
class Limits:
    """Bounds of every input; beyond them a request is refused with the bound in the answer.

    Attributes
    ----------
    body : int
        Bytes of a request.
    bodies : int
        Bytes of all bodies in memory at a time.
    pixels : int
        Pixels of a picture, read from its header before it is decoded.
    text : int
        Characters of a text.
    k : int
        Items that one search returns.
    batch : int
        Texts, vectors or items in one request.
    searches : int
        Searches that one call of the kernel answers together; 1 answers one at a time.
    concurrency : int
        Requests at work; further ones are refused with 503.
    seconds : float
        Time for a request, from its first line to its answer.
    """

    body: int = 16 << 20
    bodies: int = 256 << 20
    pixels: int = 32_000_000
    text: int = 10_000
    k: int = 1_000
    batch: int = 1_000
    searches: int = 256
    concurrency: int = 512
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) <= 0:
                raise ConfigError(f"the limit {item.name} must be above 0")


@dataclass
class Service:
    """Everything that routes work with.

    Parameters
    ----------
    indexes : sequence of ViewIndex
        One for each view, all of one model's codes.
    hasher : Hasher, optional
        The model; without it only codes and stored items can be queries.
    thumbnails : Thumbnails
    auth : Auth
    limits : Limits

    Raises
    ------
    ConfigError
        If two indexes have one view, or there is none.
    DataError
        If the indexes hold codes of different models, or of another one than `hasher`.
    """

    indexes: Sequence[ViewIndex]
    hasher: Hasher | None = None
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    auth: Auth = field(default_factory=Auth)
    limits: Limits = field(default_factory=Limits)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        if not self.indexes:
            raise ConfigError("nothing to serve; name at least one index")
        self.views = {index.view: index for index in self.indexes}
        if len(self.views) < len(self.indexes):
            raise ConfigError("two indexes are of one view; name them apart: image=... text=...")
        self._check_models()
        self._executors: list[ThreadPoolExecutor] = []
        self._searches = {
            view: Batcher[SearchRequest, Hits](
                index.search,
                most=self.limits.searches,
                waiting=4 * self.limits.concurrency,
                executor=self._executor(f"search-{view}"),
                observe=self.telemetry.batches.labels("search").observe,
            )
            for view, index in self.views.items()
        }
        self._encodings: Batcher[RawItem, np.ndarray] | None = None
        if self.hasher is not None:
            self._encodings = Batcher(
                RawEncoder(self.hasher).encode,
                most=self.limits.searches,
                waiting=4 * max(self.limits.concurrency, self.limits.batch),
                executor=self._executor("code"),
                observe=self.telemetry.batches.labels("code").observe,
            )
        self._others = self._executor("other", 4)  # items, thumbnails
        self._writes = self._executor("write")

    @property
    def bits(self) -> int:
        """Code length; 0 while all indexes are empty and there is no model."""
        if self.hasher is not None:
            return self.hasher.bits
        return next((index.bits for index in self.indexes if index.bits), 0)

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the model, or of the one that made the codes."""
        return self._fingerprint

    async def search(self, view: str, request: SearchRequest) -> Hits:
        """Return the items of one view that a request finds."""
        return await self._searches[view](request)

    async def outputs(self, items: Sequence[RawItem]) -> np.ndarray:
        """Return the model's outputs of some items, (n, bits)."""
        if self._encodings is None:
            raise Problem(
                422,
                "There is no model",
                "This service has indexes alone; search by id or code, or start it with --model.",
            )
        results = await asyncio.gather(*map(self._encodings, items), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return np.stack([result for result in results if isinstance(result, np.ndarray)])

    async def write(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a change of an index off the event loop, one after the other.

        It is carried through even if the client goes away meanwhile.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._writes, partial(work, *arguments)))

    async def run_in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run something short off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._others, partial(work, *arguments))

    def query_kinds(self) -> dict[str, str]:
        """Return what a query of each view of the model is: "text", "image" or "vector"."""
        if self.hasher is None:
            return {}
        return {view: _query_kind(self.hasher, view) for view in self.hasher.dims}

    def view_index(self, view: str) -> ViewIndex:
        """Return the index of a view."""
        if view not in self.views:
            names = ", ".join(self.views)
            raise DataError(f"there is no index of the view {view!r}; choose from {names}")
        return self.views[view]

    def parse_code(self, text: str) -> Codes:
        """Return the code that a hexadecimal text writes out."""
        if not self.bits:
            raise DataError("the index is empty; add items first")
        return parse_code(text, self.bits)

    def ready(self) -> None:
        """Raise an error if a search would fail."""
        for index in self.indexes:
            if index.bits:
                anything = Codes(np.zeros((1, code_bytes(index.bits)), dtype=np.uint8), index.bits)
                index.reader.search(anything, 1, payload=False, n_jobs=1)

    def close(self) -> None:
        """Finish the work under way and close the indexes."""
        for executor in self._executors:
            executor.shutdown(wait=True)
        for index in self.indexes:
            index.close()

    def _executor(self, name: str, threads: int = 1) -> Executor:
        executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._executors.append(executor)
        return executor

    def _check_models(self) -> None:
        fingerprints = {index.fingerprint for index in self.indexes if index.bits} - {None}
        own = None if self.hasher is None else self.hasher.fingerprint
        if len(fingerprints | ({own} if own else set())) > 1:
            raise DataError(
                "the indexes hold codes of different models, or of another one than the model "
                "of the service; build them with one model"
            )
        self._fingerprint = own or next(iter(fingerprints), None)
        lengths = {index.bits for index in self.indexes if index.bits}
        if self.hasher is not None:
            lengths.add(self.hasher.bits)
        if len(lengths) > 1:
            raise DataError(f"codes of {sorted(lengths)} bits do not mix; build with one model")


def _query_kind(hasher: Hasher, view: str) -> str:
    encoder = hasher.encoders.get(view)
    if encoder is None:
        return "vector"
    side = getattr(encoder, "side", "text" if encoder.kind in TEXTS else "image")  # of CLIP
    return str(side)


SAMPLE = 2_000  # codes that the health is measured on


def info(service: Service) -> dict[str, Any]:
    """Return views, model and limits as the schema `ServiceInfo` says; O(sample bits^2)."""
    return {
        "version": crossbit.__version__,
        "views": {view: _view_info(index) for view, index in service.views.items()},
        "model": _model_info(service),
        "limits": asdict(service.limits),
    }


def _view_info(index: ViewIndex) -> dict[str, Any]:
    items = len(index)
    health = None
    if items > 1:
        sample = index.reader.sample(SAMPLE)
        health = {"sample": len(sample), **asdict(sample.health())}
    return {
        "items": items,
        "bits": index.bits,
        "writable": index.writer is not None,
        "health": health,
    }


def _model_info(service: Service) -> dict[str, Any] | None:
    hasher = service.hasher
    if hasher is None:
        return None
    return {
        "method": hasher.name,
        "summary": hasher.summary,
        "bits": hasher.bits,
        "fingerprint": service.fingerprint,
        "validation_map": hasher.trained.get("validation_map"),
        "asks": service.query_kinds(),
    }
