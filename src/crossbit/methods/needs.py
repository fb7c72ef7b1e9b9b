"""Needs: whether a corpus has what a method learns from, said before any work starts."""

from __future__ import annotations

from collections.abc import Set

from crossbit.corpus import Corpus
from crossbit.errors import DataError

__all__ = ["check_needs", "with_all_views"]


def check_needs(name: str, needs: Set[str], most_views: int | None, train: Corpus) -> None:
    """Raise a DataError that names the fix if the method `name` cannot learn from `train`.

    Parameters
    ----------
    name : str
    needs : set of "labels", "pairs", "one space"
        See `Hasher`; "pictures" is for the method to check, which knows what it reads as one.
    most_views : int or None
        How many views it can learn; None: any number.
    train : Corpus
    """
    if "labels" in needs and not train.is_labelled.any():
        raise DataError(
            f"{name} learns from labels, but no training row has any; give labels, "
            "or choose a method that needs none (see `crossbit methods`)"
        )
    if "pairs" in needs and len(train.views) < 2:
        raise DataError(f"{name} needs at least two views, {train.name} has one")
    if "one space" in needs and len(set(train.dims.values())) > 1:
        widths = ", ".join(f"{view} has {width}" for view, width in train.dims.items())
        raise DataError(
            f"{name} codes all views by one function, so they must be vectors of one "
            f"space, as CLIP's are, but {widths} dimensions; itq_cca finds a common space first"
        )
    if most_views is not None and len(train.views) > most_views:
        raise DataError(
            f"{name} learns from at most {most_views} views, {train.name} has "
            f"{len(train.views)} ({', '.join(train.views)}); leave some out, or choose a "
            "method for any number (see `crossbit methods`)"
        )
    for view in train.present:
        if not train.has(view).any():
            raise DataError(
                f"no training row of {train.name} has the view {view!r}, so nothing can be "
                "learnt about it; leave it out, or split with another seed"
            )


def with_all_views(name: str, needs: Set[str], train: Corpus) -> Corpus:
    """Return the rows that have all views; a DataError if nothing can be learnt from them."""
    whole = train.having(*train.views)
    if not len(whole) or ("labels" in needs and not whole.is_labelled.any()):
        labelled = "labelled " if len(whole) else ""
        raise DataError(
            f"{name} learns from items that have all views, but every {labelled}"
            "training row lacks one; choose a method that takes them, such as schgan"
        )
    return whole
