"""TermWeights: words count by how rare they are in training, and rows come out at one length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from crossbit.errors import DataError
from crossbit.features.terms import TermWeights

COUNTS = arrays(np.float32, (6, 4), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, 7.0]))


@given(COUNTS)
def test_by_loop(counts):
    terms = TermWeights.fit(sparse.csr_matrix(counts))
    found = terms(counts)
    for i in range(6):
        row = []
        for word in range(4):
            holding = sum(counts[k, word] > 0 for k in range(6))
            idf = math.log(6 / holding) + 1 if holding else 0.0
            row.append(math.sqrt(counts[i, word]) * idf)
        length = math.sqrt(sum(x * x for x in row))
        expected = [2 * x / length if length else 0.0 for x in row]  # 2 = sqrt of 4 columns
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-6)


@given(COUNTS)
def test_dense_and_sparse_rows_come_out_the_same(counts):
    csr = sparse.csr_matrix(counts)
    terms = TermWeights.fit(csr)
    np.testing.assert_array_equal(terms(counts), terms(csr))
    assert terms(csr).dtype == np.float32


def test_words_that_training_lacks_never_count():
    terms = TermWeights.fit(sparse.csr_matrix([[1, 0, 3], [2, 0, 0]]))
    found = terms(np.array([[1, 99, 1], [0, 99, 0]], dtype=np.float32))
    np.testing.assert_array_equal(found[:, 1], 0)
    np.testing.assert_array_equal(found[1], 0)  # nothing known in it: zero, and no NaN
    assert np.linalg.norm(found[0]) == pytest.approx(math.sqrt(3), rel=1e-5)


def test_a_word_that_is_stored_twice_in_a_row_is_in_one_text():
    twice = sparse.csr_matrix((np.ones(3), [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    once = sparse.csr_matrix([[2, 0], [0, 1]])
    np.testing.assert_array_equal(TermWeights.fit(twice).idf, TermWeights.fit(once).idf)
    assert twice.nnz == 3  # the input is left alone


def test_stored_zeros_are_no_occurrences():
    stored = sparse.csr_matrix((np.array([0.0, 1.0]), [0, 1], [0, 1, 2]), shape=(2, 2))
    assert TermWeights.fit(stored).idf[0] == 0


def test_arrays_give_the_same_weights():
    counts = np.random.default_rng(0).poisson(0.5, size=(20, 9)).astype(np.float32)
    terms = TermWeights.fit(sparse.csr_matrix(counts))
    again = TermWeights.from_arrays(terms.arrays())
    np.testing.assert_array_equal(terms(counts), again(counts))


def test_bad_requests_are_refused():
    terms = TermWeights.fit(sparse.csr_matrix(np.eye(3)))
    for rows in np.ones((2, 4)), np.ones((2, 1)), sparse.csr_matrix(np.ones((2, 4))):
        with pytest.raises(DataError, match=r"columns, the scaling was measured on 3"):
            terms(rows)
    with pytest.raises(DataError, match="there are none"):
        TermWeights.fit(sparse.csr_matrix((0, 3)))
