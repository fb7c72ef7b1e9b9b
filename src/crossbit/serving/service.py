"""Service: the shelves, the model and the pictures behind the routes, and how they are shared."""

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
from crossbit.indexing.encode import Coder, Raw
from crossbit.serving.auth import Keys
from crossbit.serving.batching import Batcher
from crossbit.serving.pictures import Pictures
from crossbit.serving.problems import Problem
from crossbit.serving.telemetry import Telemetry
from crossbit.serving.view_index import Ask, Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbit.methods.base import Hasher

__all__ = ["Limits", "Service", "facts"]

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
        Bytes of all bodies that are held at a time.
    pixels : int
        Pixels of a picture, told from its header before it is decoded.
    text : int
        Characters of a text.
    k : int
        Items that one search returns.
    batch : int
        Texts, vectors or items in one request.
    searches : int
        Searches that one call of the kernel answers together; 1 answers one at a time.
    concurrency : int
        Requests at work; further ones are told to come again.
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
    shelves : sequence of Shelf
        One for each view that items are found by, all of one model's codes.
    hasher : Hasher, optional
        The model; without it only codes and stored items can ask.
    pictures : Pictures
    keys : Keys
    limits : Limits

    Raises
    ------
    ConfigError
        If two shelves have one view, or there is none.
    DataError
        If the shelves hold codes of different models, or of another one than `hasher`.
    """

    shelves: Sequence[Shelf]
    hasher: Hasher | None = None
    pictures: Pictures = field(default_factory=Pictures)
    keys: Keys = field(default_factory=Keys)
    limits: Limits = field(default_factory=Limits)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        if not self.shelves:
            raise ConfigError("nothing to serve; name at least one index")
        self.views = {shelf.view: shelf for shelf in self.shelves}
        if len(self.views) < len(self.shelves):
            raise ConfigError("two indexes are of one view; name them apart: image=... text=...")
        self._check_models()
        self._threads: list[ThreadPoolExecutor] = []
        self._searches = {
            view: Batcher[Ask, Hits](
                shelf.search,
                most=self.limits.searches,
                waiting=4 * self.limits.concurrency,
                executor=self._executor(f"search-{view}"),
                observe=self.telemetry.batches.labels("search").observe,
            )
            for view, shelf in self.views.items()
        }
        self._coder = None if self.hasher is None else Coder(self.hasher)
        self._codings: Batcher[Raw, np.ndarray] | None = None
        if self._coder is not None:
            self._codings = Batcher(
                self._coder.encode,
                most=self.limits.searches,
                waiting=4 * max(self.limits.concurrency, self.limits.batch),
                executor=self._executor("code"),
                observe=self.telemetry.batches.labels("code").observe,
            )
        self._others = self._executor("other", 4)  # items, thumbnails
        self._writes = self._executor("write")

    @property
    def bits(self) -> int:
        """Code length, once it is known."""
        if self.hasher is not None:
            return self.hasher.bits
        return next((shelf.bits for shelf in self.shelves if shelf.bits), 0)

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the model, or of the one that made the codes."""
        return self._fingerprint

    async def search(self, view: str, ask: Ask) -> Hits:
        """Return what one query finds on one shelf."""
        return await self._searches[view](ask)

    async def outputs(self, raws: Sequence[Raw]) -> np.ndarray:
        """Return the model's outputs of some items, (n, bits)."""
        if self._codings is None:
            raise Problem(
                422,
                "There is no model",
                "This service has indexes alone; ask by id or code, or start it with --model.",
            )
        found = await asyncio.gather(*(self._codings(raw) for raw in raws), return_exceptions=True)
        for answer in found:
            if isinstance(answer, BaseException):
                raise answer
        return np.stack([answer for answer in found if isinstance(answer, np.ndarray)])

    async def write(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a change of an index off the event loop, one after the other.

        It is carried through even if the one who asked for it goes away meanwhile.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._writes, partial(work, *arguments)))

    async def aside(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run something short off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._others, partial(work, *arguments))

    def asks(self) -> dict[str, str]:
        """Return by what each view of the model is asked: "text", "image" or "vector"."""
        if self.hasher is None:
            return {}
        return {view: _asked_by(self.hasher, view) for view in self.hasher.dims}

    def shelf(self, view: str) -> Shelf:
        """Return the shelf of a view."""
        if view not in self.views:
            known = ", ".join(self.views)
            raise DataError(f"there are no items to find by {view!r}; choose from {known}")
        return self.views[view]

    def code(self, text: str) -> Codes:
        """Return a code that was given in hexadecimal."""
        packed = np.frombuffer(bytes.fromhex(text), dtype=np.uint8)
        if not self.bits:
            raise DataError("the index is empty; add items first")
        if len(packed) != code_bytes(self.bits):
            raise DataError(
                f"the code has {len(packed)} bytes, codes of {self.bits} bits have "
                f"{code_bytes(self.bits)}; give two hexadecimal digits for each"
            )
        return Codes(packed[None], self.bits)

    def ready(self) -> None:
        """Raise an error if a search would fail."""
        for shelf in self.shelves:
            if shelf.bits:
                anything = Codes(np.zeros((1, code_bytes(shelf.bits)), dtype=np.uint8), shelf.bits)
                shelf.reader.search(anything, 1, payload=False)

    def close(self) -> None:
        """Finish what is at work, and let go of the indexes."""
        for executor in self._threads:
            executor.shutdown(wait=True)
        for shelf in self.shelves:
            shelf.close()

    def _executor(self, name: str, threads: int = 1) -> Executor:
        made = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads.append(made)
        return made

    def _check_models(self) -> None:
        prints = {shelf.fingerprint for shelf in self.shelves if shelf.bits} - {None}
        own = None if self.hasher is None else self.hasher.fingerprint
        if len(prints | ({own} if own else set())) > 1:
            raise DataError(
                "the indexes hold codes of different models, or of another one than the model "
                "given; build them with one model"
            )
        self._fingerprint = own or next(iter(prints), None)
        lengths = {shelf.bits for shelf in self.shelves if shelf.bits}
        if self.hasher is not None:
            lengths.add(self.hasher.bits)
        if len(lengths) > 1:
            raise DataError(f"codes of {sorted(lengths)} bits do not mix; build with one model")


def _asked_by(hasher: Hasher, view: str) -> str:
    encoder = hasher.encoders.get(view)
    if encoder is None:
        return "vector"
    side = getattr(encoder, "side", "text" if encoder.kind in TEXTS else "image")  # of CLIP
    return str(side)


SAMPLE = 2_000  # codes that the health is measured on


def facts(service: Service) -> dict[str, Any]:
    """Return views, model and limits as the schema `Facts` says; O(sample bits^2)."""
    return {
        "version": crossbit.__version__,
        "views": {view: _view(shelf) for view, shelf in service.views.items()},
        "model": _model(service),
        "limits": asdict(service.limits),
    }


def _view(shelf: Shelf) -> dict[str, Any]:
    items = len(shelf)
    health = None
    if items > 1:
        sample = shelf.reader.sample(SAMPLE)
        health = {"sample": len(sample), **asdict(sample.health())}
    return {
        "items": items,
        "bits": shelf.bits,
        "writable": shelf.writer is not None,
        "health": health,
    }


def _model(service: Service) -> dict[str, Any] | None:
    hasher = service.hasher
    if hasher is None:
        return None
    return {
        "method": hasher.name,
        "summary": hasher.summary,
        "bits": hasher.bits,
        "fingerprint": service.fingerprint,
        "validation_map": hasher.trained.get("validation_map"),
        "asks": service.asks(),
    }
