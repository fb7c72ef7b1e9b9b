"""Every C kernel against its NumPy twin and against faiss, where kernels go wrong."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hamming_cases import ADVERSARIAL, naive_distances, random_codes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from crossbit import hamming
from crossbit.hamming import threading as hamming_threading
from crossbit.hamming.native import NativeKernel
from crossbit.hamming.numpy_kernel import NumpyKernel

TWIN = NumpyKernel()
# Around the chunk (64 rows), and beyond a block (4,096 rows of one word).
LENGTHS = (1, 63, 64, 65, 130, 4095, 4096, 4097, 9000)


def same(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


def compare(kernel: str, queries: np.ndarray, database: np.ndarray, ks, radii, labels=5) -> None:
    """Run all three operations by both; results must be equal to the last bit."""
    native = NativeKernel(kernel)
    n = len(database)
    for k in ks:
        same(native.topk(queries, database, k, None), TWIN.topk(queries, database, k, None))
    for radius in radii:
        same(native.within(queries, database, radius), TWIN.within(queries, database, radius))
    rng = np.random.default_rng(n)
    sides = [sparse.csr_matrix(rng.random((m, labels)) < 0.2) for m in (len(queries), n)]
    wanted = TWIN.histogram(queries, database, *TWIN.relevance(*sides))
    same(native.histogram(queries, database, *native.relevance(*sides)), wanted)
    assert wanted[1].sum() == len(queries) * n


@pytest.mark.parametrize("width", range(1, 129))
def test_every_width_gives_what_the_twin_gives(c_kernel, width):
    rng = np.random.default_rng(width)
    database = rng.integers(0, 256, (150, width), dtype=np.uint8)
    queries = database[rng.integers(0, 150, 3)] ^ (rng.random((3, width)) < 0.2).astype(np.uint8)
    bits = width * 8
    compare(c_kernel, queries, database, (1, 40, 150), (0, bits // 2 - 1, bits - 1, bits))


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("bits", [16, 64, 128, 136, 256])
def test_every_length_gives_what_the_twin_gives(c_kernel, n, bits):
    rng = np.random.default_rng(n)
    queries, database = random_codes(rng, 3, bits), random_codes(rng, n, bits)
    compare(c_kernel, queries, database, {1, min(n, 70), n}, (bits // 4,), labels=70)


@pytest.mark.parametrize("case", ADVERSARIAL)
@pytest.mark.parametrize("bits", [8, 64, 120, 192, 256, 1024])
def test_adversarial_codes(c_kernel, case, bits):
    rng = np.random.default_rng(bits)
    database = ADVERSARIAL[case](rng, 5000, bits)
    poles = np.array([[0] * (bits // 8), [255] * (bits // 8)], dtype=np.uint8)
    queries = np.concatenate([poles, database[:1]])
    compare(c_kernel, queries, database, (1, 100, 5000), (0, 1, bits - 1, bits))


def test_a_full_buffer_is_cut_to_the_first_of_the_nearest(c_kernel):
    """Every code is nearer than the k before it, so that buffers of k + 1024 overflow often."""
    step = np.linspace(1000, 0, 40_000).round().astype(int)
    database = np.packbits(np.arange(1024) < step[:, None], axis=1)
    queries = np.zeros((2, 128), dtype=np.uint8)
    table = np.broadcast_to(step, (2, len(step)))
    for k in (1, 7, 1500):
        distances, positions = hamming.topk(queries, database, k)
        order = np.argsort(table, axis=1, kind="stable")[:, :k]
        assert np.array_equal(positions, order)
        assert np.array_equal(distances, np.take_along_axis(table, order, axis=1))


@pytest.mark.parametrize("bits", [8, 32, 64, 128, 200, 256, 512])
def test_faiss_finds_the_same_distances(c_kernel, bits):
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(bits)
    queries, database = (rng.integers(0, 256, (m, bits // 8), dtype=np.uint8) for m in (9, 6000))
    index = faiss.IndexBinaryFlat(bits)
    index.add(database)
    for k in (1, 10, 1000):
        wanted, labels = index.search(queries, k)
        distances, positions = hamming.topk(queries, database, k)
        assert np.array_equal(distances, wanted)
        # Faiss may choose others of the farthest distance; nearer ones must be the same items.
        for i in range(len(queries)):
            inside = wanted[i] < wanted[i, -1]
            assert set(positions[i, inside]) == set(labels[i, inside])
    radius = bits * 3 // 8
    limits, wanted, labels = index.range_search(queries, radius + 1)  # faiss: below the radius
    offsets, positions, distances = hamming.within(queries, database, radius)
    assert np.array_equal(offsets, limits.astype(np.int64))
    for a, b in pairwise(offsets):
        order = np.lexsort((labels[a:b], wanted[a:b]))
        assert np.array_equal(positions[a:b], labels[a:b][order])
        assert np.array_equal(distances[a:b], wanted[a:b][order].astype(np.int32))


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data(), width=st.integers(1, 40), n=st.integers(1, 300), q=st.integers(0, 5))
def test_any_input_gives_what_the_twin_gives(c_kernel, data, width, n, q):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bytes_seen = np.array(data.draw(st.lists(st.integers(0, 255), min_size=1, max_size=4)))
    queries, database = (rng.choice(bytes_seen, (m, width)).astype(np.uint8) for m in (q, n))
    k = data.draw(st.integers(1, n))
    radius = data.draw(st.integers(0, width * 8))
    labels = data.draw(st.integers(1, 200))
    compare(c_kernel, queries, database, (k,), (radius,), labels)
    mask = rng.random(n) < data.draw(st.sampled_from([0.02, 0.5, 1.0]))
    k = min(k, int(mask.sum()))
    wanted = TWIN.topk(queries, database, k, mask)
    same(NativeKernel(c_kernel).topk(queries, database, k, mask), wanted)


@pytest.mark.parametrize("share", ["none", "one", "few", "half", "all"])
@pytest.mark.parametrize("threads", [1, 3])
def test_allowed_items_alone_are_found(kernel, share, threads):
    rng = np.random.default_rng(1)
    n = 700
    queries, database = random_codes(rng, 4, 72), random_codes(rng, n, 72)
    mask = np.zeros(n, dtype=bool)
    count = {"none": 0, "one": 1, "few": 20, "half": n // 2, "all": n}[share]
    mask[rng.permutation(n)[:count]] = True
    twice = np.repeat(np.flatnonzero(mask), 2)[::-1]
    table = naive_distances(queries, database)[:, mask]
    order = np.argsort(table, axis=1, kind="stable")[:, :50]
    for allowed in (mask, twice):
        distances, positions = hamming.topk(queries, database, 50, allowed=allowed, threads=threads)
        assert np.array_equal(positions, np.flatnonzero(mask)[order])
        assert np.array_equal(distances, np.take_along_axis(table, order, axis=1))


@pytest.mark.parametrize("q", [1, 3, 40])
@pytest.mark.parametrize("threads", [2, 3, 4])
def test_threads_and_short_calls_change_nothing(kernel, q, threads, monkeypatch):
    rng = np.random.default_rng(q)
    queries, database = random_codes(rng, q, 64), random_codes(rng, 1000, 64)
    labels = rng.integers(-1, 6, q), rng.integers(-1, 6, 1000)
    calls = {
        "topk": lambda n: hamming.topk(queries, database, 300, threads=n),
        "within": lambda n: hamming.within(queries, database, 12, threads=n),
        "histogram": lambda n: hamming.histogram(queries, database, *labels, threads=n),
    }
    for call in calls.values():
        wanted = call(1)
        same(call(threads), wanted)
        with monkeypatch.context() as patch:
            patch.setattr(
                hamming_threading, "PAIRS", 7000
            )  # so that a call takes seven queries at most
            same(call(1), wanted)
            same(call(threads), wanted)


def test_codes_may_lie_at_any_address_and_are_not_written(kernel, tmp_path):
    rng = np.random.default_rng(2)
    queries, whole = random_codes(rng, 3, 64), random_codes(rng, 501, 64)
    path = tmp_path / "codes.bin"
    path.write_bytes(b"abc" + whole.tobytes())
    mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=3, shape=whole.shape)
    wanted = hamming.topk(queries, whole[1:], 20)
    shifted = np.empty(500 * 8 + 1, dtype=np.uint8)[1:].reshape(500, 8)
    shifted[:] = whole[1:]
    reversed_twice = np.ascontiguousarray(whole[1:][::-1])[::-1]
    for database in (mapped[1:], shifted, reversed_twice):
        same(hamming.topk(queries, database, 20), wanted)
    fortran = np.asfortranarray(queries)
    same(hamming.topk(fortran, mapped[1:], 20), wanted)
    assert path.read_bytes() == b"abc" + whole.tobytes()


def test_classes_beyond_one_word_and_huge_ids(kernel):
    rng = np.random.default_rng(4)
    queries, database = random_codes(rng, 5, 64), random_codes(rng, 900, 64)
    q_ids, d_ids = rng.integers(0, 300, 5) * 10**12, rng.integers(0, 300, 900) * 10**12
    relevant, total = hamming.histogram(queries, database, q_ids, d_ids)
    table = naive_distances(queries, database)
    for i in range(5):
        assert np.array_equal(total[i], np.bincount(table[i], minlength=65))
        mates = table[i][d_ids == q_ids[i]]
        assert np.array_equal(relevant[i], np.bincount(mates, minlength=65))


@pytest.mark.parametrize("bits", [64, 128, 192])
def test_no_count_overflows_where_all_codes_are_equal(c_kernel, bits):
    """Pairs are counted in 16 bits: a block must end before 65,536 of them."""
    n = 200_001
    codes = np.full((n, bits // 8), 7, dtype=np.uint8)
    queries = np.stack([codes[0], ~codes[0]])
    labels = np.arange(n) % 3
    relevant, total = hamming.histogram(queries, codes, np.array([0, 1]), labels)
    for i, distance in enumerate((0, bits)):
        assert (total[i, distance], total[i].sum()) == (n, n)
        mates = np.count_nonzero(labels == i)
        assert (relevant[i, distance], relevant[i].sum()) == (mates, mates)
