"""Packed codes of any length: what is left of the last byte is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbit import Codes
from crossbit.errors import ConfigError, DataError


@settings(max_examples=60, deadline=None)
@given(bits=st.integers(8, 1024), n=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_what_is_packed_comes_out_again_and_differs_as_its_bits_do(bits: int, n: int, seed: int):
    random = np.random.default_rng(seed)
    first, second = (random.integers(0, 2, (n, bits), dtype=np.uint8) for _ in range(2))
    packed = Codes.pack(first)
    assert (packed.bits, packed.packed.shape) == (bits, (n, (bits + 7) // 8))
    np.testing.assert_array_equal(packed.unpack(), first)
    np.testing.assert_array_equal(packed.distance(Codes.pack(second)), (first != second).sum(1))
    np.testing.assert_array_equal((packed ^ Codes.pack(second)).unpack(), first ^ second)


def test_bits_are_counted_from_the_lowest():
    codes = Codes.pack([[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]])
    assert codes.packed.tolist() == [[0b1, 0b10]]


def test_health_counts_the_bits_alone():
    """Two of twelve bits never change; the four that pad the code are none of its bits."""
    bits = np.random.default_rng(0).integers(0, 2, (400, 12))
    bits[:, [3, 11]] = 1
    health = Codes.pack(bits).health()
    assert health.dead_bits == 2
    assert health.entropy == pytest.approx(10 / 12, abs=0.01)


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_ones_beyond_the_bits_are_refused(bits: int):
    packed = np.array([[0, 1 << bits - 8]], dtype=np.uint8)
    with pytest.raises(DataError, match=f"codes of {bits} bits must be zero beyond them"):
        Codes(packed, bits)
    assert Codes(packed, 16).bits == 16


def test_lengths_of_as_many_bytes_do_not_mix():
    twelve, sixteen = Codes.pack(np.zeros((1, 12))), Codes.pack(np.zeros((1, 16)))
    with pytest.raises(DataError, match="codes of 12 and 16 bits do not mix"):
        twelve.distance(sixteen)
    with pytest.raises(DataError, match=r"need a \(n, 2\) uint8 array"):
        Codes(np.zeros((1, 3), dtype=np.uint8), 12)


@pytest.mark.parametrize("bits", [7, 1025, 12.0, True])
def test_lengths_out_of_range_are_refused(bits):
    with pytest.raises(ConfigError, match="bits must be"):
        Codes(np.zeros((1, 2), dtype=np.uint8), bits)


def test_an_array_of_codes_is_one_of_their_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (5, 12), dtype=np.uint8)
    codes = Codes.pack(bits)
    np.testing.assert_array_equal(np.asarray(codes), bits)
    assert np.asarray(codes, dtype=np.float32).dtype == np.float32
    assert repr(codes) == "Codes(5 codes of 12 bits)"
