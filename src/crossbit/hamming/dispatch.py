"""Which kernel works: the fastest that the CPU runs, or the one that the environment names."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError
from crossbit.hamming.numpy_kernel import NumpyKernel

__all__ = ["Kernel", "kernel_names", "the_kernel"]

VARIABLE = "CROSSBIT_KERNEL"
NUMPY = NumpyKernel.name
REMEDY = "install a C compiler (gcc) and then crossbit once more (`pip install --force-reinstall`)"


class Kernel(Protocol):
    """The three operations on validated, C-contiguous (n, bytes) uint8 codes of one width."""

    @property
    def name(self) -> str:
        """What CROSSBIT_KERNEL calls it."""
        ...

    def topk(
        self, queries: np.ndarray, database: np.ndarray, k: int, mask: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return distances int32 and positions int64, (q, k); k is at most the items allowed."""
        ...

    def within(
        self, queries: np.ndarray, database: np.ndarray, radius: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return hits per query (q,), then positions int64 and distances int32 of all hits."""
        ...

    def relevance(
        self, query_labels: sparse.csr_matrix, database_labels: sparse.csr_matrix
    ) -> tuple[Any, Any]:
        """Return both sides' labels in the form of the kernel; the first is sliced by query."""
        ...

    def histogram(
        self, queries: np.ndarray, database: np.ndarray, query_side: Any, database_side: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return relevant and total counts by distance, (q, bits + 1) int64."""
        ...


def the_kernel() -> Kernel:
    """Return the kernel to work with.

    Raises
    ------
    ConfigError
        If the environment names a kernel that is unknown, not built or beyond this CPU.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted == NUMPY:
        return NumpyKernel()
    native, problem = _native()
    if not wanted:
        if native:
            return native[0]
        _warn(problem)
        return NumpyKernel()
    for kernel in native:
        if kernel.name == wanted:
            return kernel
    if not native:
        raise ConfigError(f"{VARIABLE}={wanted} cannot work: {problem}; {REMEDY}, or unset it")
    raise ConfigError(
        f"{VARIABLE} is {wanted!r}, but here it can be {', '.join(kernel_names())}; "
        "choose one of these or unset it"
    )


def kernel_names() -> list[str]:
    """Return the kernels that work here, best first; "numpy", the last, always does."""
    return [kernel.name for kernel in _native()[0]] + [NUMPY]


@cache
def _native() -> tuple[list[Kernel], str]:
    """Return the C kernels of this CPU, best first, or none and the reason."""
    try:
        from crossbit.hamming import native
    except ImportError as error:
        if find_spec("crossbit.hamming._kernel") is None:
            return [], "the C kernel of crossbit was not built"
        return [], f"the C kernel of crossbit cannot be loaded ({error})"
    return [*native.kernels()], ""


@cache
def _warn(problem: str) -> None:
    warnings.warn(
        f"{problem}, so Hamming search runs in NumPy, many times slower: {REMEDY}; "
        f"{VARIABLE}={NUMPY} in the environment silences this",
        RuntimeWarning,
        stacklevel=4,
    )
