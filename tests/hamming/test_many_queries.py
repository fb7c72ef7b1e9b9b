"""Histograms of many queries, which AVX-512 counts from bit planes, against twin and few."""

from __future__ import annotations

import numpy as np
import pytest
from hamming_cases import ADVERSARIAL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from crossbit.hamming.native import NativeKernel
from crossbit.hamming.numpy_kernel import NumpyKernel

TWIN = NumpyKernel()
MANY = 16  # queries from which bit planes are used
SLICE = 512  # rows in a bit plane
TILE = 16 * SLICE  # rows that are counted together, of codes of one parity
BLOCK = 98304  # rows that are read at once


def counted(kernel: str, queries, database, query_labels, database_labels):
    """Return what the kernel counts, once it is what the twin counts."""
    native = NativeKernel(kernel)
    sides = [sparse.csr_matrix(labels) for labels in (query_labels, database_labels)]
    found = native.histogram(queries, database, *native.relevance(*sides))
    wanted = TWIN.histogram(queries, database, *TWIN.relevance(*sides))
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    return found


def random_labels(rng: np.random.Generator, n: int, labels: int = 7) -> np.ndarray:
    return rng.random((n, labels)) < 0.2


def random_bytes(rng: np.random.Generator, n: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (n, width), dtype=np.uint8)


def of_parity(codes: np.ndarray, odd: int) -> np.ndarray:
    """Turn the last bit over where the number of ones is even, or odd."""
    wrong = np.bitwise_count(codes).sum(axis=1) % 2 != odd
    codes[wrong, -1] ^= 128
    return codes


@pytest.mark.parametrize("width", range(1, 17))
def test_every_width(c_kernel, width):
    rng = np.random.default_rng(width)
    queries, database = random_bytes(rng, 20, width), random_bytes(rng, 1300, width)
    database[:40] = np.tile(queries, (2, 1))
    database[20:40] ^= 255  # the greatest distance, which bit planes do not hold
    counted(c_kernel, queries, database, random_labels(rng, 20), random_labels(rng, 1300))


LENGTHS = [0, 1, 63, 64, 65, SLICE - 1, SLICE, SLICE + 1, TILE, 2 * TILE + 100, 20_011]


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("parity", ["even", "odd", "both"])
@pytest.mark.parametrize("width", [8, 16])
def test_every_length_of_even_and_odd_codes(c_kernel, n, parity, width):
    rng = np.random.default_rng(n)
    queries, database = random_bytes(rng, MANY, width), random_bytes(rng, n, width)
    if parity != "both":
        database = of_parity(database, parity == "odd")
    counted(c_kernel, queries, database, random_labels(rng, MANY), random_labels(rng, n))


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK + 1, 2 * BLOCK + 700])
def test_blocks_that_start_within_the_labels(c_kernel, n):
    rng = np.random.default_rng(n)
    queries, database = random_bytes(rng, MANY, 8), random_bytes(rng, n, 8)
    labels = random_labels(rng, n)
    labels[: n // 2] = False  # the first rows have none, the last have all
    labels[-600:] = True
    counted(c_kernel, queries, database, random_labels(rng, MANY), labels)


@pytest.mark.parametrize("q", [MANY - 1, MANY, 63, 64, 65, 4095, 4097])
def test_every_number_of_queries(c_kernel, q):
    rng = np.random.default_rng(q)
    queries, database = random_bytes(rng, q, 8), random_bytes(rng, 1500, 8)
    counted(c_kernel, queries, database, random_labels(rng, q), random_labels(rng, 1500))


@pytest.mark.parametrize("case", ADVERSARIAL)
@pytest.mark.parametrize("bits", [8, 64, 120, 128])
def test_adversarial_codes(c_kernel, case, bits):
    rng = np.random.default_rng(bits)
    database = ADVERSARIAL[case](rng, 9000, bits)
    poles = np.array([[0], [255]], dtype=np.uint8).repeat(bits // 8, axis=1)
    queries = np.concatenate([np.tile(poles, (9, 1)), database[:1], ~database[:1]])
    labels = random_labels(rng, len(queries)), random_labels(rng, 9000)
    _, total = counted(c_kernel, queries, database, *labels)
    assert (total.sum(axis=1) == 9000).all()


@pytest.mark.parametrize("bits", [64, 128])
def test_all_at_one_distance_and_all_or_none_relevant(c_kernel, bits):
    n = 100_001
    database = np.full((n, bits // 8), 0x35, dtype=np.uint8)
    queries = np.stack([database[0], ~database[0]] * 10)
    labels = np.zeros((20, 3), dtype=bool)
    labels[:10, 0] = True  # which all rows have
    labels[10:15, 1] = True  # which none has
    everywhere = np.zeros((n, 3), dtype=bool)
    everywhere[:, 0] = True
    relevant, total = counted(c_kernel, queries, database, labels, everywhere)
    for i in range(20):
        distance = bits * (i % 2)
        assert (total[i, distance], total[i].sum()) == (n, n)
        assert (relevant[i, distance], relevant[i].sum()) == ((n, n) if i < 10 else (0, 0))


def test_many_queries_at_once_are_as_few_by_turns(c_kernel):
    """Whatever the twin says: these are two ways in one kernel."""
    rng = np.random.default_rng(0)
    queries, database = random_bytes(rng, 60, 8), random_bytes(rng, 30_000, 8)
    database[::2] = queries[rng.integers(0, 60, 15_000)]  # near ones: every bin is in use
    database[::2] ^= (rng.random((15_000, 8)) < 0.3) * random_bytes(rng, 15_000, 8)
    native = NativeKernel(c_kernel)
    sides = [sparse.csr_matrix(random_labels(rng, n)) for n in (60, 30_000)]
    lists, planes = native.relevance(*sides)
    at_once = native.histogram(queries, database, lists, planes)
    parts = [slice(i, i + 12) for i in range(0, 60, 12)]
    by_turns = [native.histogram(queries[some], database, lists[some], planes) for some in parts]
    for i, found in enumerate(at_once):
        assert np.array_equal(found, np.concatenate([part[i] for part in by_turns]))


@pytest.mark.parametrize("labels", [0, 1, 40, 41, 300])
def test_any_number_of_labels(c_kernel, labels):
    """More than two for each query: the rows are not split by parity any more."""
    rng = np.random.default_rng(labels)
    queries, database = random_bytes(rng, 20, 8), random_bytes(rng, 3000, 8)
    sides = random_labels(rng, 20, labels), random_labels(rng, 3000, labels)
    sides[0][labels % 20] = True
    counted(c_kernel, queries, database, *sides)


@pytest.mark.parametrize("shift", range(1, 8))
def test_codes_at_any_address(c_kernel, shift):
    rng = np.random.default_rng(shift)
    memory = rng.integers(0, 256, 2000 * 8 + shift, dtype=np.uint8)
    database = memory[shift:].reshape(2000, 8)
    counted(c_kernel, database[5:45], database, *(random_labels(rng, n) for n in (40, 2000)))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data(), width=st.integers(1, 17), n=st.integers(1, 3000), q=st.integers(10, 90))
def test_any_input_gives_what_the_twin_gives(c_kernel, data, width, n, q):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bytes_seen = np.array(data.draw(st.lists(st.integers(0, 255), min_size=1, max_size=6)))
    queries, database = (rng.choice(bytes_seen, (m, width)).astype(np.uint8) for m in (q, n))
    inverted = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    queries[rng.random(q) < inverted] ^= 255
    labels = data.draw(st.integers(1, 70))
    share = data.draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    sides = (rng.random((m, labels)) < share for m in (q, n))
    counted(c_kernel, queries, database, *sides)
