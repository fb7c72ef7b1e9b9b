"""Who may do what, what is never served, and what every answer carries."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from typing import Any

import httpx
import pytest
from serving_parts import READ_KEY, WRITE_KEY, square

import crossbit
from crossbit.errors import ConfigError
from crossbit.serving.auth import READ, WRITE, Auth
from crossbit.serving.client import Client, ServiceError
from crossbit.serving.problems import clean
from crossbit.serving.server import check_host, configuration
from crossbit.serving.thumbnails import Thumbnails

READS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/v1/index", {}),
    ("POST", "/v1/search", {"json": {"text": "red"}}),
    ("POST", "/v1/search/image", {"content": square("red")}),
    ("POST", "/v1/encode", {"json": {"texts": ["red"]}}),
    ("POST", "/v1/encode/image", {"content": square("red")}),
    ("GET", "/v1/items/text/item%2F1", {}),
    ("GET", "/v1/thumbnails/text/item%2F1", {}),
    ("GET", "/metrics", {}),
]
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/items", {"json": {"view": "text", "items": [{"id": "a", "text": "red"}]}}),
    ("PUT", "/v1/items", {"json": {"view": "text", "items": [{"id": "a", "text": "red"}]}}),
    ("PUT", "/v1/items/image/a/image", {"content": square("red")}),
    ("POST", "/v1/items/remove", {"json": {"view": "text", "ids": ["item/3"]}}),
]
OPEN = ["/", "/static/page.js", "/static/page.css", "/healthz", "/readyz", "/openapi.json"]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# -- keys ------------------------------------------------------------------------------------


@pytest.fixture
def guarded(service_of, serve):
    return serve(service_of(auth=Auth(READ_KEY, WRITE_KEY)))


@pytest.mark.parametrize(("method", "path", "more"), READS)
def test_reading_takes_a_key_where_there_is_one(guarded, method, path, more) -> None:
    def status(**headers: str) -> int:
        return httpx.request(method, guarded.url + path, headers=headers, **more).status_code

    assert status() == 401
    assert status(**bearer("x" * 23)) == 401
    assert status(Authorization=f"Basic {READ_KEY}") == 401
    assert status(**bearer(READ_KEY)) == 200
    assert status(**bearer(WRITE_KEY)) == 200


@pytest.mark.parametrize(("method", "path", "more"), WRITES)
def test_writing_takes_the_other_key(guarded, method, path, more) -> None:
    def answer(**headers: str) -> httpx.Response:
        return httpx.request(method, guarded.url + path, headers=headers, **more)

    for headers in ({}, bearer(READ_KEY), bearer(WRITE_KEY[:-1]), bearer(WRITE_KEY + "a")):
        refused = answer(**headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert answer(**bearer(WRITE_KEY)).status_code in (200, 201)


@pytest.mark.parametrize("path", OPEN)
def test_the_page_and_the_probes_are_open(guarded, path) -> None:
    assert httpx.get(guarded.url + path).status_code == 200


def test_keys_are_in_no_log_no_answer_and_no_repr(guarded, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    texts = [repr(guarded.service.auth), str(guarded.service)]
    for method, path, more in READS + WRITES:
        for key in (READ_KEY, WRITE_KEY, READ_KEY + "?"):
            answer = httpx.request(method, guarded.url + path, headers=bearer(key), **more)
            texts += [answer.text, str(answer.headers)]
    texts.append(httpx.get(guarded.url + "/metrics", headers=bearer(READ_KEY)).text)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("crossbit")]
    for text in texts + ours:
        assert READ_KEY not in text
        assert WRITE_KEY not in text


def test_keys_come_from_the_environment_and_are_long_enough() -> None:
    keys = Auth.from_environment({READ: "r" * 16, WRITE: "w" * 16})
    assert (keys.read, keys.write) == ("r" * 16, "w" * 16)
    assert Auth.from_environment({READ: ""}) == Auth()
    with pytest.raises(ConfigError, match="at least 16 characters"):
        Auth.from_environment({WRITE: "short"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_other_machines_need_a_read_key(host) -> None:
    with pytest.raises(ConfigError, match="CROSSBIT_READ_KEY"):
        check_host(host, protected=False)
    check_host(host, protected=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_this_machine_needs_none(host) -> None:
    check_host(host, protected=False)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("", 421),
    ],
)
def test_a_page_elsewhere_cannot_have_its_name_point_here(running, host, status) -> None:
    for path in ("/", "/v1/index", "/healthz"):
        answer = httpx.get(running.url + path, headers={"Host": host})
        assert answer.status_code == status
    search = httpx.post(f"{running.url}/v1/search", json={"text": "red"}, headers={"Host": host})
    assert search.status_code == status
    assert "access-control-allow-origin" not in search.headers


def test_the_names_of_an_open_service_are_its_operators_affair(service_of) -> None:
    open_one = configuration(service_of(auth=Auth(READ_KEY)), "0.0.0.0", 8080)["app"]
    assert open_one.hosts is None


# -- headers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/nothing", "/v1/index", "/v1/items/text/none", "/metrics"])
def test_every_answer_is_strict_about_what_a_browser_may_do(running, path) -> None:
    headers = httpx.get(running.url + path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "server" not in headers or "uvicorn" not in headers["server"]


def test_the_page_needs_nothing_from_elsewhere(running) -> None:
    for path in ("/", "/static/page.js", "/static/page.css"):
        text = httpx.get(running.url + path).text
        for outside in ("http://", "https://", "//cdn", "@import"):
            assert outside not in text.replace("http://www.w3.org/2000/svg", "")
    page = httpx.get(running.url + "/").text
    assert "<script>" not in page
    assert "style=" not in page
    assert " onclick" not in page


# -- files -----------------------------------------------------------------------------------


def test_only_pictures_inside_the_declared_folders_are_served(
    made, tmp_path, service_of, serve, indexes
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(square("red"))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "good.png").write_bytes(square("blue"))
    (inside / "link.png").symlink_to(outside / "secret.png")
    (inside / "out").symlink_to(outside)
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "words.txt").write_text("root:x:0:0")
    os.mkfifo(inside / "pipe.png")
    paths = {
        "good": "good.png",
        "absolute": str(inside / "good.png"),
        "up": "../outside/secret.png",
        "far": str(outside / "secret.png"),
        "link": "link.png",
        "through": "out/secret.png",
        "loop": "loop.png",
        "passwd": "/etc/passwd",
        "null": "good.png\0.txt",
        "folder": ".",
        "pipe": "pipe.png",
        "text": "words.txt",
        "long": "a" * 5000,
    }
    code = made.hasher.encode(made.corpus["text"][:1], "text").packed.repeat(len(paths), axis=0)
    ids = [f"p-{name}" for name in paths]
    codes = crossbit.Codes(code, 16, ids)
    with crossbit.open_index(indexes["text"], "w") as index:
        index.add(codes, [{"path": p} for p in paths.values()], fingerprint=made.hasher.fingerprint)
    running = serve(service_of(thumbnails=Thumbnails([inside])))
    with Client(running.url) as client:
        for name in ("good", "absolute"):
            assert client.thumbnail("text", f"p-{name}").startswith(b"\x89PNG")
        for name in paths.keys() - {"good", "absolute"}:
            with pytest.raises(ServiceError) as found:
                client.thumbnail("text", f"p-{name}")
            assert found.value.status in (404, 422), name
            assert str(tmp_path) not in str(found.value)
    for attempt in ("..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd"):
        for place in ("static", "v1/thumbnails/text", "v1/items/text"):
            answer = httpx.get(f"{running.url}/{place}/{attempt}")
            assert answer.status_code == 404
            assert "root:" not in answer.text


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that unpacks to width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(6000, 6000), (65_000, 65_000), (2_000_000_000, 2)])
def test_pictures_that_unpack_to_too_much_are_refused(running, size) -> None:
    answer = httpx.post(f"{running.url}/v1/search/image", content=bomb(*size))
    assert answer.status_code == 422
    assert "pixels" in answer.json()["detail"] or "no picture" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/root/indexes/a/codes is damaged", "(a file of the service) is damaged"),
        ("the index C:\\data\\x is bad", "the index (a file of the service) is bad"),
        ("give image/* or text/plain", "give image/* or text/plain"),
        ("1/2 of 3", "1/2 of 3"),
    ],
)
def test_messages_lose_their_paths(message, shown) -> None:
    assert clean(message) == shown


def test_a_damaged_index_tells_nobody_where_it_is(service_of, serve, indexes, tmp_path) -> None:
    running = serve(service_of())
    for file in (tmp_path / "index-text").iterdir():
        if file.is_file():
            file.write_bytes(b"\0" * file.stat().st_size)
    for method, path, more in READS:
        answer = httpx.request(method, running.url + path, **more)
        assert str(tmp_path) not in answer.text
        assert "index-text" not in answer.text
    assert httpx.get(running.url + "/readyz").status_code == 503
    assert httpx.get(running.url + "/healthz").status_code == 200
