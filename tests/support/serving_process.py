"""`crossbit serve` as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

__all__ = ["Process", "free_port", "program"]

PATIENCE = 60.0  # seconds for a start on a busy machine


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def program(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start the program."""
    return subprocess.Popen(
        [sys.executable, "-m", "crossbit", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CROSSBIT_CACHE": "", **environment},
        stderr=subprocess.PIPE,
    )


class Process:
    """A service on a free port, ready to be asked."""

    def __init__(self, *arguments: str | Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = map(str, arguments)
        self.process = program("serve", *given, "--port", str(self.port), **environment)
        last = time.monotonic() + PATIENCE
        while True:
            try:
                assert httpx.get(f"{self.url}/readyz").status_code == 200
                return
            except httpx.ConnectError:
                assert self.process.stderr is not None
                assert self.process.poll() is None, self.process.stderr.read().decode()
                assert time.monotonic() < last
                time.sleep(0.05)

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        """End it, and see that it ends as it should."""
        if self.process.poll() is None:
            self.signal()
            assert self.wait() in (0, -signal.SIGTERM)
