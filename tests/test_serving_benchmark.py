"""The load on the service: answers are counted as they are, and tables say what was measured."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from benchmarks import readme, tables
from benchmarks.speed import serving
from benchmarks.speed.load import Load, run_load
from crossbit.files import write_json


class Answering(asyncio.Protocol):
    """A server that answers every third request by an error, in two pieces."""

    def __init__(self) -> None:
        self.count = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"POST /v1/search HTTP/1.1\r\n")
        assert json.loads(data.partition(b"\r\n\r\n")[2])["k"] in (1, 2)
        self.count += 1
        status = b"503 Busy" if self.count % 3 == 0 else b"200 OK"
        self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 4\r\n\r\nab")
        asyncio.get_running_loop().call_later(0.001, self.transport.write, b"cd")


def test_the_load_counts_answers_and_errors(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text('{"k": 1}\n{"k": 2}')

    async def main() -> Load:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answering, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        load = await run_load(port, 3, 0.3, tmp_path / "queries.jsonl")
        server.close()
        return load

    load = asyncio.run(main())
    answered = len(load.milliseconds) + load.errors
    assert answered > 9
    assert answered // 3 - 3 <= load.errors <= answered // 3
    assert min(load.milliseconds) >= 1.0
    assert 0.3 <= load.seconds < 5
    assert load.summary()["rate"] == len(load.milliseconds) / load.seconds


def value(**more: Any) -> dict[str, Any]:
    def runs(rate: float) -> list[dict[str, float]]:
        return [
            {"requests": 100, "rate": rate + k, "p50": 2.0, "p99": 9.0, "errors": k}
            for k in (0, 1, -1)
        ]

    rates = {("text", "together"): 3000, ("text", "one at a time"): 1000}
    rates |= {("code", "together"): 5000, ("code", "one at a time"): 2000}
    rows = [
        {"query": query, "form": form, "connections": c, "runs": runs(rate * (c == 64) + 10)}
        for (query, form), rate in rates.items()
        for c in (1, 64)
    ]
    facts = {"items": 1_000_000, "bits": 64, "k": 10, "seconds": 6, "cores": 2, "load": 0.1}
    return tables.head("serving") | facts | {"rows": rows, "minutes": 0, "memory": []} | more


def test_the_page_sets_both_forms_side_by_side() -> None:
    page = serving.render(value())
    assert "| text | together | 64 | 3,010 | 2.0 | 9.0 | 0 of 300 |" in page
    assert "2.5 times by code" in page
    assert "3.0 times by text" in page
    watched = [{"megabytes": 90.0, "requests": 500, "errors": 0}] * 2
    assert "90 MB at the end" in serving.render(value(minutes=1, memory=watched))


def test_the_readme_says_it_in_one_line(tmp_path: Path) -> None:
    write_json(tmp_path / "serving.json", value())
    text = readme.filled(f"{readme.BEGIN}\n{readme.END}\n", tmp_path)
    assert "3,010 texts coded and searched a second, 3.0 times as many" in text
