"""Extraction: raw items stream through encoders into a folder of shards, and can be resumed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from crossbit.corpus import Encoder
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.batches import EXAMPLES, Made, Passage, View, look_at
from crossbit.features.items import Item, Source, Survey, look_through, path_of
from crossbit.features.shards import ShardFolder

__all__ = ["Outcome", "extract"]

SHARD = 1 << 29  # bytes of one view's shard, at most, where rows_per_shard is not given
ROWS = 10_000


@dataclass(frozen=True)
class Outcome:
    """What a run of `extract` did.

    Attributes
    ----------
    finished : bool
        Whether all shards are there now.
    counts : mapping of str to int
        Of the whole folder: items, rows, bad pictures, and items left_out for lack of any view.
    done, pictures : int
        Items that this run went through, and pictures that it read.
    seconds : float
        That this run took.
    """

    finished: bool
    counts: Mapping[str, int]
    done: int
    pictures: int
    seconds: float


def extract(
    source: Source,
    encoders: Mapping[str, Encoder],
    folder: str | Path,
    *,
    rows_per_shard: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    bad: Literal["stop", "skip"] = "stop",
    batch: int = 32,
    threads: int = 1,
    report: Callable[[int, int, float], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Write the features of all items into `folder`, going on at the first shard it lacks.

    Memory is that of one shard; time is that of the encoders, with pictures decoded in `threads`
    ahead of them. Row k of every view's shard is the same item. An item whose picture is bad
    keeps its other views; one without any view is left out.

    Parameters
    ----------
    source : Source
    encoders : mapping of "image" or "text" to Encoder
        An encoder of images has `prepare`, for one item, and `features`, for a batch of prepared
        ones.
    folder : path
        New, or begun by the same call: see `ShardFolder`.
    rows_per_shard : int, optional
        10,000 if not given, or as many as fill 512 MB.
    dtype : "float32" or "float16"
        Of the stored numbers, where they are not sparse.
    bad : "stop" or "skip"
        What a picture that cannot be read does: raise, or be listed in bad.csv and be missing.
    batch : int
        Items that pass at a time.
    threads : int
        For decoding pictures.
    report : callable, optional
        Told after every batch: items that are done, items in all, items per second.
    stop : Event, optional
        Once set, no further batch is begun; the shard at hand is lost.

    Raises
    ------
    ConfigError
        If the folder belongs to something else, or options are out of range.
    DataError
        For items that cannot be read, repeated ids, or a view that no item has.
    """
    _check(encoders, rows_per_shard, dtype, bad, batch, threads)
    views = {view: look_at(encoder, view) for view, encoder in encoders.items()}
    rows = rows_per_shard or _fitting(views, dtype)
    survey = look_through(source, encoders)
    shards = ShardFolder(folder)
    shards.begin(
        {
            "source": source.about(),
            "views": {
                view: {"encoder": encoder.to_json(), "shape": shape, "sparse": is_sparse}
                for view, (encoder, shape, is_sparse) in views.items()
            },
            "dtype": dtype,
            "bad": bad,
            "rows_per_shard": rows,
            "items": survey.items,
            "ids": survey.ids,
            "labels": survey.labels,
        }
    )
    total = -(-survey.items // rows)
    first = next((k for k in range(total) if not shards.has(k)), total)
    start, began, pictures = first * rows, time.monotonic(), 0

    def tell(at: int) -> None:
        if report:
            report(at, survey.items, (at - start) / max(time.monotonic() - began, 1e-9))

    items = islice(iter(source), start, None)
    with ThreadPoolExecutor(threads) as pool:
        halt = stop or threading.Event()
        passage = Passage(views, np.dtype(dtype), bad, batch, pool, halt)
        for number in range(first, total):
            at = number * rows
            part = list(islice(items, rows))
            if len(part) != min(rows, survey.items - at):
                raise DataError("the items changed while they were read; begin again")
            made = passage.shard(part, lambda done, at=at: tell(at + done))  # type: ignore[misc]
            if made is None:
                return Outcome(False, {}, at - start, pictures, time.monotonic() - began)
            shards.write(number, made.views, _columns(part, made, survey), made.bad)
            pictures += made.pictures
    counts = {
        "items": survey.items,
        "rows": sum(shards.rows(total)),
        "bad": len(shards.bad()),
        "shards": total,
    }
    if not counts["rows"]:
        raise DataError("none of the items could be read; bad.csv in the folder says why")
    counts["left_out"] = counts["items"] - counts["rows"]
    shards.finish(counts)
    done = max(0, survey.items - start)
    return Outcome(True, counts, done, pictures, time.monotonic() - began)


def _fitting(views: Mapping[str, View], dtype: str) -> int:
    """Return how many rows a shard has by itself."""
    widest = max((math.prod(view.shape) for view in views.values() if not view.sparse), default=1)
    return max(1, min(ROWS, SHARD // (widest * np.dtype(dtype).itemsize)))


def _columns(part: list[Item], made: Made, survey: Survey) -> dict[str, Any]:
    items = [part[k] for k in made.kept]
    ids = [item.id for item in items]
    return {
        "id": np.array(ids, dtype=np.int64 if survey.ids == "int64" else np.str_),
        "caption": [item.text for item in items],
        "path": [path_of(item) for item in items],
        "labels": [None if item.labels is None else list(item.labels) for item in items],
        **{f"has_{view}": mask[made.kept] for view, mask in made.has.items()},
    }


def _check(
    encoders: Mapping[str, Any],
    rows_per_shard: int | None,
    dtype: str,
    bad: str,
    batch: int,
    threads: int,
) -> None:
    if not encoders:
        raise ConfigError("nothing to extract; give an encoder for the image or the text")
    for view, encoder in encoders.items():
        if view not in EXAMPLES:
            raise ConfigError(f"there is no raw view {view!r}{suggest(view, EXAMPLES)}")
        if view == "image" and not hasattr(encoder, "prepare"):
            raise ConfigError(f"a {encoder.kind} encoder takes no images")
    for name, value, choices in (
        ("dtype", dtype, ("float32", "float16")),
        ("bad", bad, ("stop", "skip")),
    ):
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}{suggest(str(value), choices)}")
    for name, number in (("rows", rows_per_shard or 1), ("batch", batch), ("threads", threads)):
        if number < 1:
            raise ConfigError(f"{name} must be 1 or more, got {number}")
