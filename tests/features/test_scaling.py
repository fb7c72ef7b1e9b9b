"""Scaling: which kind a view gets, and that it comes back from a model as it was."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from crossbit.features.scale import Scaler
from crossbit.features.scaling import fit_scaling, scaling_from
from crossbit.features.terms import TermWeights

COUNTS = np.random.default_rng(0).poisson(1.0, size=(30, 5)).astype(np.float32)
SIGNED = np.random.default_rng(1).normal(size=(30, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        (COUNTS, Scaler),
        (SIGNED, Scaler),
        (sparse.csr_matrix(COUNTS), TermWeights),
        (sparse.csr_matrix(SIGNED), Scaler),  # term weights would cut off what is below zero
    ],
    ids=["dense counts", "dense", "sparse counts", "sparse with negatives"],
)
def test_the_kind_follows_the_features_and_survives_saving(features, kind):
    scaling = fit_scaling(features)
    assert type(scaling) is kind
    again = scaling_from(scaling.arrays())
    assert type(again) is kind
    np.testing.assert_array_equal(scaling(features), again(features))


def test_sparse_features_with_negatives_scale_as_dense_ones_do():
    np.testing.assert_allclose(
        fit_scaling(sparse.csr_matrix(SIGNED))(SIGNED), fit_scaling(SIGNED)(SIGNED), atol=1e-5
    )


def test_both_kinds_give_rows_of_about_one_length():
    for features in SIGNED, sparse.csr_matrix(COUNTS):
        lengths = np.square(fit_scaling(features)(features)).sum(axis=1)
        assert np.mean(lengths) == pytest.approx(5, rel=1e-3)
