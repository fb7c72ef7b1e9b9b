"""Files in MNIST's format, of a few patterns that are easy to tell apart."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write an idx file of bytes."""
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


def patterns(n: int, seed: int = 0) -> np.ndarray:
    """Return n pictures, (n, 28, 28) uint8: each of ten classes a pattern, under noise."""
    rng = np.random.default_rng(seed)
    coarse = np.random.default_rng(5).random((10, 5, 5)) > 0.5
    clean = np.zeros((10, 28, 28))
    clean[:, 4:24, 4:24] = 200 * np.kron(coarse, np.ones((4, 4)))  # paper around the ink
    noisy = clean[np.arange(n) % 10] + rng.integers(0, 50, (n, 28, 28)) * (clean.max(0) > 0)
    return noisy.astype(np.uint8)


def write_digits(folder: Path, n: int) -> Path:
    """Write `n` pictures as the test files of MNIST; return the folder above."""
    place = folder / "mnist_t10k"
    place.mkdir()
    write_idx(place / "t10k-images-idx3-ubyte.gz", patterns(n))
    write_idx(place / "t10k-labels-idx1-ubyte.gz", np.arange(n) % 10)
    return folder
