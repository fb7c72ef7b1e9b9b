"""Load: one process that keeps many connections busy, and notes how long each request took."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["Load", "run_load"]

HEAD = (
    "POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n"
)


@dataclass
class Load:
    """What came of it.

    Attributes
    ----------
    seconds : float
    milliseconds : list of float
        Of every request that was answered by 200.
    errors : int
        Answers of another status, and connections that broke.
    """

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0

    def summary(self) -> dict[str, float]:
        """Return requests a second, median and 99th percentile in milliseconds, errors."""
        taken = np.array(self.milliseconds or [np.nan])
        return {
            "requests": len(self.milliseconds),
            "rate": len(self.milliseconds) / self.seconds,
            "p50": float(np.percentile(taken, 50)),
            "p99": float(np.percentile(taken, 99)),
            "errors": self.errors,
        }


class Connection(asyncio.Protocol):
    """One connection: the next request goes out when the last is answered."""

    def __init__(self, requests: list[bytes], load: Load, until: float, start: int) -> None:
        self.requests, self.load, self.until, self.at = requests, load, until, start
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self.buffer = b""
        if head.startswith(b"HTTP/1.1 200"):
            self.load.milliseconds.append(1000 * (time.perf_counter() - self.sent))
        else:
            self.load.errors += 1
        if time.perf_counter() < self.until:
            self._next()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.buffer or error is not None:
            self.load.errors += 1
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.requests[self.at % len(self.requests)])
        self.at += 1


async def run_load(port: int, connections: int, seconds: float, queries: Path) -> Load:
    """Keep `connections` busy for a while with searches: the bodies are the lines of a file."""
    bodies = queries.read_bytes().splitlines()
    requests = [HEAD.format(length=len(body)).encode() + body for body in bodies]
    load, loop = Load(), asyncio.get_running_loop()
    started = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda at=at: Connection(requests, load, started + seconds, 61 * at),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        for at in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.seconds = time.perf_counter() - started
    return load


if __name__ == "__main__":  # a process of its own: it shares no interpreter with the service
    port, connections, seconds, queries = sys.argv[1:]
    found = asyncio.run(run_load(int(port), int(connections), float(seconds), Path(queries)))
    print(json.dumps(asdict(found)))
