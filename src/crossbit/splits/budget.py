"""How many rows a number or fraction asks for, and which rows spread them over the classes."""

from __future__ import annotations

import numpy as np

from crossbit.errors import ConfigError

__all__ = ["count", "spread"]


def count(
    asked: int | float | None,
    total: int,
    name: str,
    of_what: str,
    default: float,
    least: int = 1,
) -> int:
    """Return how many of `total` rows `asked` means: a whole number, or a fraction in (0, 1].

    A fraction above 0 is rounded to the nearest number of rows, but not below `least`.

    Raises
    ------
    ConfigError
        For anything else, or for more rows than there are.
    """
    value = default if asked is None else asked
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ConfigError(f"{name} must be a count (500) or a fraction (0.1), got {value!r}")
    if isinstance(value, float | np.floating):
        if not 0 <= value <= 1:
            raise ConfigError(
                f"{name}={value} is no fraction between 0 and 1; write a count without a point"
            )
        return min(total, max(least, round(float(value) * total))) if value else 0
    if value < 0:
        raise ConfigError(f"{name} must not be negative, got {value}")
    if value > total:
        raise ConfigError(f"{name}={value:,}, but there are only {total:,} {of_what}; ask for less")
    return int(value)


def spread(
    classes: np.ndarray, wanted: int, random: np.random.Generator, *, every_class: bool
) -> np.ndarray:
    """Return `wanted` positions in `classes`, (n,), drawn in proportion to the classes.

    Each class is shuffled and its r-th of n rows placed at (r + 1/2) / n on a common line; a
    prefix of that line then holds every class in proportion, and a shorter prefix is a subset
    of a longer one. With `every_class` each class's first row moves to the front.
    """
    shuffled = random.permutation(len(classes))
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    _, starts, inverse, sizes = np.unique(
        classes[order], return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.arange(len(order)) - starts[inverse]
    place = (rank + 0.5) / sizes[inverse]
    if every_class:
        place[rank == 0] = 0.0
    tie = random.permutation(len(order))
    return order[np.lexsort((tie, place))[:wanted]]
