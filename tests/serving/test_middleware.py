"""Bounds of every request, and clients that are slow, broken, many or gone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpx
import pytest
from serving_parts import WRITE_KEY, square

from crossbit.serving.auth import Auth
from crossbit.serving.client import AsyncClient, Client, ServiceError
from crossbit.serving.service import Limits

HEAD = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"


def raw(running, data: bytes, timeout: float = 10.0) -> bytes:
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection(("127.0.0.1", running.port), timeout) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
            if b"\r\n\r\n" in b"".join(parts) and b'"status"' in b"".join(parts):
                break
        return b"".join(parts)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(service_of, serve, chunked) -> None:
    running = serve(service_of(body=10_000))
    sent = 0

    def endless():
        nonlocal sent
        for _ in range(4000):
            sent += 4096
            yield b"x" * 4096

    content = endless() if chunked else b"x" * 10_001
    try:
        answer = httpx.post(f"{running.url}/v1/search/image", content=content, timeout=10)
    except httpx.WriteError:
        assert chunked  # the service answered and closed while we were still sending
        assert sent < 4000 * 4096
    else:
        assert answer.status_code == 413
        assert "10,000 bytes" in answer.json()["detail"]
    with Client(running.url) as client:
        assert client.search(text="red", k=1).hits


def test_a_length_that_lies_gains_nothing(service_of, serve) -> None:
    running = serve(service_of(body=10_000))
    head = (
        b"POST /v1/search/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    )
    assert b"413" in raw(running, head).split(b"\r\n")[0]


def test_more_than_it_can_hold_is_told_to_come_again(service_of, serve, monkeypatch) -> None:
    service = service_of(concurrency=3)
    held = threading.Event()
    index = service.views["image"]
    search = index.search
    monkeypatch.setattr(index, "search", lambda asks: (held.wait(10), search(asks))[1])
    service._searches["image"]._work = index.search
    running = serve(service)

    async def main():
        async with AsyncClient(running.url) as client:
            asked = [
                asyncio.create_task(client.search(text="red", find=["image"], k=1))
                for _ in range(3)
            ]
            await asyncio.sleep(0.5)
            with pytest.raises(ServiceError) as refused:
                await client.search(text="red", k=1)
            health = await asyncio.to_thread(httpx.get, f"{running.url}/healthz")
            held.set()
            return refused.value, health, await asyncio.gather(*asked)

    refused, health, found = asyncio.run(main())
    assert refused.status == 503
    assert health.status_code == 200
    assert [len(answer.hits) for answer in found] == [1, 1, 1]


def test_bodies_together_are_bounded(service_of, serve) -> None:
    """Many half-sent uploads hold no more than the limit; when they are gone, all is as before."""
    running = serve(service_of(body=50_000, bodies=100_000, seconds=2.0))
    head = HEAD.replace(b"100", b"50000").replace(b"search", b"search/image")
    begun = []
    for _ in range(4):
        connection = socket.create_connection(("127.0.0.1", running.port), 10)
        connection.settimeout(10)
        connection.sendall(head + b"x" * 40_000)
        begun.append(connection)
    answers = []
    for connection in begun:
        answers.append(connection.recv(4096).split(b"\r\n")[0])
        connection.close()
    assert sorted(answers) == 2 * [b"HTTP/1.1 503 Service Unavailable"] + 2 * [
        b"HTTP/1.1 504 Gateway Timeout"
    ]
    with Client(running.url) as client:
        assert client.search(image=square("red"), k=1).hits


def test_a_request_that_takes_too_long_is_given_up(service_of, serve, monkeypatch) -> None:
    service = service_of(seconds=0.3)
    held = threading.Event()
    service._searches["image"]._work = lambda asks: held.wait(10)
    running = serve(service)
    started = time.monotonic()
    with Client(running.url) as client, pytest.raises(ServiceError) as late:
        client.search(text="red", find=["image"])
    held.set()
    assert late.value.status == 504
    assert time.monotonic() - started < 5


def test_slow_and_broken_clients_hold_nobody_up(service_of, serve) -> None:
    running = serve(service_of(seconds=1.0))
    begun = []
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", running.port), 10)
        connection.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        )
        begun.append(connection)
    for _ in range(50):  # gone in the middle of a request
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(HEAD)
    for junk in (b"\0\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000):
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(junk)
    with Client(running.url) as client:
        for _ in range(20):
            assert len(client.search(text="red", k=3, find=["image"]).hits) == 3
    answers = []
    for connection in begun:
        connection.settimeout(10)
        answers.append(connection.recv(4096).split(b"\r\n")[0])
        connection.close()
    assert set(answers) == {b"HTTP/1.1 504 Gateway Timeout"}
    last = time.monotonic() + 5
    while running.service.telemetry.active._value.get() and time.monotonic() < last:
        time.sleep(0.01)
    assert running.service.telemetry.active._value.get() == 0


def test_a_write_whose_client_went_away_is_whole(service_of, serve) -> None:
    running = serve(service_of(auth=Auth(write=WRITE_KEY)))
    body = b'{"view": "text", "items": [{"id": "a", "text": "red"}, {"id": "b", "text": "blue"}]}'
    head = (
        "POST /v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {WRITE_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
        connection.sendall(head.encode() + body)
    with Client(running.url) as client:
        last = time.monotonic() + 10
        while client.info()["views"]["text"]["items"] < 62:
            assert time.monotonic() < last
        assert client.item("text", "a").id == "a"
        assert client.item("text", "b").id == "b"


def test_a_failure_of_ours_says_nothing_of_the_inside(service_of, serve) -> None:
    service = service_of()

    def broken(asks):
        raise RuntimeError("secret of /root/place")

    service._searches["image"]._work = broken
    answer = httpx.post(f"{serve(service).url}/v1/search", json={"text": "red"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "secret" not in answer.text


def test_what_was_answered_is_counted_by_route(running, client) -> None:
    client.search(text="red", k=1)
    client.search(image=square("red"), k=1)
    with pytest.raises(ServiceError):
        client.item("text", "none")
    httpx.get(f"{running.url}/wherever/{'x' * 50}")
    httpx.request("BREW", f"{running.url}/v1/index")
    text = httpx.get(f"{running.url}/metrics").text
    values = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    lines = {name: float(value) for name, _, value in values}
    counted = 'crossbit_requests_total{method="%s",route="%s",status="%s"}'
    assert lines[counted % ("POST", "/v1/search", 200)] == 1
    assert lines[counted % ("POST", "/v1/search/image", 200)] == 1
    assert lines[counted % ("GET", "/v1/items/{view}/{key:path}", 404)] == 1
    assert lines[counted % ("GET", "other", 404)] == 1
    assert not any("xxx" in line or "BREW" in line for line in lines)
    assert lines['crossbit_index_items{view="text"}'] == 60
    assert lines['crossbit_batch_size_count{kind="search"}'] == 4  # two views, two searches
    assert lines['crossbit_request_seconds_count{route="/v1/search"}'] == 1


def test_limits_are_above_zero() -> None:
    with pytest.raises(ValueError, match="the limit k must be above 0"):
        Limits(k=0)
