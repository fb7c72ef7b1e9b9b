"""Attended pathways: D(Z * E(x)) by hand, any batch, and shapes that are spelt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from crossbit.errors import ConfigError
from crossbit.methods.adversarial.hashgan.networks import (
    ROWS,
    AttendedPathway,
    MapShape,
    map_pathway,
    vector_pathway,
)
from crossbit.networks.convolution import Shape
from crossbit.networks.rows import SparseRows


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vectors(attends: bool = True) -> AttendedPathway:
    return vector_pathway(
        10,
        16,
        8,
        activation="relu",
        init_std=1.0,
        total_variance=10.0,
        attends=attends,
        gate_bias=1.0,
        rng=rng(),
    )


def maps(shape: Shape | MapShape, attends: bool = True) -> AttendedPathway:
    return map_pathway(shape, 4, 16, 8, attends=attends, gate_bias=1.0, rng=rng())


KINDS = {
    "vectors": (vectors, 10),
    "pictures": (lambda **a: maps(Shape(16, 3), **a), 16 * 16 * 3),
    "maps": (lambda **a: maps(MapShape(3, 5, 6), **a), 90),
}


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_the_hash_of_what_is_attended(kind: str) -> None:
    make, width = KINDS[kind]
    path, x = make(), torch.randn(6, width, generator=rng(1))
    features, mask = path.first(x), path.masks(x).detach().flatten(1)
    assert 0 < float(mask.mean()) < 1
    for row in range(6):
        kept = features[row].clone()
        for place in torch.nonzero(mask[row] == 0)[:, 0].tolist():
            kept.view(-1, mask.shape[1])[:, place] = 0  # of all channels
        torch.testing.assert_close(path.second(kept[None])[0], path(x)[row], atol=1e-5, rtol=1e-4)
    blind = make(attends=False)
    assert all(
        torch.equal(a, b) for a, b in zip(path.parameters(), blind.parameters(), strict=True)
    )
    torch.testing.assert_close(blind(x), path.second(features))


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_does_not_depend_on_its_batch(kind: str) -> None:
    make, width = KINDS[kind]
    path, x = make(), torch.randn(ROWS + 3, width, generator=rng(1))
    whole = path(x)
    assert whole.shape == (ROWS + 3, 8)
    for row in (0, ROWS - 1, ROWS, ROWS + 2):
        torch.testing.assert_close(path(x[row : row + 1])[0], whole[row], atol=1e-5, rtol=1e-4)
    assert path(x[:0]).shape == (0, 8)


def test_sparse_rows_give_what_dense_ones_do() -> None:
    matrix = sparse.random(9, 10, density=0.3, format="csr", dtype=np.float32, random_state=0)
    path = vectors()
    torch.testing.assert_close(
        path(SparseRows.of(matrix)), path(torch.from_numpy(matrix.toarray())), atol=1e-5, rtol=1e-4
    )


def test_masks_lie_over_the_picture() -> None:
    assert maps(Shape(64, 3)).masks(torch.randn(2, 64 * 64 * 3, generator=rng())).shape == (2, 8, 8)
    shape = MapShape(2, 3, 4)
    rows = torch.arange(48.0).view(2, 24)
    read = shape.maps(rows)
    assert read.shape == (2, 4, 2, 3)
    assert float(read[1, 2, 0, 1]) == 24 + (0 * 3 + 1) * 4 + 2
    assert maps(shape).masks(rows).shape == (2, 2, 3)


def test_shapes_are_spelt_by_height_width_and_channels() -> None:
    assert MapShape.parse("14x7x512") == (14, 7, 512)
    for text in ("14x14", "14x14x", "0x1x2", "axbxc", "", "14x14x512x2"):
        with pytest.raises(ConfigError, match=r"is no shape of a map; write such as 14x14x512"):
            MapShape.parse(text)
