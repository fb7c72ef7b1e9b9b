"""What the C extension offers; `native.py` is its only caller."""

import numpy as np

def names() -> list[str]: ...
def topk(
    name: str,
    queries: np.ndarray,
    database: np.ndarray,
    bytes: int,
    k: int,
    allowed: np.ndarray | None,
    distances: np.ndarray,
    positions: np.ndarray,
    /,
) -> None: ...
def within(
    name: str,
    queries: np.ndarray,
    database: np.ndarray,
    bytes: int,
    radius: int,
    counts: np.ndarray,
    /,
) -> tuple[bytearray, bytearray]: ...
def histogram(
    name: str,
    queries: np.ndarray,
    database: np.ndarray,
    bytes: int,
    starts: np.ndarray,
    ids: np.ndarray,
    planes: np.ndarray,
    labels: int,
    relevant: np.ndarray,
    total: np.ndarray,
    /,
) -> None: ...
