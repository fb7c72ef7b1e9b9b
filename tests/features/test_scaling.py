"""Scaling: which kind a view gets, and that it comes back from a model as it was."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from crossbit.features.scale import Scaler
from crossbit.features.scaling import fit_picture_scaling, fit_scaling, scaling_from
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


@pytest.mark.parametrize("colours", [1, 3])
def test_pixels_are_scaled_by_colour_and_not_by_place(colours):
    """So a picture may be moved: what two places show alike stays alike."""
    rng = np.random.default_rng(2)
    spread = np.linspace(0.1, 3.0, 7)[:, None] * np.arange(1, colours + 1)
    pixels = (rng.normal(size=(50, 7, colours)) * spread + spread).astype(np.float32)
    pixels[:, 3] = 0.25  # a place that shows nothing keeps its value, unlike a constant column
    scaling = fit_picture_scaling(pixels.reshape(50, -1), colours)
    found = scaling(pixels.reshape(50, -1)).reshape(pixels.shape)
    for c in range(colours):
        expected = (pixels[..., c] - pixels[..., c].mean()) / pixels[..., c].std()
        np.testing.assert_allclose(found[..., c], expected, atol=1e-4)
    again = scaling_from(scaling.arrays())
    np.testing.assert_array_equal(again(pixels.reshape(50, -1)), found.reshape(50, -1))


def test_pixels_that_never_vary_are_zero():
    scaled = fit_picture_scaling(np.full((4, 12), 0.5, dtype=np.float32), 3)(np.ones((1, 12)))
    np.testing.assert_array_equal(scaled, np.zeros((1, 12)))
