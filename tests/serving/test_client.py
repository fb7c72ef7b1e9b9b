"""The clients: what they send, and what they make of answers that are none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_parts import WRITE_KEY, square

import crossbit
from crossbit.errors import CrossbitError
from crossbit.serving import client_models
from crossbit.serving.client import AsyncClient, Client, ServiceError

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_client_finds(running: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```py\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert "http://127.0.0.1:8080" in code
    code = code.replace("http://127.0.0.1:8080", running.url)
    code = code.replace("black chess knight", "red square")
    exec(code, {"crossbit": crossbit})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"\d+ item/\d+ a red square n\d+", line) for line in lines)


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)


def test_a_picture_is_a_file_or_its_bytes(client: Client, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(square("red", 4))
    by_bytes = client.search(image=square("red", 4), k=3)
    for path in (tmp_path / "one.png", str(tmp_path / "one.png")):
        assert client.search(image=path, k=3).hits == by_bytes.hits


def test_a_service_that_is_not_there_is_said_to_be(running: Any) -> None:
    running.stop()
    with Client(running.url) as client, pytest.raises(ServiceError, match="did not answer") as no:
        client.info()
    assert no.value.status == 0


def test_an_answer_that_is_no_service_of_ours_is_an_error(monkeypatch: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text="<html>bad gateway</html>")

    client = Client("http://elsewhere", key=WRITE_KEY)
    client._http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://elsewhere")
    with pytest.raises(ServiceError, match="HTTP 502"):
        client.search(text="red")


def test_what_a_newer_service_adds_is_passed_over() -> None:
    hit = {"rank": 1, "id": "a", "view": "text", "distance": 3, "payload": {}, "colour": "new"}
    found = client_models.search_results(
        {"hits": [hit], "code": "00ff", "bits": 16, "milliseconds": 1.0, "x": 1}
    )
    assert found.hits[0].id == "a"
    assert found.code == b"\x00\xff"


@pytest.mark.parametrize(
    "query", [{"text": "a", "image": b"b"}, {"image": b"b", "code": b"00"}, {"colour": "red"}]
)
def test_what_cannot_be_asked_is_not_sent(client: Client, query: dict[str, Any]) -> None:
    with pytest.raises((CrossbitError, TypeError)):
        client.search(**query)
