"""Batches: what waits is answered together, each item by its own answer."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossbit.serving.batching import Batcher
from crossbit.serving.problems import Problem


class Gate:
    """Work that doubles numbers, and waits until it is let through."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        assert self.open.wait(10)
        return [ValueError(f"{n} is odd") if n % 2 else 2 * n for n in items]


def run(scenario, *, most: int = 8, waiting: int = 100):
    gate = Gate()
    sizes: list[int] = []

    async def main():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(
                gate, most=most, waiting=waiting, executor=executor, observe=sizes.append
            )
            try:
                return await scenario(batcher, gate)
            finally:
                gate.open.set()

    found = asyncio.run(main())
    assert [len(batch) for batch in gate.batches] == sizes
    return found, gate


async def started(gate: Gate, count: int = 1) -> None:
    while len(gate.batches) < count:
        await asyncio.sleep(0.001)


def test_the_first_is_not_kept_waiting_and_the_rest_go_together() -> None:
    async def scenario(batcher, gate):
        first = asyncio.create_task(batcher(0))
        await started(gate)
        rest = [asyncio.create_task(batcher(n)) for n in range(2, 42, 2)]
        await asyncio.sleep(0.01)
        gate.open.set()
        return await asyncio.gather(first, *rest)

    found, gate = run(scenario)
    assert found == [2 * n for n in range(0, 42, 2)]
    assert [len(batch) for batch in gate.batches] == [1, 8, 8, 4]


def test_an_answer_that_is_an_error_is_its_items_alone() -> None:
    async def scenario(batcher, gate):
        gate.open.set()
        return await asyncio.gather(*(batcher(n) for n in range(6)), return_exceptions=True)

    found, _ = run(scenario)
    assert [found[n] for n in (0, 2, 4)] == [0, 4, 8]
    assert [str(found[n]) for n in (1, 3, 5)] == ["1 is odd", "3 is odd", "5 is odd"]


def test_work_that_fails_fails_its_batch_and_no_other() -> None:
    calls: list[list[int]] = []

    def work(items: list[int]) -> list[int]:
        calls.append(items)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return items

    async def main():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher[int, int](work, most=1, waiting=9, executor=executor)
            return await asyncio.gather(*(batcher(n) for n in range(3)), return_exceptions=True)

    first, *rest = asyncio.run(main())
    assert str(first) == "broken"
    assert rest == [1, 2]


def test_who_has_gone_is_not_worked_for() -> None:
    async def scenario(batcher, gate):
        first = asyncio.create_task(batcher(0))
        await started(gate)
        gone, stays = asyncio.create_task(batcher(2)), asyncio.create_task(batcher(4))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        gate.open.set()
        return await asyncio.gather(first, stays)

    found, gate = run(scenario)
    assert found == [0, 8]
    assert gate.batches == [[0], [4]]


def test_a_full_queue_says_when_to_come_again() -> None:
    async def scenario(batcher, gate):
        tasks = [asyncio.create_task(batcher(0))]
        await started(gate)
        tasks += [asyncio.create_task(batcher(2 * n)) for n in range(1, 4)]
        await asyncio.sleep(0.01)
        with pytest.raises(Problem) as refused:
            await batcher(8)
        gate.open.set()
        return refused.value, await asyncio.gather(*tasks)

    (refused, found), _ = run(scenario, waiting=3)
    assert refused.status_code == 503
    assert refused.headers == {"Retry-After": "1"}
    assert found == [0, 4, 8, 12]
