"""Hamming search against naive loops, by every kernel, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hamming_cases import naive_distances, random_codes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError


@pytest.mark.parametrize("bits", [8, 24, 64, 72, 1024])
@pytest.mark.parametrize("threads", [1, 3])
def test_topk_is_the_stable_order_by_distance_then_position(kernel_or_blocks, bits, threads):
    rng = np.random.default_rng(bits)
    queries, database = random_codes(rng, 9, bits), random_codes(rng, 41, bits)
    table = naive_distances(queries, database)
    for k in (1, 5, 41, 60):
        distances, positions = hamming.topk(queries, database, k, threads=threads)
        order = np.argsort(table, axis=1, kind="stable")[:, :k]
        assert np.array_equal(positions, order)
        assert np.array_equal(distances, np.take_along_axis(table, order, axis=1))
        assert (distances.dtype, positions.dtype) == (np.int32, np.int64)


@pytest.mark.parametrize("as_mask", [True, False])
def test_topk_searches_allowed_items_only(kernel_or_blocks, as_mask):
    rng = np.random.default_rng(3)
    queries, database = random_codes(rng, 4, 16), random_codes(rng, 30, 16)
    mask = rng.random(30) < 0.4
    allowed = mask if as_mask else np.flatnonzero(mask)[::-1]
    distances, positions = hamming.topk(queries, database, 100, allowed=allowed)
    table = naive_distances(queries, database)[:, mask]
    order = np.argsort(table, axis=1, kind="stable")
    assert np.array_equal(positions, np.flatnonzero(mask)[order])
    assert np.array_equal(distances, np.sort(table, axis=1))


@pytest.mark.parametrize("bits", [8, 40, 128])
def test_within_returns_every_item_of_the_ball_nearest_first(kernel_or_blocks, bits):
    rng = np.random.default_rng(bits)
    queries, database = random_codes(rng, 6, bits), random_codes(rng, 50, bits)
    table = naive_distances(queries, database)
    for radius in (0, 3, bits, bits + 5):
        offsets, positions, distances = hamming.within(queries, database, radius, threads=2)
        assert offsets.shape == (7,)
        assert offsets[0] == 0
        assert offsets[-1] == len(positions)
        for i, row in enumerate(table):
            hits = slice(offsets[i], offsets[i + 1])
            order = np.argsort(row, kind="stable")
            order = order[row[order] <= radius]
            assert np.array_equal(positions[hits], order)
            assert np.array_equal(distances[hits], row[order])


@pytest.mark.parametrize("bits", [8, 56, 136])
@pytest.mark.parametrize("classes", [3, 64, 130])
def test_histogram_counts_as_a_loop_does(kernel_or_blocks, bits, classes):
    rng = np.random.default_rng(classes)
    queries, database = random_codes(rng, 8, bits), random_codes(rng, 37, bits)
    q_labels, d_labels = rng.random((8, classes)) < 1.5 / classes, rng.random((37, classes)) < 0.1
    table, related = naive_distances(queries, database), (q_labels.astype(int) @ d_labels.T) > 0
    want = np.zeros((2, 8, bits + 1), dtype=np.int64)
    for i in range(8):
        for j in range(37):
            want[0, i, table[i, j]] += related[i, j]
            want[1, i, table[i, j]] += 1
    sides = (sparse.csr_matrix(q_labels), sparse.csr_matrix(d_labels))
    for labels in (sides, (q_labels, d_labels)):
        relevant, total = hamming.histogram(queries, database, *labels, threads=2)
        assert np.array_equal(relevant, want[0])
        assert np.array_equal(total, want[1])
        assert relevant.dtype == total.dtype == np.int64


@pytest.mark.parametrize("bits", [9, 12, 63, 100])
def test_a_length_of_no_whole_bytes_is_counted_to_its_last_bit(kernel_or_blocks, bits):
    rng = np.random.default_rng(bits)
    first, second = rng.integers(0, 2, (5, bits)), rng.integers(0, 2, (70, bits))
    second[0] = 1 - first[0]  # as far away as can be
    queries, database = Codes.pack(first), Codes.pack(second)
    table = (first[:, None] != second[None]).sum(2)
    classes = rng.integers(0, 3, 5), rng.integers(0, 3, 70)
    relevant, total = hamming.histogram(queries, database, *classes)
    assert relevant.shape == total.shape == (5, bits + 1)
    want = np.array([np.bincount(row, minlength=bits + 1) for row in table])
    assert np.array_equal(total, want)
    assert total[0, bits] == 1
    shared = classes[0][:, None] == classes[1]
    hits = [np.bincount(row[s], minlength=bits + 1) for row, s in zip(table, shared, strict=True)]
    assert np.array_equal(relevant, np.array(hits))
    distances, positions = hamming.topk(queries, database, 70)
    assert np.array_equal(distances, np.take_along_axis(table, positions, axis=1))
    offsets, near, _ = hamming.within(queries, database, bits // 2)
    assert np.array_equal(np.diff(offsets), (table <= bits // 2).sum(1))
    assert set(near[: offsets[1]]) == set(np.flatnonzero(table[0] <= bits // 2))


def test_lengths_of_as_many_bytes_do_not_mix():
    twelve, sixteen = Codes.pack(np.zeros((1, 12))), Codes.pack(np.zeros((1, 16)))
    for queries, database in ((twelve, sixteen), (sixteen, twelve)):
        for search in (hamming.topk, hamming.within):
            with pytest.raises(DataError, match=f"{queries.bits} bits and database codes"):
                search(queries, database, 1)


def test_class_ids_mean_the_same_as_their_label_matrix_and_negative_ids_share_nothing(kernel):
    rng = np.random.default_rng(5)
    queries, database = random_codes(rng, 12, 32), random_codes(rng, 60, 32)
    q_ids, d_ids = rng.integers(-1, 90, 12), rng.integers(-1, 90, 60)
    q_ids[0] = d_ids[0] = -1
    classes = np.arange(90)
    matrices = (q_ids[:, None] == classes, d_ids[:, None] == classes)
    by_id = hamming.histogram(queries, database, q_ids, d_ids)
    by_matrix = hamming.histogram(queries, database, *matrices)
    assert np.array_equal(by_id[0], by_matrix[0])
    assert np.array_equal(by_id[1], by_matrix[1])
    assert by_id[0][0].sum() == 0
    assert by_id[0].sum() > 0


def test_stored_zeros_in_sparse_labels_are_not_labels(kernel):
    codes = np.zeros((1, 1), dtype=np.uint8)
    labels = sparse.csr_matrix((np.array([False]), ([0], [1])), shape=(1, 3))
    relevant, total = hamming.histogram(codes, codes, labels, labels)
    assert relevant.sum() == 0
    assert total.sum() == 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 16, 64, 80]))
def test_a_constant_mask_changes_nothing(seed, bits):
    rng = np.random.default_rng(seed)
    queries, database = random_codes(rng, 3, bits), random_codes(rng, 25, bits)
    mask = rng.integers(0, 256, bits // 8, dtype=np.uint8)
    plain = hamming.topk(queries, database, 7)
    masked = hamming.topk(queries ^ mask, database ^ mask, 7)
    assert np.array_equal(plain[0], masked[0])
    assert np.array_equal(plain[1], masked[1])


def test_codes_and_their_packed_bytes_are_the_same_to_search(kernel):
    rng = np.random.default_rng(8)
    queries, database = Codes(random_codes(rng, 3, 32), 32), Codes(random_codes(rng, 9, 32), 32)
    by_codes = hamming.topk(queries, database, 4)
    by_bytes = hamming.topk(queries.packed, database.packed, 4)
    assert np.array_equal(by_codes[0], by_bytes[0])
    assert np.array_equal(by_codes[1], by_bytes[1])


def test_empty_sides_give_empty_results(kernel_or_blocks):
    none, some = np.zeros((0, 2), dtype=np.uint8), np.zeros((3, 2), dtype=np.uint8)
    assert hamming.topk(none, some, 2)[1].shape == (0, 2)
    assert hamming.topk(some, none, 2)[1].shape == (3, 0)
    assert hamming.topk(some, some, 2, allowed=np.zeros(3, dtype=bool))[0].shape == (3, 0)
    assert hamming.within(some, none, 1)[0].tolist() == [0, 0, 0, 0]
    assert hamming.within(none, some, 1)[0].tolist() == [0]
    relevant, total = hamming.histogram(some, none, np.zeros(3, int), np.zeros(0, int))
    assert relevant.shape == total.shape == (3, 17)
    assert total.sum() == 0


def test_what_cannot_be_searched_is_refused_with_the_cause():
    one, two = np.zeros((2, 1), dtype=np.uint8), np.zeros((2, 2), dtype=np.uint8)
    ids = np.zeros(2, dtype=int)
    with pytest.raises(DataError, match="8 bits and database codes 16"):
        hamming.topk(one, two, 1)
    with pytest.raises(DataError, match=r"Codes\.pack"):
        hamming.topk(one.astype(float), one, 1)
    with pytest.raises(DataError, match="8 to 1024 bits"):
        hamming.topk(np.zeros((1, 129), dtype=np.uint8), np.zeros((1, 129), dtype=np.uint8), 1)
    with pytest.raises(ConfigError, match="k must be"):
        hamming.topk(one, one, 0)
    with pytest.raises(ConfigError, match="threads must be"):
        hamming.topk(one, one, 1, threads=0)
    with pytest.raises(ConfigError, match="radius must be"):
        hamming.within(one, one, -1)
    with pytest.raises(DataError, match=r"not \(2,\)"):
        hamming.topk(one, one, 1, allowed=np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="from 0 to 1"):
        hamming.topk(one, one, 1, allowed=np.array([0, 2]))
    with pytest.raises(DataError, match="2 database codes but 3"):
        hamming.histogram(one, one, ids, np.zeros(3, dtype=int))
    with pytest.raises(DataError, match="both label sides"):
        hamming.histogram(one, one, ids, np.ones((2, 4), dtype=bool))
    with pytest.raises(DataError, match="5 columns, database labels 4"):
        hamming.histogram(one, one, np.ones((2, 5), dtype=bool), np.ones((2, 4), dtype=bool))
    with pytest.raises(DataError, match="class ids"):
        hamming.histogram(one, one, np.array([0.5, 1.0]), ids)


def test_memory_stays_within_a_block(kernel):
    import tracemalloc

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (4000, 8), dtype=np.uint8)
    labels = rng.integers(0, 5, 4000)
    tracemalloc.start()
    hamming.histogram(codes, codes, labels, labels)
    hamming.topk(codes, codes, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All pairs would take 32 MB for the distances alone; counts take 4000 x 65 x 8 x 4 = 8 MB.
    assert peak < 24e6
