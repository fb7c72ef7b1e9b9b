"""The monitor: validation MAP after every epoch, and early signs that a network collapses."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.metrics import average_precision

__all__ = ["check_collapse", "not_worse", "validation_ap"]


def validation_ap(
    project: Callable[[Corpus, str], np.ndarray], validation: Corpus, train: Corpus
) -> np.ndarray:
    """Return every validation query's expected AP, (q,), the mean over the directions it asks in.

    The database is the labelled training rows.
    `project` gives the outputs of a corpus in one view, (n, bits). Unlabelled training rows
    cannot be judged without labels that were not given, so they are not in it.
    """
    judged = train.take(train.labelled)
    asking = {view: validation.with_views(view) for view in train.views}
    searched = {view: judged.with_views(view) for view in train.views}
    query = {view: Codes.pack(project(part, view) > 0) for view, part in asking.items()}
    database = {view: Codes.pack(project(part, view) > 0) for view, part in searched.items()}
    pairs = list(permutations(train.views, 2)) or [(next(iter(train.views)),) * 2]
    values = np.full((len(pairs), len(validation)), np.nan)
    for line, (a, b) in enumerate(pairs):
        labels = asking[a].require_labels(), searched[b].require_labels()
        counts = hamming.histogram(query[a], database[b], *labels)
        values[line, validation.has(a)] = average_precision(*counts).expected
    return np.asarray(np.nanmean(values, axis=0))


def not_worse(new: np.ndarray, best: np.ndarray) -> bool:
    """Return whether `new` is within two standard errors of `best`, paired by query.

    The standard-error rule of Breiman et al. (1984), towards more training: a few dozen
    validation queries cannot tell two late epochs apart, and the best of many noisy figures is
    mostly luck.
    """
    difference = new - best
    error = difference.std(ddof=1) / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(difference.mean() >= -2 * error)


def check_collapse(outputs: dict[str, np.ndarray], n_label_sets: int | None = None) -> str | None:
    """Return what is wrong with the outputs of some items by view, and the likely cause, or None.

    Outputs are logits, (n, bits). A handful of items shows nothing, so fewer than 16 are not
    judged. `kinds` is how many different sets of labels the items have, if they are known: one code
    for each is the best that a network can learn, however few they are.
    """
    most = math.inf if n_label_sets is None else max(2, n_label_sets // 2)
    for view, logits in outputs.items():
        n, bits = logits.shape
        if n < 16:
            continue
        health = Codes.pack(logits > 0).health()
        if health.distinct <= min(max(2, n // 50), most):
            return (
                f"the {view} codes have collapsed: {health.distinct} different ones for {n} "
                "items; the margin is too large for the bits, the rate too high, or the decay "
                "shrinks the weights to nothing"
            )
        if health.dead_bits > bits // 4:
            return (
                f"{health.dead_bits} of {bits} {view} bits never change; use fewer bits, or "
                "raise the weight of the bit balance"
            )
        if np.median(np.abs(logits)) > 30:
            return (
                f"the {view} sigmoids are saturated (median logit {np.median(np.abs(logits)):.0f}),"
                " so nothing is learnt any more; lower the rate or scale the features"
            )
    return None
