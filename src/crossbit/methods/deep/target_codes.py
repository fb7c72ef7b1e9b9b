"""Settled codes: the code that each training row is to have, from its views and its classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["DRAWS", "agreed_codes", "labelled_target_codes", "target_codes"]

DRAWS = 100  # rotations that `known_codes` chooses from; tuned (results/tune_all.md)


def target_codes(
    outputs: Sequence[np.ndarray], class_probabilities: np.ndarray, pull: float
) -> np.ndarray:
    """Return the codes that training rows settled on, (n, bits) of -1 and 1.

    A row's code is what its views agree on, drawn towards the classes it is believed to belong
    to. The classes' mean codes are made orthogonal first (polar decomposition): a network may
    leave classes close that labels tell apart. The bits are the network's own: a rotation would
    mix those that it learnt to use with those that it did not (tuned).

    Parameters
    ----------
    outputs : sequence of (n, bits)
        The network's logits of the rows in each view.
    class probabilities : (n, c)
        Probability of each class; zero for a row of which nothing is known. If there are such
        rows nothing is pulled: one class's codes would fall apart into known and unknown.
    pull : float
        Weight of the classes beside the row's own mean output.
    """
    own = _centred(_agreed(outputs))
    classes = _classes(class_probabilities, pull)
    pulled = own + (classes - classes.mean(axis=0)) @ _directions(own, class_probabilities)
    return _signs(pulled)


def agreed_codes(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the same, (n, bits) of -1 and 1, for rows of whose classes nothing is known.

    A row's code is what its views agree on. It is neither centred nor turned: bits that a network
    learnt to use, uneven ones too, hold more than a mixture of all of them (tuned).
    """
    return _signs(_agreed(outputs))


def labelled_target_codes(
    outputs: Sequence[np.ndarray], labels: np.ndarray, pull: float, seed: int, draws: int = DRAWS
) -> np.ndarray:
    """Return the same, (n, bits) of -1 and 1, for rows whose classes are all known.

    A code is then its classes' code but for a few bits, and a query ranks classes: it finds them
    in the order of its own scores if no two class codes overlap more than chance. Output codes
    that correct errors are spread for the same reason (Dietterich and Bakiri, JAIR 1995). So of
    `draws` random rotations the one counts whose class codes B, (c, bits), overlap least, by
    ||B B^T||. Classes are not centred, as this would make all of them overlap by -1 / (c - 1).

    Parameters
    ----------
    outputs, pull
        As in `settled_codes`.
    labels : (n, c) of zeros and ones
    seed, draws : int
        Of the rotations; 1 is a random one. Time O(draws bits^3).
    """
    agreed = _agreed(outputs)
    # Of centred codes the sum over exclusive classes is zero: one direction would be anyone's.
    directions = _directions(agreed, labels)
    rng = np.random.default_rng(seed)
    rotations = (_rotation(agreed.shape[1], rng) for _ in range(draws))
    rotation = min(rotations, key=lambda turn: _overlap(_signs(directions @ turn)))
    return _signs((_centred(agreed) + _classes(labels, pull) @ directions) @ rotation)


def _agreed(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return what a row's views agree on, (n, bits) in -1..1."""
    agreed: np.ndarray = np.mean([np.tanh(logits / 2) for logits in outputs], axis=0)
    return agreed


def _centred(agreed: np.ndarray) -> np.ndarray:
    """Return rows around zero, of mean length 1."""
    own = agreed - agreed.mean(axis=0)
    return np.asarray(own / max(float(np.linalg.norm(own, axis=1).mean()), 1e-6))


def _directions(codes: np.ndarray, class_probabilities: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix next to the classes' sums of codes, (c, bits)."""
    left, _, right = np.linalg.svd(class_probabilities.T @ codes, full_matrices=False)
    return np.asarray(left @ right)


def _classes(class_probabilities: np.ndarray, pull: float) -> np.ndarray:
    """Return the weights of a row's classes, (n, c): `pull` altogether if there is one."""
    pull = pull if class_probabilities.any(axis=1).all() else 0.0
    return np.asarray(
        pull * (class_probabilities / np.maximum(class_probabilities.sum(axis=1), 1.0)[:, None])
    )


def _rotation(bits: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((bits, bits)))[0]


def _overlap(codes: np.ndarray) -> float:
    return float(np.linalg.norm(codes @ codes.T))


def _signs(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, 1.0, -1.0)
