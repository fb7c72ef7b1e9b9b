"""Threads: how many `n_jobs` means, and a block in which BLAS and torch use no more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from crossbit.errors import ConfigError

__all__ = ["n_threads", "thread_limit"]


def n_threads(n_jobs: int | None) -> int:
    """Return how many threads `n_jobs` stands for: all cores of this process for None.

    Raises
    ------
    ConfigError
        If it is no whole number from 1 up.
    """
    if n_jobs is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__") or n_jobs < 1:
        raise ConfigError(
            f"n_jobs must be a whole number from 1 up, or None for all cores, got {n_jobs!r}"
        )
    return int(n_jobs)


@contextmanager
def thread_limit(n_jobs: int | None) -> Iterator[None]:
    """Let BLAS and torch use `n_jobs` threads in this block; None leaves them as they are."""
    if n_jobs is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    threads, torch = n_threads(n_jobs), sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(threads):
        if torch:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
