"""Which kernel works: the environment decides, and a missing extension is said once."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from crossbit import hamming
from crossbit.errors import ConfigError
from crossbit.hamming import dispatch

CODES = np.arange(16, dtype=np.uint8).reshape(8, 2)


@pytest.fixture
def without_extension(monkeypatch):
    """As if no compiler had been there."""
    import crossbit.hamming as package

    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "crossbit.hamming._kernel", None)
    monkeypatch.delitem(sys.modules, "crossbit.hamming.native", raising=False)
    for name in ("_kernel", "native"):
        monkeypatch.delattr(package, name, raising=False)
    dispatch._native.cache_clear()
    dispatch._warn.cache_clear()
    yield
    dispatch._native.cache_clear()
    dispatch._warn.cache_clear()


def test_the_best_kernel_works_unless_the_environment_names_one(kernel, monkeypatch):
    assert hamming.kernel_name() == kernel
    monkeypatch.delenv(dispatch.VARIABLE)
    assert hamming.kernel_name() == hamming.kernel_names()[0]
    assert hamming.kernel_names()[-1] == "numpy"


def test_an_unknown_kernel_is_refused_with_the_choices(monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, "sse9")
    with pytest.raises(ConfigError, match=r"'sse9', but here it can be .*numpy"):
        hamming.topk(CODES, CODES, 1)


def test_without_the_extension_numpy_works_and_one_warning_names_the_fix(without_extension):
    with pytest.warns(RuntimeWarning, match=r"install a C compiler .*CROSSBIT_KERNEL=numpy"):
        distances, positions = hamming.topk(CODES, CODES, 1)
    assert positions.ravel().tolist() == list(range(8))
    assert not distances.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hamming.topk(CODES, CODES, 1)
    assert hamming.kernel_names() == ["numpy"]


def test_without_the_extension_a_choice_of_numpy_is_silent_and_of_c_an_error(
    without_extension, monkeypatch
):
    monkeypatch.setenv(dispatch.VARIABLE, "numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hamming.topk(CODES, CODES, 1)
    monkeypatch.setenv(dispatch.VARIABLE, "portable")
    with pytest.raises(ConfigError, match="was not built; install a C compiler"):
        hamming.topk(CODES, CODES, 1)
