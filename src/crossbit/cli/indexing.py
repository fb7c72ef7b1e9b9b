"""Code the items of a corpus through one view into an index, with what a reader wants to see."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher

__all__ = ["build_index"]

BATCH = 4096  # rows coded at a time


def build_index(hasher: Hasher, corpus: Corpus, view: str, folder: Path, *, raw: bool) -> int:
    """Write the codes of `corpus` seen through `view` as an index in `folder`; return how many.

    An index that was there is replaced at the very end.

    Parameters
    ----------
    raw : bool
        Use the model's own preprocessing on the raw items where both exist: for another corpus
        than the model's, whose vocabulary may differ.

    Raises
    ------
    DataError
        For a view that the model or the corpus lacks, or features of another width.
    """
    from crossbit.index import open_index

    encoded_raw = raw and view in hasher.encoders and view in corpus.raw
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        made.chmod(0o755)
        with open_index(made, "w") as index:
            for start in range(0, len(corpus), BATCH):
                part = corpus.take(slice(start, start + BATCH))
                ids = part.item_ids
                if encoded_raw:
                    items = [part.raw_item(view, k) for k in range(len(part))]
                    codes = hasher.encode_raw(items, view, ids)
                else:
                    codes = hasher.encode(part[view], view, ids)
                index.add(codes, _payload(part), fingerprint=hasher.fingerprint)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return len(corpus)


def _payload(corpus: Corpus) -> list[dict[str, Any]]:
    """Return caption, picture path and label names of every item, as far as there are any."""
    payload: list[dict[str, Any]] = [{} for _ in range(len(corpus))]
    assert corpus.rows is not None
    rows = corpus.rows.tolist()
    for items in corpus.raw.values():
        source = getattr(items, "source", None)  # a picture is named by its file, not decoded
        for entry, row in zip(payload, rows, strict=True):
            item = source(row) if source else items[row]
            if isinstance(item, str):
                entry.setdefault("caption", item)
            elif isinstance(item, Path):
                entry.setdefault("path", str(item))
    if corpus.labels is not None and corpus.label_names:
        labels = corpus.label_matrix
        for k, entry in enumerate(payload):
            columns = labels.indices[labels.indptr[k] : labels.indptr[k + 1]]
            entry["labels"] = [corpus.label_names[column] for column in columns.tolist()]
    return payload
