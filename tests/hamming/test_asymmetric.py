"""Re-ranking orders by the asymmetric distance, as a naive loop does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbit import Codes, hamming
from crossbit.errors import DataError
from crossbit.hamming import asymmetric
from crossbit.hamming.asymmetric import rerank


def naive(output: np.ndarray, code: np.ndarray) -> float:
    """The definition, bit by bit."""
    cost = 0.0
    for bit, value in enumerate(output):
        stored = code[bit // 8] >> (bit % 8) & 1
        cost += abs(float(value)) if stored != (value > 0) else 0.0
    return cost


@settings(max_examples=60, deadline=None)
@given(
    width=st.sampled_from([1, 2, 3, 8, 128]),
    q=st.integers(0, 4),
    n=st.integers(1, 12),
    k=st.integers(0, 15),
    seed=st.integers(0, 2**31),
)
def test_it_is_the_definition_stably_sorted(width: int, q: int, n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    outputs = random.normal(size=(q, width * 8)).astype(np.float32)
    outputs[:, ::3] = 0  # undecided bits count nothing, whatever a code says
    codes = random.integers(0, 256, (n, width), dtype=np.uint8)
    codes[n // 2 :] = codes[: n - n // 2]  # ties
    positions = random.integers(0, n, (q, k))
    distances, order = rerank(outputs, codes, positions)
    assert (distances.dtype, order.dtype) == (np.float64, np.int64)
    assert distances.shape == order.shape == (q, k)
    for i in range(q):
        expected = {at: naive(outputs[i], codes[at]) for at in positions[i].tolist()}
        assert np.allclose(distances[i], [expected[at] for at in order[i].tolist()], atol=1e-9)
        assert (np.diff(distances[i]) >= 0).all()
        for distance in np.unique(distances[i]):  # equal ones stay as they came
            tied = order[i][distances[i] == distance].tolist()
            assert tied == [at for at in positions[i].tolist() if at in tied]


def test_it_orders_as_the_inner_product_with_signs_does() -> None:
    random = np.random.default_rng(0)
    outputs = random.normal(size=(5, 64))
    codes = Codes(random.integers(0, 256, (300, 8), dtype=np.uint8), 64)
    everything = np.tile(np.arange(300), (5, 1))
    distances, order = rerank(outputs, codes, everything)
    product = outputs @ (2.0 * codes.unpack() - 1).T
    assert np.array_equal(order, np.argsort(-product, axis=1, kind="stable"))
    half = (np.abs(outputs).sum(axis=1, keepdims=True) - product) / 2
    assert np.allclose(distances, np.take_along_axis(half, order, axis=1))


@pytest.mark.parametrize("bits", [9, 12, 63])
def test_a_length_of_no_whole_bytes_costs_its_bits_alone(bits: int) -> None:
    random = np.random.default_rng(bits)
    outputs = random.normal(size=(3, bits))
    codes = Codes.pack(random.integers(0, 2, (50, bits)))
    distances, order = rerank(outputs, codes, np.tile(np.arange(50), (3, 1)))
    for i in range(3):
        wanted = [naive(outputs[i], codes.packed[at]) for at in order[i]]
        assert np.allclose(distances[i], wanted)
    with pytest.raises(DataError, match=rf"codes of {bits} bits must be \(q, {bits}\) numbers"):
        rerank(np.pad(outputs, ((0, 0), (0, 1))), codes, order)


def test_outputs_of_one_size_leave_the_hamming_order() -> None:
    rng = np.random.default_rng(1)
    outputs = rng.choice([-1.0, 1.0], size=(4, 32))
    database = Codes(rng.integers(0, 256, (200, 4), dtype=np.uint8), 32)
    found = hamming.topk(Codes.pack(outputs > 0), database, 50)
    distances, positions = rerank(outputs, database, found[1])
    assert np.array_equal(distances, found[0])
    assert np.array_equal(positions, found[1])


def test_blocks_and_single_queries_give_the_same(monkeypatch) -> None:
    random = np.random.default_rng(2)
    outputs = random.normal(size=(9, 24)).astype(np.float32)
    codes = random.integers(0, 256, (40, 3), dtype=np.uint8)
    positions = random.integers(0, 40, (9, 20))
    whole = rerank(outputs, codes, positions)
    monkeypatch.setattr(asymmetric, "BLOCK", 2000)  # two queries at a time
    for found in rerank(outputs, codes, positions), _one_by_one(outputs, codes, positions):
        assert np.array_equal(found[0], whole[0])
        assert np.array_equal(found[1], whole[1])


def _one_by_one(
    outputs: np.ndarray, codes: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    parts = [rerank(outputs[i : i + 1], codes, positions[i : i + 1]) for i in range(len(outputs))]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


@pytest.mark.parametrize(
    ("outputs", "codes", "positions", "message"),
    [
        (np.zeros((1, 8)), np.zeros((2, 1)), [[0]], "packed"),
        (np.zeros((1, 16)), np.zeros((2, 1), np.uint8), [[0]], r"must be \(q, 8\) numbers"),
        (np.full((1, 8), np.nan), np.zeros((2, 1), np.uint8), [[0]], "NaN or infinity"),
        (np.zeros((2, 8)), np.zeros((2, 1), np.uint8), [[0]], "one row per query"),
        (np.zeros((1, 8)), np.zeros((2, 1), np.uint8), [[0.0]], "whole numbers"),
        (np.zeros((1, 8)), np.zeros((2, 1), np.uint8), [[2]], "from 0 to 1, got 2..2"),
        (np.zeros((1, 8)), np.zeros((2, 1), np.uint8), [[-1]], "from 0 to 1, got -1..-1"),
    ],
)
def test_what_does_not_fit_is_refused(outputs, codes, positions, message) -> None:
    with pytest.raises(DataError, match=message):
        rerank(outputs, codes, np.array(positions))
