"""ITQ's rotation and the methods around it: orthogonal, never worse, and one for all views."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import board, board_for

from crossbit.errors import ConfigError, DataError
from crossbit.methods.classical.itq import ITQ
from crossbit.methods.classical.itq_cca import ITQCCA
from crossbit.methods.classical.lsh import LSH
from crossbit.methods.classical.rotation import learn_rotation, random_rotation
from crossbit.methods.classical.sign import Sign


def features(k: int, n: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, k)) * np.linspace(2, 0.5, k)
    return (x - x.mean(axis=0)).astype(np.float32)


@pytest.mark.parametrize(("k", "bits"), [(16, 16), (5, 16)])
def test_the_rotation_is_orthogonal_and_the_error_never_rises(k: int, bits: int) -> None:
    V = features(k)
    R, errors = learn_rotation(V, bits, 50, np.random.default_rng(0))
    assert R.shape == (k, bits)
    np.testing.assert_allclose(R @ R.T, np.eye(k), atol=1e-5)
    assert (np.diff(errors) <= 1e-6 * errors[0]).all()
    assert errors[-1] < 0.98 * errors[0]


@pytest.mark.parametrize(("k", "bits"), [(8, 8), (3, 8)])
def test_the_error_is_that_of_the_docstring(k: int, bits: int) -> None:
    V = features(k)
    R = random_rotation(k, bits, np.random.default_rng(1))
    _, errors = learn_rotation(V, bits, 1, np.random.default_rng(1))
    assert errors[0] == pytest.approx(np.square(np.sign(V @ R) - V @ R).sum(), rel=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (3, 8), (8, 3)])
def test_a_random_rotation_is_orthonormal_along_its_shorter_side(rows: int, columns: int) -> None:
    R = random_rotation(rows, columns, np.random.default_rng(0))
    product = R @ R.T if rows <= columns else R.T @ R
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-12)


def test_itq_has_one_function_on_the_components_of_all_views() -> None:
    corpus = board_for("itq")
    hasher = ITQ(bits=8).fit(corpus)
    a, b = (hasher._arrays()[f"map/{view}"] for view in corpus.views)
    np.testing.assert_array_equal(a, b)
    centred = np.concatenate([corpus[v] - corpus[v].mean(axis=0) for v in corpus.views])
    kept = np.square(centred @ a).sum()
    best = np.linalg.svd(centred, compute_uv=False)[:8]
    assert kept == pytest.approx(np.square(best).sum(), rel=1e-4)


def test_itq_does_not_tell_views_apart_by_an_offset() -> None:
    corpus = board_for("itq")
    apart = board_for("itq")
    apart.views["text"][:] += 5.0
    a, b = (ITQ(bits=16).fit(c) for c in (corpus, apart))
    for view in corpus.views:
        same = a.encode(corpus[view], view).unpack() == b.encode(apart[view], view).unpack()
        assert same.mean() > 0.99


def test_itq_cca_takes_few_directions_for_many_bits() -> None:
    corpus = board_for("itq_cca")
    for directions, rank in (0, 8), (6, 6):
        hasher = ITQCCA(bits=16, directions=directions).fit(corpus)
        assert np.linalg.matrix_rank(hasher._arrays()["map/image"], tol=1e-3) == rank


def test_lsh_counts_angles() -> None:
    """Two vectors differ in a bit with probability angle / pi."""
    corpus = board(dims={"image": 24, "text": 24})
    hasher = LSH(bits=1024).fit(corpus)
    x = np.random.default_rng(0).normal(size=(30, 24)).astype(np.float32)
    bits = hasher.encode(x, "image").unpack()
    share = (bits[:, None] != bits[None]).mean(axis=-1)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1)) / np.pi
    assert abs(share - angle).max() < 0.06


def test_sign_without_rotation_is_the_features_own_signs() -> None:
    corpus = board(dims={"image": 24, "text": 24})
    hasher = Sign(bits=16, rotate=False).fit(corpus)
    bits = hasher.encode(corpus["text"], "text").unpack()
    np.testing.assert_array_equal(bits, corpus["text"][:, :16] > 0)
    with pytest.raises(DataError, match="24 features give no 32 signs; set bits to 24 or fewer"):
        Sign(bits=32, rotate=False).fit(corpus)


def test_sign_rotates_at_right_angles() -> None:
    hasher = Sign(bits=16).fit(board(dims={"image": 24, "text": 24}))
    planes = hasher._arrays()["planes"]
    np.testing.assert_allclose(planes.T @ planes, np.eye(16), atol=1e-6)


@pytest.mark.parametrize("method", [ITQ, LSH, Sign])
def test_views_of_different_widths_are_not_one_space(method: type[ITQ]) -> None:
    with pytest.raises(DataError, match=f"{method.name} codes all views by one function"):
        method().fit(board())


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="iterations must be at least 1"):
        ITQ(iterations=0)
    with pytest.raises(ConfigError, match="iterations must be at least 1"):
        ITQCCA(iterations=0)
    with pytest.raises(ConfigError, match="directions must be from 0 to the 16 bits"):
        ITQCCA(bits=16, directions=17)
