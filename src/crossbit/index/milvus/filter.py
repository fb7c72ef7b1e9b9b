"""Filter expressions of Milvus, with every value quoted so that none can change the expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crossbit.errors import ConfigError
from crossbit.index.checks import check_filter

__all__ = ["beyond", "id_expressions", "where_expression"]

# Ids in one expression: Milvus parses 10,000 in a few milliseconds, and its messages are limited.
IDS_AT_ONCE = 10_000
BYTES_AT_ONCE = 1 << 20


def where_expression(where: Mapping[str, Any] | None) -> str:
    """Return the expression for `where` as `Index.search` defines it, "" for no condition.

    Raises
    ------
    ConfigError
        For a condition that means nothing, or a field name with control characters, which
        Milvus does not find.
    """
    conditions = []
    for names, value in check_filter(where or {}):
        if any(ord(sign) < 32 for name in names for sign in name):
            raise ConfigError(
                f"the filter {'.'.join(names)!r} names a field with control characters, which "
                "Milvus cannot filter by; rename the field"
            )
        field = "payload" + "".join(f"[{_text(name)}]" for name in names)
        conditions.append(f"{field} == {_value(value)}")
    return " and ".join(conditions)


def id_expressions(ids: np.ndarray) -> Iterator[tuple[slice, str]]:
    """Yield (part of `ids`, the expression that holds for these) with limited length each."""
    start, used = 0, 0
    parts: list[str] = []
    for place, key in enumerate(ids.tolist()):
        part = _text(key) if isinstance(key, str) else str(key)
        if parts and (len(parts) == IDS_AT_ONCE or used + len(part) > BYTES_AT_ONCE):
            yield slice(start, place), f"id in [{','.join(parts)}]"
            start, used, parts = place, 0, []
        parts.append(part)
        used += len(part)
    if parts:
        yield slice(start, len(ids)), f"id in [{','.join(parts)}]"


def beyond(key: int | str) -> str:
    """Return the expression that holds for all ids after `key`."""
    return f"id > {_text(key) if isinstance(key, str) else key}"


def _value(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if value == -(2**63):  # Milvus reads the digits before the sign
        return f"{value + 1} - 1"
    return repr(value)


def _text(text: str) -> str:
    """Return a string literal: quotes, backslashes and control characters escaped."""
    quoted = []
    for sign in text:
        if sign in '"\\':
            quoted.append("\\" + sign)
        elif ord(sign) < 32 or ord(sign) == 127:
            quoted.append(f"\\x{ord(sign):02x}")
        else:
            quoted.append(sign)
    return '"' + "".join(quoted) + '"'
