"""Triplets that are drawn: their mean is that of all, and a query without any does not count."""

from __future__ import annotations

import pytest
import torch

from crossbit.networks.losses import drawn_triplets, without_self


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_mean_of_many_draws_is_that_of_all_triplets_of_a_query() -> None:
    distance = 4 * torch.rand(5, 7, generator=rng())
    relevant = torch.rand(5, 7, generator=rng(1)) < 0.4
    relevant[0], relevant[1] = False, True  # queries with one kind only
    relevant[2:, 0], relevant[2:, 1] = True, False
    total = []
    for i in range(2, 5):
        hinges = [
            max(0.0, 1.5 + float(distance[i, j] - distance[i, k]))
            for j in range(7)
            for k in range(7)
            if relevant[i, j] and not relevant[i, k]
        ]
        total.append(sum(hinges) / len(hinges))
    found = drawn_triplets(distance, relevant, 1.5, 20_000, rng(2))
    assert float(found) == pytest.approx(sum(total) / 3, rel=0.01)


def test_without_a_triplet_the_loss_is_zero_and_has_a_gradient() -> None:
    distance = torch.rand(3, 4, generator=rng()).requires_grad_()
    for relevant in torch.zeros(3, 4, dtype=torch.bool), torch.ones(3, 4, dtype=torch.bool):
        loss = drawn_triplets(distance, relevant, 1.0, 5, rng())
        loss.backward()
        assert float(loss.detach()) == 0.0
    assert float(distance.grad.abs().sum()) == 0.0


def test_a_table_loses_its_diagonal_alone() -> None:
    table = torch.arange(9).view(3, 3)
    assert without_self(table).tolist() == [[1, 2], [3, 5], [6, 7]]
    assert without_self(torch.zeros(1, 1)).shape == (1, 0)
    assert without_self(torch.zeros(0, 0)).shape == (0, 0)
