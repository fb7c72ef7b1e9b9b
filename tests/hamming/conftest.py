"""Every kernel that this CPU runs, by turns."""

from __future__ import annotations

import pytest

from crossbit import hamming
from crossbit.hamming import numpy_kernel

C_KERNELS = ("avx512", "avx2", "portable")


def _choose(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    if name not in hamming.kernel_names():
        pytest.skip(f"no kernel {name} here: not built, or beyond this CPU")
    monkeypatch.setenv("CROSSBIT_KERNEL", name)
    assert hamming.kernel_name() == name
    return name


@pytest.fixture(params=[*C_KERNELS, "numpy"])
def kernel(request, monkeypatch):
    """The name of the kernel that works during the test."""
    return _choose(request.param, monkeypatch)


@pytest.fixture(params=[*C_KERNELS, "numpy", "numpy-in-tiny-blocks"])
def kernel_or_blocks(request, monkeypatch):
    """The same, and the twin once more in blocks of a few pairs, which is slow."""
    name, _, tiny = request.param.partition("-")
    if tiny:
        monkeypatch.setattr(numpy_kernel, "BLOCK", 7)
    return _choose(name, monkeypatch)


@pytest.fixture(params=C_KERNELS)
def c_kernel(request, monkeypatch):
    """The same, of the C kernels only."""
    return _choose(request.param, monkeypatch)
