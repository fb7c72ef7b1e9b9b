"""Settled codes: drawn to the classes, whose codes lie apart where every row's are known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from crossbit.methods.deep.target_codes import agreed_codes, labelled_target_codes, target_codes

CLASSES = 6


def problem(bits: int = 16, n: int = 60, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the logits of two views that only partly tell the classes apart, and the labels."""
    rng = np.random.default_rng(seed)
    labels = np.eye(CLASSES, dtype=np.float32)[np.arange(n) % CLASSES]
    centres = rng.normal(size=(CLASSES, bits))
    return [labels @ centres + rng.normal(size=(n, bits)) for _ in range(2)], labels


def overlaps(codes: np.ndarray) -> float:
    return sum(float(a @ b) ** 2 for a, b in combinations(codes, 2))


def test_known_codes_are_those_of_the_least_overlapping_rotation() -> None:
    bits, draws, pull = 16, 7, 3.0
    outputs, labels = problem(bits)
    agreed = (np.tanh(outputs[0] / 2) + np.tanh(outputs[1] / 2)) / 2
    own = agreed - agreed.mean(axis=0)
    own = own / np.mean([np.sqrt(row @ row) for row in own])
    sums = np.stack([agreed[labels[:, c] > 0].sum(axis=0) for c in range(CLASSES)])
    # The polar factor of A is (A A')^-1/2 A.
    values, vectors = np.linalg.eigh(sums @ sums.T)
    directions = vectors @ np.diag(values**-0.5) @ vectors.T @ sums
    rng = np.random.default_rng(4)
    turns = [np.linalg.qr(rng.standard_normal((bits, bits)))[0] for _ in range(draws)]
    found = [overlaps(np.where(directions @ turn > 0, 1, -1)) for turn in turns]
    turn = turns[int(np.argmin(found))]
    assert turn is not turns[0]  # else the test could not tell a choice from the first draw
    expected = [
        np.where((own[i] + pull * directions[labels[i].argmax()]) @ turn > 0, 1, -1)
        for i in range(len(own))
    ]
    np.testing.assert_array_equal(labelled_target_codes(outputs, labels, pull, 4, draws), expected)


@pytest.mark.parametrize("bits", [16, 64, 128])
def test_class_codes_lie_further_apart_than_of_one_rotation(bits: int) -> None:
    def classes(codes: np.ndarray) -> float:
        np.testing.assert_array_equal(codes, codes[np.arange(len(codes)) % CLASSES])
        return overlaps(codes[:CLASSES])

    outputs, labels = problem(bits)
    apart = [classes(labelled_target_codes(outputs, labels, 1e9, seed)) for seed in range(5)]
    turned = [classes(labelled_target_codes(outputs, labels, 1e9, seed, 1)) for seed in range(20)]
    assert max(apart) < np.median(turned)
    assert max(apart) < classes(target_codes(outputs, labels, 1e9))


def test_a_seed_gives_one_set_of_known_codes() -> None:
    outputs, labels = problem()
    first = labelled_target_codes(outputs, labels, 5.0, 0)
    np.testing.assert_array_equal(first, labelled_target_codes(outputs, labels, 5.0, 0))
    assert (first != labelled_target_codes(outputs, labels, 5.0, 1)).any()
    assert set(np.unique(first)) == {-1.0, 1.0}


def seeded(outputs: list[np.ndarray], labels: np.ndarray, pull: float) -> np.ndarray:
    return labelled_target_codes(outputs, labels, pull, 0)


def test_settled_codes_are_the_networks_own_bits_but_for_the_pull() -> None:
    outputs, labels = problem()
    agreed = (np.tanh(outputs[0] / 2) + np.tanh(outputs[1] / 2)) / 2
    own = np.where(agreed > agreed.mean(axis=0), 1, -1)
    np.testing.assert_array_equal(target_codes(outputs, labels, 0.0), own)
    np.testing.assert_array_equal(agreed_codes(outputs), np.where(agreed > 0, 1, -1))
    pulled = target_codes(outputs, labels, 1e9)
    for c in range(CLASSES):
        assert len(np.unique(pulled[labels[:, c] > 0], axis=0)) == 1


@pytest.mark.parametrize("codes", [target_codes, seeded])
def test_a_row_without_classes_keeps_all_from_being_pulled(codes) -> None:
    outputs, labels = problem()
    labels[3] = 0
    np.testing.assert_array_equal(codes(outputs, labels, 9.0), codes(outputs, labels, 0.0))


@pytest.mark.parametrize("codes", [target_codes, seeded])
def test_more_classes_than_bits_are_no_trouble(codes) -> None:
    rng = np.random.default_rng(0)
    outputs, labels = [rng.normal(size=(40, 8))], np.eye(20)[np.arange(40) % 20]
    assert codes(outputs, labels, 20.0).shape == (40, 8)
