"""The bank: its update against a loop, its keys by hand."""

from __future__ import annotations

import math

import pytest
import torch

from crossbit.methods.deep.ucch import MemoryBank, binary_keys


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("momentum", [0.0, 0.4, 0.9])
def test_a_row_moves_towards_its_outputs_and_all_others_stay(momentum: float) -> None:
    bank = MemoryBank(7, 5, generator())
    bank.vectors.copy_(torch.nn.functional.normalize(torch.randn(7, 5, generator=generator(1))))
    before = bank.vectors.clone()
    rows, outputs = torch.tensor([4, 0, 5]), 3 * torch.randn(3, 5, generator=generator(2))
    bank.update(rows, outputs, momentum)
    for i in range(7):
        expected = before[i].tolist()
        if i in rows.tolist():
            new = outputs[rows.tolist().index(i)].tolist()
            length = math.sqrt(sum(x * x for x in new))
            mixed = [
                momentum * old + (1 - momentum) * x / length
                for old, x in zip(expected, new, strict=True)
            ]
            expected = [x / math.sqrt(sum(y * y for y in mixed)) for x in mixed]
        assert bank.vectors[i].tolist() == pytest.approx(expected, abs=1e-6)


def test_keys_are_signs_of_length_one_and_zero_is_no_third_value() -> None:
    keys = binary_keys(torch.tensor([[0.3, -2.0, 0.0, 1e-9]]))
    assert keys.tolist() == [[0.5, -0.5, -0.5, 0.5]]


def test_keys_of_rows_are_those_of_their_vectors() -> None:
    bank = MemoryBank(6, 16, generator())
    torch.testing.assert_close(bank.keys(torch.tensor([3, 1])), bank.vectors[[3, 1]].sign() / 4)


def test_no_gradient_flows_into_the_bank() -> None:
    bank = MemoryBank(3, 4, generator())
    outputs = torch.randn(2, 4, generator=generator(1), requires_grad=True)
    assert not binary_keys(outputs).requires_grad
    bank.update(torch.tensor([0, 2]), outputs, 0.5)
    assert not bank.vectors.requires_grad
    assert not list(bank.parameters())


def test_the_bank_is_state_and_starts_as_signs_of_its_generator() -> None:
    a, b, other = (
        MemoryBank(9, 8, generator()),
        MemoryBank(9, 8, generator()),
        MemoryBank(9, 8, generator(1)),
    )
    assert torch.equal(a.vectors, b.vectors)
    assert not torch.equal(a.vectors, other.vectors)
    assert (a.vectors.abs() == 1 / math.sqrt(8)).all()
    other.load_state_dict(a.state_dict())
    assert torch.equal(a.vectors, other.vectors)
