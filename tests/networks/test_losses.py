"""Losses: each against a loop that is its formula, written out."""

from __future__ import annotations

import math

import pytest
import torch

from crossbit.networks import losses

# Distances of two queries to three items; the labels of each, and so all triplets by hand.
DISTANCE = [[1.0, 4.0, 2.0], [3.0, 0.5, 0.5]]
RELEVANT = [[True, False, False], [False, True, False]]
TRIPLETS = [(0, 0, 1), (0, 0, 2), (1, 1, 0), (1, 1, 2)]  # query, relevant, irrelevant


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.25, 1.5, 3.0])
def test_triplets_by_hand(dtype: torch.dtype, margin: float) -> None:
    hinges = [max(0.0, margin + DISTANCE[q][i] - DISTANCE[q][j]) for q, i, j in TRIPLETS]
    found = losses.all_triplets(torch.tensor(DISTANCE, dtype=dtype), torch.tensor(RELEVANT), margin)
    assert found.dtype == dtype
    assert found.item() == pytest.approx(sum(hinges) / len(hinges), rel=1e-3)


@pytest.mark.parametrize("fill", [False, True])
def test_without_any_triplet_the_loss_is_zero(fill: bool) -> None:
    relevant = torch.full((2, 3), fill)
    assert losses.all_triplets(torch.tensor(DISTANCE), relevant, 1.0).item() == 0


def test_triplets_pull_the_relevant_and_push_the_irrelevant() -> None:
    distance = torch.tensor(DISTANCE, requires_grad=True)
    losses.all_triplets(distance, torch.tensor(RELEVANT), 10.0).backward()
    assert distance.grad is not None
    assert (distance.grad[torch.tensor(RELEVANT)] > 0).all()
    assert (distance.grad[~torch.tensor(RELEVANT)] < 0).all()


def test_ranking_of_one_relevant_item_is_a_soft_triplet_loss() -> None:
    similarity, temperature = numbers(6, 5), 0.7
    relevant = [0, 3, 1, 4, 4, 2]
    table = torch.zeros(6, 5)
    expected = 0.0
    for q, i in enumerate(relevant):
        table[q, i] = 1
        others = sum(
            math.exp(float(similarity[q, j] - similarity[q, i]) / temperature)
            for j in range(5)
            if j != i
        )
        expected += math.log(1 + others) / 6
    found = losses.ranking(similarity, table, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_ranking_weighs_by_relevance_and_skips_queries_without_any() -> None:
    similarity = numbers(3, 4)
    table = torch.tensor([[0.2, 0.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    expected = 0.0
    for q in range(3):
        total = float(table[q].sum())
        for i in range(4):
            share = math.exp(similarity[q, i]) / sum(math.exp(s) for s in similarity[q])
            expected -= float(table[q, i]) / max(total, 1e-6) * math.log(share) / 3
    assert losses.ranking(similarity, table, 1.0).item() == pytest.approx(expected, rel=1e-5)


def naive_contrast(similarity: torch.Tensor, counts: list[list[float]], temperature: float):
    n, total = len(similarity), 0.0
    for i in range(n):
        terms = [counts[i][j] * math.exp(similarity[i, j] / temperature) for j in range(n)]
        total -= math.log(terms[i] / sum(terms)) / n
    return total


def test_contrast_without_relevance_is_infonce() -> None:
    similarity = numbers(5, 5)
    expected = naive_contrast(similarity, [[1.0] * 5] * 5, 0.5)
    found = losses.contrast(similarity, torch.zeros(5, 5), 0.5)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_contrast_counts_a_negative_by_how_likely_it_is_one() -> None:
    similarity, table = numbers(4, 4), torch.rand(4, 4, generator=torch.Generator().manual_seed(1))
    table[0, 1] = 1.0  # certainly no negative: as good as left out
    counts = [
        [1.0 if i == j else max(1 - float(table[i, j]), 1e-4) for j in range(4)] for i in range(4)
    ]
    found = losses.contrast(similarity, table, 2.0)
    assert found.item() == pytest.approx(naive_contrast(similarity, counts, 2.0), rel=1e-5)


def test_contrast_hardly_pushes_a_relevant_negative() -> None:
    similarity = torch.zeros(3, 3, requires_grad=True)
    table = torch.zeros(3, 3)
    table[0, 1] = 1.0
    losses.contrast(similarity, table, 1.0).backward()
    assert similarity.grad is not None
    assert similarity.grad[0, 1] < 1e-3 * similarity.grad[0, 2]


def test_pair_likelihood_gives_both_classes_half_the_say() -> None:
    similarity = numbers(4, 6)
    relevant = torch.zeros(4, 6, dtype=torch.bool)
    relevant[0, 0] = relevant[2, 5] = relevant[3, 1] = True
    sides: dict[bool, list[float]] = {True: [], False: []}
    for q in range(4):
        for i in range(6):
            logit, yes = float(similarity[q, i]), bool(relevant[q, i])
            sides[yes].append(math.log(1 + math.exp(-logit if yes else logit)))
    expected = sum(0.5 * sum(side) / len(side) for side in sides.values())
    found = losses.pair_likelihood(similarity, relevant)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_quantisation_and_balance_by_loop() -> None:
    codes = torch.rand(7, 5, generator=torch.Generator().manual_seed(2))
    rows = codes.tolist()
    distance = sum(1 - abs(2 * h - 1) for row in rows for h in row) / 35
    balance = sum((sum(2 * row[k] - 1 for row in rows) / 7) ** 2 for k in range(5)) / 5
    assert losses.quantisation(codes).item() == pytest.approx(distance, rel=1e-5)
    assert losses.bit_balance(codes).item() == pytest.approx(balance, rel=1e-4)


def test_perfect_codes_cost_nothing() -> None:
    codes = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert losses.quantisation(codes).item() == 0
    assert losses.bit_balance(codes).item() == 0
    assert losses.bit_balance(torch.ones(4, 2)).item() == 1


def test_orthogonality_by_loop() -> None:
    weight = numbers(4, 9)
    rows = [row / row.norm() for row in weight]
    expected = sum((float(rows[a] @ rows[b]) - (a == b)) ** 2 for a in range(4) for b in range(4))
    assert losses.orthogonality(weight).item() == pytest.approx(expected / 16, rel=1e-4)
    assert losses.orthogonality(7 * torch.eye(4, 9)).item() == pytest.approx(0, abs=1e-10)


def test_signed_inner_products_count_agreeing_bits() -> None:
    a, b = torch.tensor([[1.0, 0.0, 1.0, 1.0]]), torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    assert (losses.signed(a) @ losses.signed(b).T).item() == 2 - 2
