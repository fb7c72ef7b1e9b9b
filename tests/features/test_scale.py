"""Scaler: measured on training rows alone, the same for dense and sparse input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from crossbit.errors import ConfigError, DataError
from crossbit.features.scale import Scaler

SMALL = arrays(np.float32, (7, 5), elements=st.sampled_from([0.0, 0.0, 0.1, 1.0, -3.5, 1000.0]))


@given(SMALL)
def test_dense_and_sparse_measure_the_same(values):
    dense, csr = Scaler.fit(values), Scaler.fit(sparse.csr_matrix(values))
    np.testing.assert_allclose(dense.mean, csr.mean, rtol=1e-6)
    np.testing.assert_allclose(dense.scale, csr.scale, rtol=1e-5)
    np.testing.assert_allclose(dense(values), csr(sparse.csr_matrix(values)), atol=1e-4)


def test_training_rows_get_mean_zero_and_deviation_one():
    values = np.random.default_rng(0).normal(3, 5, size=(9000, 4)).astype(np.float32)
    scaled = Scaler.fit(values)(values)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-4)


def test_columns_constant_in_training_never_count():
    # 0.1 is no binary fraction: a variance by subtraction would come out above zero.
    train = np.tile(np.array([[0.1, 0.0]], dtype=np.float32), (101, 1))
    train = np.hstack([train, np.arange(101, dtype=np.float32)[:, None]])
    query = np.array([[50.0, 9.0, 3.0]], dtype=np.float32)
    for kind in "zscore", "none":
        for matrix in train, sparse.csr_matrix(train):
            scaled = Scaler.fit(matrix, kind=kind)(query)
            np.testing.assert_array_equal(scaled[0, :2], 0)
            assert scaled[0, 2] != 0


def test_none_keeps_the_values_of_columns_that_vary():
    train = np.array([[1, 5], [2, 5]], dtype=np.float32)
    np.testing.assert_array_equal(Scaler.fit(train, kind="none")(train), [[1, 0], [2, 0]])


def test_floor_and_clip_tame_rare_words():
    word = np.zeros((10_000, 1), dtype=np.float32)
    word[0] = 1
    csr = sparse.csr_matrix(word)
    assert Scaler.fit(csr)(word).max() == pytest.approx(100, rel=1e-3)
    assert Scaler.fit(csr, floor=0.1)(word).max() == pytest.approx(10, rel=1e-3)
    assert Scaler.fit(csr, clip=5)(word).max() == 5


def test_input_is_left_alone():
    values = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 3]], dtype=np.float32))
    before = values.copy()
    Scaler.fit(values)(values)
    assert (values != before).nnz == 0
    dense = np.ones((2, 3), dtype=np.float32)
    Scaler(np.zeros(3), np.ones(3), clip=0.5)(dense)
    np.testing.assert_array_equal(dense, 1)


def test_arrays_give_the_same_scaler():
    scaler = Scaler.fit(np.random.default_rng(0).normal(size=(20, 3)), clip=1.5)
    again = Scaler.from_arrays(scaler.arrays())
    batch = np.random.default_rng(1).normal(size=(4, 3)) * 9
    np.testing.assert_array_equal(scaler(batch), again(batch))


def test_bad_requests_are_refused():
    with pytest.raises(ConfigError, match="choose from none, zscore"):
        Scaler.fit(np.ones((2, 2)), kind="z")
    with pytest.raises(ConfigError, match="negative"):
        Scaler.fit(np.ones((2, 2)), floor=-1)
    with pytest.raises(DataError, match="there are none"):
        Scaler.fit(np.ones((0, 2)))
    with pytest.raises(DataError, match="3 columns, the scaling was measured on 2"):
        Scaler.fit(np.eye(2))(np.ones((1, 3)))
