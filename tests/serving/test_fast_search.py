"""The quick way to a search answers as the framework's route of the same name does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from serving_parts import READ_KEY

from crossbit.serving.app import create_app
from crossbit.serving.auth import Auth
from crossbit.serving.fast_search import FastSearch

BODIES = [
    b'{"text": "red square"}',
    b'{"text": "red square", "k": 3, "find": ["text"], "where": {"colour": "red"}}',
    b'{"id": "item/3", "k": 2}',
    b'{"code": "0f0f", "radius": 5}',
    b'{"text": "nonsense"}',
    b'{"id": "nobody"}',
    b'{"text": "red", "k": 5000}',
    b'{"text": "red", "k": "five"}',
    b'{"text": "red", "extra": {}}',
    b'{"where": {"a": [1]}, "text": "red"}',
    b'{"text": "red", "id": "x"}',
]
BROKEN = [
    b"[]",
    b"null",
    b"",
    b"{",
    b'{"text": "\xff"}',
    b"[" * 100_000,
    b'{"k": NaN, "text": "red"}',
]


@pytest.fixture
def both(service_of: Any) -> list[Any]:
    guard: Any = create_app(service_of(auth=Auth(READ_KEY)))
    assert isinstance(guard.app, FastSearch)
    return [guard.app, guard.app.app]


def answers(apps: list[Any], body: bytes, **headers: str) -> list[httpx.Response]:
    async def ask(app: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            sent = {"Content-Type": "application/json", **headers}
            return await client.post("/v1/search", content=body, headers=sent)

    return [asyncio.run(ask(app)) for app in apps]


@pytest.mark.parametrize("body", BODIES)
def test_both_ways_answer_alike(both: list[Any], body: bytes) -> None:
    hot, plain = answers(both, body, Authorization=f"Bearer {READ_KEY}")
    assert hot.status_code == plain.status_code
    assert hot.headers["content-type"] == plain.headers["content-type"]
    found, expected = hot.json(), plain.json()
    for value in (found, expected):
        value.pop("milliseconds", None)
    assert found == expected


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_json_is_refused_by_both(both: list[Any], body: bytes) -> None:
    for answer in answers(both, body, Authorization=f"Bearer {READ_KEY}"):
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.text)["detail"]


@pytest.mark.parametrize("key", [None, "Bearer wrong", f"Basic {READ_KEY}", "Bearer", READ_KEY])
def test_both_ask_for_the_key(both: list[Any], key: str | None) -> None:
    headers = {} if key is None else {"Authorization": key}
    for answer in answers(both, BODIES[0], **headers):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
