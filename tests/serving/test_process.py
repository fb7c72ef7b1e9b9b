"""The service as a process: it drains, it can be killed, it says what is wrong with its start."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from serving_parts import WRITE_KEY
from serving_process import Process
from typer.testing import CliRunner

import crossbit
from crossbit.cli import app
from crossbit.codes import Codes
from crossbit.serving.auth import READ, WRITE
from crossbit.serving.client import AsyncClient, Client, ServiceError

BITS = 32


@pytest.fixture
def address(tmp_path: Path) -> str:
    """An index of 20,000 codes."""
    packed = np.random.default_rng(0).integers(0, 256, (20_000, BITS // 8), dtype=np.uint8)
    with crossbit.open_index(tmp_path / "codes", "w") as index:
        index.add(Codes(packed, BITS), [{"caption": f"item {k}"} for k in range(20_000)])
    return str(tmp_path / "codes")


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    begun: list[Process] = []

    def run(*arguments: str | Path, **environment: str) -> Process:
        begun.append(Process(*arguments, **environment))
        return begun[-1]

    yield run
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.wait()


def test_what_is_at_work_is_finished_before_it_ends(address, start) -> None:
    served = start(address)

    async def main() -> list[object]:
        async with AsyncClient(served.url) as client:
            asked = [asyncio.create_task(client.search(id=k, k=1000)) for k in range(200)]
            while not any(task.done() for task in asked):
                await asyncio.sleep(0.001)
            served.signal(signal.SIGTERM)
            return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(main())
    # A request that came to a closed door was never taken in; one that was, has its whole answer.
    done = [found for found in answers if not isinstance(found, ServiceError)]
    refused = [found for found in answers if isinstance(found, ServiceError)]
    assert len(done) >= 1
    assert all(len(found.hits) == 1000 for found in done)  # type: ignore[attr-defined]
    assert all(found.status == 0 for found in refused)
    assert served.wait() in (0, -signal.SIGTERM)


def test_killed_and_started_again_it_has_all_that_it_acknowledged(address, start) -> None:
    key = {WRITE: WRITE_KEY}
    served = start(address, **key)
    acknowledged: list[int] = []

    def write() -> None:
        with Client(served.url, key=WRITE_KEY) as client:
            for k in range(100_000, 200_000):
                try:
                    client.add("image", [{"id": k, "code": k.to_bytes(4, "little")}])
                except ServiceError:
                    return
                acknowledged.append(k)

    with Client(served.url) as client:
        before = client.search(id=7, k=50).hits
        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 20:
            client.search(id=3, k=5)
        served.signal(signal.SIGKILL)
        served.wait()
        writer.join(60)
    again = start(address, **key)
    with Client(again.url, key=WRITE_KEY) as client:
        for k in acknowledged:
            assert client.item("image", k).code == k.to_bytes(4, "little")
        client.remove("image", acknowledged)
        held = client.info()["views"]["image"]["items"]
        if held > 20_000:  # one more may have been written and not been acknowledged
            client.remove("image", [acknowledged[-1] + 1])
        assert client.search(id=7, k=50).hits == before
    again.stop()
    with crossbit.open_index(address) as index:
        assert len(index) == 20_000
        assert index.verify() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "there is no index in nowhere"),
        (("{index}", "--host", "0.0.0.0"), "without a read key everybody could search"),
        (("{index}", "--images", "nowhere"), "there is no folder of pictures"),
        (("{index}", "image={index}"), "two indexes are of one view"),
        (("{index}", "--model", "nowhere"), "does not exist"),
        (("{index}", "--port", "0"), "--port"),
        ((), "INDEX"),
    ],
)
def test_a_start_that_cannot_work_says_why(address, monkeypatch, arguments, message) -> None:
    monkeypatch.delenv(READ, raising=False)
    given = [text.replace("{index}", address) for text in arguments]
    result = CliRunner().invoke(app, ["serve", *given])
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_key_that_is_too_short_is_refused(address, monkeypatch) -> None:
    monkeypatch.setenv(WRITE, "short")
    result = CliRunner().invoke(app, ["serve", address])
    assert result.exit_code == 2
    assert "at least 16 characters" in result.stderr
    assert "short" not in result.stderr.replace("shorten", "")


def test_two_services_cannot_both_write(address, start) -> None:
    start(address, **{WRITE: WRITE_KEY})
    reader = start(address)  # any number may read
    with Client(reader.url) as client:
        assert len(client.search(id=1, k=3).hits) == 3
    result = CliRunner().invoke(app, ["serve", address], env={WRITE: WRITE_KEY})
    assert result.exit_code == 2
    assert "another" in result.stderr
