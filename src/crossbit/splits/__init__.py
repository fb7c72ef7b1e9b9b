"""Splits: which rows train, validate, ask and are searched, by recipe and seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.splits.duplicates import row_hashes
from crossbit.splits.split import Split

__all__ = ["Split", "count", "make_split", "recipes", "spread"]

Number = int | float | None
Recipe = Callable[[Corpus, Number, np.random.Generator], np.ndarray]

WIKIPEDIA_TRAIN, WIKIPEDIA_QUERIES = 2173, 693


def make_split(
    corpus: Corpus,
    recipe: str = "random",
    seed: int = 0,
    *,
    queries: Number = None,
    labelled: Number = None,
    validation: Number = None,
    query_seed: int | None = None,
) -> Split:
    """Divide `corpus` into train, validation, query and database rows.

    The database is every row that is not a query; validation is carved out of the rest, and
    what remains is the training pool. Numbers are counts, fractions in (0, 1] are shares.

    Parameters
    ----------
    recipe : str
        ``"random"`` (queries: a tenth of the rows unless given), ``"wikipedia"`` (the published
        693 queries and 2,173 others) or ``"mirflickr"`` (queries: 5 % of the rows unless given).
    seed : int
        Decides every random choice. With one seed, a smaller label budget is a subset of a
        larger one, so that runs with different budgets compare like with like.
    queries : int or float, optional
        How many queries, out of all rows; drawn from rows that have a label. 0 holds nothing
        back: such a split trains but cannot be evaluated.
    labelled : int or float, optional
        The label budget of training and validation together, out of the labelled rows that are
        not queries: in proportion to the classes (first label of a row), and every class at
        least once where the budget allows. None means all of them, 0 none.
    validation : int or float, optional
        Part of that budget (0.2 unless given): the labels that choose the model are paid for
        from the same budget as those that train it. 0 means no validation.
    query_seed : int, optional
        Draws the queries in place of `seed`. Fix it to ask several draws of labels the same
        queries, and to keep those apart from all that settings are ever tuned on.

    Raises
    ------
    ConfigError
        For an unknown recipe or numbers outside their range.
    DataError
        If the corpus is not the one a recipe was published for, or no row can be a query.

    Notes
    -----
    Rows that equal a query in all views are left out of train and validation and counted in
    `Split.summary`. Time O(n d), memory O(n).
    """
    if recipe not in RECIPES:
        raise ConfigError(f"there is no split recipe {recipe!r}{suggest(recipe, RECIPES)}")
    asking = seed if query_seed is None else query_seed
    for name, value in ("seed", seed), ("query_seed", asking):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ConfigError(f"{name} must be a whole number from 0 upwards, got {value!r}")
    # One generator per decision: changing the budget leaves the queries where they are.
    draw_queries, draw_labels, draw_validation = (
        np.random.default_rng((int(value), step)) for step, value in enumerate((asking, seed, seed))
    )
    query = np.sort(RECIPES[recipe](corpus, queries, draw_queries))
    database = np.setdiff1d(np.arange(len(corpus)), query)
    prints = row_hashes(corpus)
    pool = database[~np.isin(prints[database], prints[query])]
    if not len(pool):
        raise ConfigError(f"{len(query):,} queries leave no row to train on; ask for fewer")

    eligible = pool[corpus.labelled[pool]]
    budget = count(labelled, len(eligible), "labelled", "labelled rows outside the queries", 1.0)
    classes = _first_label(corpus)
    paid = eligible[spread(classes[eligible], budget, draw_labels, every_class=True)]
    held = count(validation, budget, "validation", "rows of the label budget", 0.2, least=0)
    if held and held == budget:
        raise ConfigError(
            f"validation={validation!r} takes all {budget:,} labelled rows; leave some to train on"
        )
    chosen = np.sort(paid[spread(classes[paid], held, draw_validation, every_class=False)])
    return Split(
        corpus=corpus,
        recipe=recipe,
        seed=int(seed),
        options={
            "queries": queries,
            "labelled": labelled,
            "validation": validation,
            "query_seed": query_seed,
        },
        train_rows=np.setdiff1d(pool, chosen),
        labelled_rows=np.setdiff1d(paid, chosen),
        validation_rows=chosen,
        query_rows=query,
        database_rows=database,
        duplicates_dropped=len(database) - len(pool),
    )


def recipes() -> list[str]:
    """Return the names of all split recipes."""
    return sorted(RECIPES)


def _random(corpus: Corpus, queries: Number, random: np.random.Generator) -> np.ndarray:
    return _draw(corpus, queries, random, 0.1)


def _mirflickr(corpus: Corpus, queries: Number, random: np.random.Generator) -> np.ndarray:
    return _draw(corpus, queries, random, 0.05)


def _wikipedia(corpus: Corpus, queries: Number, random: np.random.Generator) -> np.ndarray:
    """The published queries are the rows after the 2,173 of trainset_txt_img_cat.list."""
    total = WIKIPEDIA_TRAIN + WIKIPEDIA_QUERIES
    if corpus.name != "wikipedia" or len(corpus) != total:
        raise DataError(
            f"the wikipedia recipe is for the wikipedia dataset with its {total:,} rows, not for "
            f"{corpus.name} with {len(corpus):,}; use the recipe 'random'"
        )
    if queries is not None:
        raise ConfigError(
            f"the wikipedia recipe has its published {WIKIPEDIA_QUERIES} queries; leave queries "
            "out, or use the recipe 'random'"
        )
    return np.arange(WIKIPEDIA_TRAIN, total)


RECIPES: dict[str, Recipe] = {
    "mirflickr": _mirflickr,
    "random": _random,
    "wikipedia": _wikipedia,
}


def _draw(
    corpus: Corpus, queries: Number, random: np.random.Generator, default: float
) -> np.ndarray:
    wanted = count(queries, len(corpus), "queries", "rows", default)
    if not wanted:
        return np.empty(0, dtype=np.int64)
    able = np.flatnonzero(_first_label(corpus) >= 0)
    if wanted > len(able):
        raise DataError(
            f"{wanted:,} queries are wanted, but only {len(able):,} of the {len(corpus):,} rows of "
            f"{corpus.name} have labels to judge them by; give labels, or fewer queries "
            "(queries=0 trains without evaluation)"
        )
    return random.choice(able, size=wanted, replace=False)


def _first_label(corpus: Corpus) -> np.ndarray:
    """Return the lowest label of every row, (n,) int64; -1 for rows without one."""
    first = np.full(len(corpus), -1, dtype=np.int64)
    if corpus.labels is not None:
        labels = corpus.require_labels()
        labels.sort_indices()
        some = np.diff(labels.indptr) > 0
        first[some] = labels.indices[labels.indptr[:-1][some]]
    return first


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
