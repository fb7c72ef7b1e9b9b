"""Ctrl-C: the first press asks training to stop in good order, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["stop_on_interrupt"]


@contextmanager
def stop_on_interrupt(stop: threading.Event, say: Callable[[str], None]) -> Iterator[None]:
    """Set `stop` on the first SIGINT or SIGTERM; a second one raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen to signals
        return

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say("stopping after this epoch; press Ctrl-C again to stop at once")

    before = {kind: signal.signal(kind, handle) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
