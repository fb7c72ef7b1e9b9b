"""Pathways: shapes, one generator for all weights, and a start that does not depend on scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crossbit.networks.pathway import ACTIVATIONS, HashNetwork, Pathway, squared_distance

DIMS = {"image": 12, "text": 7}


def network(seed: int = 0, activation: str = "cosine", **changes: float) -> HashNetwork:
    rng = torch.Generator().manual_seed(seed)
    total_variance = {view: changes.get("total_variance", float(d)) for view, d in DIMS.items()}
    return HashNetwork(
        DIMS,
        32,
        16,
        activation=activation,
        init_std=changes.get("init_std", 1.0),
        total_variance=total_variance,
        rng=rng,
    )


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("view", sorted(DIMS))
def test_every_view_comes_out_as_bits(activation: str, view: str) -> None:
    net = network(activation=activation)
    x = torch.randn(5, DIMS[view], generator=torch.Generator().manual_seed(1))
    codes, logits = net(view, x), net.logits(view, x)
    assert codes.shape == logits.shape == (5, 16)
    assert ((codes > 0) & (codes < 1)).all()
    np.testing.assert_array_equal(codes.detach() > 0.5, logits.detach() > 0)


def test_a_pathway_is_equation_1() -> None:
    net = network(activation="tanh")
    x = torch.randn(3, 12, generator=torch.Generator().manual_seed(1))
    path = net.pathways["image"]
    hidden = torch.tanh(x @ path.first.weight.T + path.first.bias)
    expected = torch.sigmoid(hidden @ path.second.weight.T + path.second.bias)
    torch.testing.assert_close(net("image", x), expected)


def test_one_seed_gives_one_network_whatever_the_global_generator_does() -> None:
    torch.manual_seed(5)
    a = network(seed=3).state_dict()
    torch.manual_seed(99)
    b, c = network(seed=3).state_dict(), network(seed=4).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    for name in ("first.weight", "first.bias", "second.weight"):
        assert not torch.equal(a[f"pathways.image.{name}"], c[f"pathways.image.{name}"])


@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_hidden_units_start_with_the_gain_whatever_the_scale_of_the_input(factor: float) -> None:
    x = factor * torch.randn(4000, 20, generator=torch.Generator().manual_seed(0))
    total_variance = float(x.var(0, correction=0).sum())
    path = Pathway(
        20,
        500,
        8,
        activation="tanh",
        init_std=0.7,
        total_variance=total_variance,
        rng=torch.Generator().manual_seed(1),
    )
    # Over units and items: a single unit's deviation is random, its mean square is not.
    spread = float((x @ path.first.weight.T).square().mean().sqrt().detach())
    assert spread == pytest.approx(0.7, rel=0.05)


def test_the_cosine_start_is_the_random_map_of_a_gaussian_kernel() -> None:
    path = Pathway(
        3,
        20_000,
        8,
        activation="cosine",
        init_std=1.0,
        total_variance=3.0,
        rng=torch.Generator().manual_seed(0),
    )
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    features = path.activation(path.first(x)) / math.sqrt(20_000)
    kernel = torch.exp(-squared_distance(x, x) / 3.0 / 2)
    torch.testing.assert_close(features @ features.T, kernel, atol=0.03, rtol=0)


def test_constant_input_does_not_divide_by_zero() -> None:
    assert all(torch.isfinite(p).all() for p in network(total_variance=0.0).parameters())


def test_decay_acts_on_the_hash_layers_alone_and_no_weight_is_forgotten() -> None:
    net = network()
    free, decayed = net.parameter_groups(0.3)
    assert (free["weight_decay"], decayed["weight_decay"]) == (0.0, 0.3)
    assert {p.shape[0] for p in free["params"]} == {32}
    assert {p.shape[0] for p in decayed["params"]} == {16}
    assert len(free["params"]) + len(decayed["params"]) == len(list(net.parameters()))
    assert [tuple(w.shape) for w in net.hash_layers()] == [(16, 32), (16, 32)]


def test_a_view_may_have_a_pathway_of_another_kind() -> None:
    class Other(Pathway):
        pass

    def build(rng: torch.Generator) -> Other:
        return Other(9, 6, 16, activation="relu", init_std=1.0, total_variance=9.0, rng=rng)

    rng, sizes = torch.Generator().manual_seed(0), {"activation": "tanh", "init_std": 1.0}
    total_variance = {view: float(d) for view, d in DIMS.items()}
    net = HashNetwork(
        DIMS, 32, 16, **sizes, total_variance=total_variance, rng=rng, builders={"text": build}
    )
    assert [type(path) for path in net.pathways.values()] == [Pathway, Other]
    assert net("text", torch.zeros(2, 9)).shape == (2, 16)
    # The other view starts as it does beside a pathway of its own kind.
    alone = network(activation="tanh").state_dict()
    assert torch.equal(
        net.state_dict()["pathways.image.first.weight"], alone["pathways.image.first.weight"]
    )
    assert len(net.hash_layers()) == 2


def test_squared_distance_by_loop() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.rand(4, 6, generator=rng), torch.rand(5, 6, generator=rng)
    expected = [[sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) for q in b] for p in a]
    torch.testing.assert_close(squared_distance(a, b), torch.tensor(expected))
    assert (squared_distance(a, a) >= 0).all()


def test_on_bits_it_is_the_hamming_distance() -> None:
    a = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    b = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]])
    assert squared_distance(a, b).tolist() == [[0, 2, 4]]
