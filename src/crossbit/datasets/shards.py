"""Extracted features: a folder that `crossbit extract` wrote, as a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from crossbit import features
from crossbit.corpus import Corpus
from crossbit.datasets.concat_shards import joined
from crossbit.datasets.pictures import Pictures
from crossbit.errors import CrossbitError, DataError
from crossbit.features.shards import ShardFolder

__all__ = ["Column", "label_matrix", "load"]


def load(path: Path) -> Corpus:
    """Return the features in a folder as a corpus, with the encoders that made them.

    One float32 shard is memory-mapped as it is; several, or float16, are joined in a temporary
    file (see `joined`). Captions stay in their files until they are asked for, pictures too.

    Raises
    ------
    DataError
        If files are missing, damaged or of another version, or the extraction is not finished.
    """
    folder = ShardFolder(path)
    head = folder.head()
    if "finished" not in head:
        raise DataError(
            f"{path} is not finished; run the same `crossbit extract` again, which goes on where "
            "it was"
        )
    try:
        return _joined(path, folder, head)
    except CrossbitError:
        raise
    except Exception as error:  # pyarrow raises whatever damaged tables lead it to
        raise DataError(f"{path} is damaged ({error}); extract again") from error


def _joined(path: Path, folder: ShardFolder, head: dict[str, Any]) -> Corpus:
    count = head["finished"]["shards"]
    sizes = folder.rows(count)
    table = folder.metadata(count)
    views: dict[str, Any] = {}
    present: dict[str, np.ndarray] = {}
    for view, facts in head["views"].items():
        parts = folder.arrays(view, count, is_sparse=facts["sparse"])
        found = [part.shape[0] for part in parts]
        if found != sizes:
            first = next(k for k in range(count) if found[k] != sizes[k])
            raise DataError(
                f"{path}: {view} shard {first} has {found[first]:,} rows, its metadata "
                f"{sizes[first]:,}; extract again"
            )
        mask = table[f"has_{view}"].to_numpy()
        if not mask.all():
            present[view] = mask
        views[view] = (
            sparse.vstack(parts, format="csr")
            if facts["sparse"]
            else joined(parts, present.get(view))
        )
    raw: dict[str, Sequence[Any]] = {}
    if table["caption"].null_count < len(table):
        raw["text"] = Column(table["caption"], missing="")
    if table["path"].null_count < len(table):
        paths = Column(table["path"])
        raw["image"] = Pictures(len(table), lambda k: None if paths[k] is None else Path(paths[k]))
    labels, labelled = label_matrix(table["labels"], head["labels"])
    ids = table["id"].to_numpy()
    return Corpus(
        views=views,
        ids=ids if ids.dtype.kind == "i" else ids.astype(np.str_),
        labels=labels,
        labelled=labelled,
        name=path.resolve().name,
        label_names=head["labels"],
        encoders={
            view: features.from_json(facts["encoder"]) for view, facts in head["views"].items()
        },
        raw=raw,
        present=present,
    )


class Column(Sequence[Any]):
    """A column of a pyarrow table, whose values become Python objects when they are asked for."""

    def __init__(self, column: Any, missing: Any = None) -> None:
        self._column, self._missing = column, missing

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[k] for k in range(*position.indices(len(self)))]
        value = self._column[int(position)].as_py()
        return self._missing if value is None else value


def label_matrix(
    column: Any, names: Sequence[str]
) -> tuple[sparse.csr_matrix | None, np.ndarray | None]:
    """Return a column of lists of label names as (n, c) CSR, and which rows have a list at all."""
    if not names:
        return None, None
    import pyarrow.compute

    whole = column.combine_chunks()
    labelled = ~whole.is_null().to_numpy(zero_copy_only=False)
    counts = pyarrow.compute.fill_null(pyarrow.compute.list_value_length(whole), 0).to_numpy()
    found = pyarrow.compute.index_in(whole.flatten(), pyarrow.array(list(names)))
    if found.null_count:
        raise DataError("an item has a label that features.json does not name; extract again")
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = found.to_numpy()
    ones = np.ones(len(indices), dtype=bool)
    return sparse.csr_matrix((ones, indices, indptr), shape=(len(labelled), len(names))), labelled
