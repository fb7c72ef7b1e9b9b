"""Batching: items that arrive while one batch runs are worked on together by the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

from crossbit.serving.problems import Problem

__all__ = ["Batcher"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Gathers items of many requests into calls of one function, off the event loop.

    Nobody waits for a batch to fill: an item that finds nothing at work is worked on at once, and
    what comes meanwhile is the next batch. Under load batches grow by themselves.

    Parameters
    ----------
    work : callable
        Takes some items and returns as many answers; an answer that is an exception is raised
        for its item alone.
    most : int
        Items of one call.
    waiting : int
        Items that may wait; further ones are refused with 503.
    executor : Executor
        Where `work` runs; one call at a time.
    observe : callable, optional
        Told the size of every batch.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Answer | Exception]],
        *,
        most: int,
        waiting: int,
        executor: Executor,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self._work, self._most, self._waiting_most = work, most, waiting
        self._executor, self._observe = executor, observe
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        """Return the answer to one item."""
        if len(self._waiting) >= self._waiting_most:
            raise Problem(
                503,
                "The service is busy",
                "Too many requests are waiting; try again in a second.",
                headers={"Retry-After": "1"},
            )
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                if self._observe is not None:
                    self._observe(len(batch))
                answers: Sequence[Answer | Exception]
                try:
                    items = [item for item, _ in batch]
                    answers = await loop.run_in_executor(self._executor, self._work, items)
                except Exception as error:
                    answers = [error] * len(batch)
                for (_, future), answer in zip(batch, answers, strict=True):
                    if future.done():  # the client is gone
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._running = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        """Take what waits, without those whose request has ended."""
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._most:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch
