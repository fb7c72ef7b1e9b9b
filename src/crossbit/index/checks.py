"""Checks that every engine makes: ids, payload, model, filters, number of threads."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError

__all__ = [
    "check_filter",
    "check_kind",
    "check_model",
    "check_unique",
    "id_kind",
    "is_whole",
    "payload_lines",
    "unknown_id",
    "usable_ids",
]

DEPTH = 500  # levels of nesting; SQLite reads JSON of up to 1,000
KIND_NAMES = {"int64": "whole-number", "str": "string"}


def usable_ids(ids: Sequence[Any] | np.ndarray | None) -> np.ndarray:
    """Return (n,) int64 or str ids; DataError for anything else."""
    keys = np.asarray([] if ids is None else ids)
    if keys.size == 0 and keys.dtype.kind not in "U":
        return np.empty(0, dtype=np.int64)
    if keys.ndim != 1:
        raise DataError(f"ids must be a flat list, got an array of shape {keys.shape}")
    if keys.dtype.kind in "OT" and all(isinstance(key, str) for key in keys):
        return np.array(keys.tolist(), dtype=np.str_)  # from pandas, or of NumPy's own string type
    if keys.dtype.kind in "iu":
        if keys.dtype.kind == "u" and keys.max() > np.iinfo(np.int64).max:
            raise DataError(f"id {int(keys.max())} is larger than 2^63 - 1; use a string instead")
        return keys.astype(np.int64)
    # NumPy turns [1, "a"] into strings.
    mixed = not isinstance(ids, np.ndarray) and not all(isinstance(key, str) for key in ids or ())
    if keys.dtype.kind != "U" or mixed:
        raise DataError(f"ids must be whole numbers or strings, got {_kinds(ids, keys)}")
    return keys


def id_kind(ids: np.ndarray) -> str:
    """Return "int64" or "str"."""
    return "str" if ids.dtype.kind == "U" else "int64"


def check_kind(kind: str | None, ids: np.ndarray) -> None:
    """Raise DataError if the index has ids of `kind` and `ids` are of the other one."""
    new = id_kind(ids)
    if kind is not None and len(ids) and new != kind:
        raise DataError(
            f"this index has {KIND_NAMES[kind]} ids, the new items have {KIND_NAMES[new]} ids; "
            "use one kind"
        )


def check_unique(ids: np.ndarray) -> None:
    """Raise DataError if an id is given twice, naming the first that is; O(n log n)."""
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(same):
        first = ids[order[same + 1].min()]
        raise DataError(f"id {first.item()!r} is given twice; give every item an id of its own")


def unknown_id(key: Any) -> DataError:
    """Return the error for an id that is not there."""
    return DataError(f"id {key!r} is not in the index")


def check_model(
    bits: int | None, stored: str | None, codes: Codes, fingerprint: str | None, verb: str
) -> None:
    """Raise DataError if `codes` are of another length or model than the index's."""
    if codes.bits != bits:
        raise DataError(
            f"this index holds {bits}-bit codes, the codes to {verb} have {codes.bits} "
            "bits; use the model that made the index"
        )
    if fingerprint is not None and fingerprint != stored:
        made = f"by model {stored[:12]}" if stored else "without a model"
        raise DataError(
            f"the codes to {verb} come from model {fingerprint[:12]}, but this index was made "
            f"{made}: their distances mean nothing; encode the items again into a new index"
        )


def payload_lines(payload: Sequence[dict[str, Any]] | None, n: int) -> list[str] | None:
    """Return one line of JSON per item, or None if no item has any payload."""
    if payload is None:
        return None
    items = list(payload)
    if len(items) != n:
        raise DataError(f"{n} items need {n} payloads, got {len(items)}")
    for row, item in enumerate(items):
        if not isinstance(item, dict):
            raise DataError(f"payload {row} must be a dict, got {type(item).__name__}")
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    try:
        lines = _encode_all(items, encode)
    except (TypeError, ValueError, RecursionError):
        for row, item in enumerate(items):
            try:
                encode(item)
            except (TypeError, ValueError, RecursionError) as error:
                raise DataError(f"payload {row} is not JSON ({error})") from None
        raise
    for row, line in enumerate(lines):
        if len(line) > DEPTH and line.count("[") + line.count("{") > DEPTH:
            _check_depth(items[row], row)
    try:
        "".join(lines).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"a payload holds text that is not valid Unicode ({error.reason})"
        ) from None
    return lines if any(items) else None


def check_filter(where: Mapping[str, Any]) -> list[tuple[list[str], str | int | float | bool]]:
    """Return (names from the outside in, value) for every condition, or raise ConfigError."""
    conditions = []
    for name, value in where.items():
        if not isinstance(name, str) or not all(name.split(".")):
            raise ConfigError(
                f"a filter names a payload field such as 'label' or 'a.b', got {name!r}"
            )
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, (str, int, float)):
            raise ConfigError(
                f"the filter {name!r} compares with a string, a number or a boolean, "
                f"got {type(value).__name__}"
            )
        if (isinstance(value, float) and not math.isfinite(value)) or (
            isinstance(value, int) and not -(2**63) <= value < 2**63
        ):
            raise ConfigError(f"the filter {name!r} compares with {value}, which is out of range")
        conditions.append((name.split("."), value))
    return conditions


def is_whole(value: Any, least: int) -> bool:
    """Say whether `value` is a whole number from `least` up."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= least)


def _encode_all(items: list[dict[str, Any]], encode: Callable[[Any], str]) -> list[str]:
    """Encode in one go, which takes a third of the time, and cut at a random word in between."""
    if not items:
        return []
    word = os.urandom(16).hex()
    mixed: list[Any] = [word] * (2 * len(items) - 1)
    mixed[::2] = items
    return encode(mixed)[1:-1].split(f',"{word}",')


def _check_depth(item: Any, row: int) -> None:
    """Raise DataError for what is nested deeper than databases read."""
    level, depth = [item], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise DataError(f"payload {row} is nested deeper than {DEPTH} levels; make it flatter")
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, (list, tuple)):
                inner += value
        level = inner


def _kinds(ids: Any, keys: np.ndarray) -> str:
    if keys.dtype.kind not in "UO":
        return str(keys.dtype)
    return " and ".join(sorted({type(key).__name__ for key in ids}))
