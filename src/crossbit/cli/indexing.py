"""Code the items of a corpus through one view into an index, with what a reader wants to see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.errors import DataError

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher

__all__ = ["build_index", "character"]

BATCH = 4096  # rows coded at a time


def build_index(hasher: Hasher, corpus: Corpus, view: str, folder: Path, *, raw: bool) -> int:
    """Write the codes of `corpus` seen through `view` as an index in `folder`; return how many.

    Parameters
    ----------
    raw : bool
        Use the model's own preprocessing on the raw items: for another corpus than the one the
        model was trained on, whose vocabulary and scale may differ.
    """
    from crossbit.index import open_index

    if view not in corpus.views:
        raise DataError(f"{corpus.name} has no view {view!r}, only {', '.join(corpus.views)}")
    ids = corpus.item_ids
    with open_index(folder, "w") as index:
        index.remove(index_ids(index))
        for start in range(0, len(corpus), BATCH):
            rows = np.arange(start, min(start + BATCH, len(corpus)))
            part = corpus.take(rows)
            if raw and view in hasher.encoders and view in corpus.raw:
                items = [part.raw_item(view, k) for k in range(len(part))]
                codes = hasher.encode_raw(items, view, ids[rows])
            else:
                codes = hasher.encode(part[view], view, ids[rows])
            index.add(codes, _payload(part), fingerprint=hasher.fingerprint)
    return len(corpus)
