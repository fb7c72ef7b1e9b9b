"""Hyper-parameters: documented dataclass fields, one source for Python, --set and TOML."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import field
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from crossbit.errors import ConfigError, suggest

__all__ = ["coerce", "describe", "hyper", "method"]

T = TypeVar("T")
M = TypeVar("M")


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
def method(cls: type[M]) -> type[M]:
    """Make a class of hyper-parameters: keywords of its constructor, in the order of its fields.

    A dataclass that is equal to itself alone: two methods with equal settings may have learnt
    different weights.
    """
    return dataclasses.dataclass(eq=False, repr=False, kw_only=True)(cls)


def hyper(default: T, help: str, source: str = "project choice") -> T:
    """Declare a hyper-parameter: default, what it does (with units), where the value is from."""
    return field(default=default, metadata={"help": help, "source": source})


def coerce(cls: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` as keywords for the dataclass `cls`, text turned into the fields' types.

    Raises
    ------
    ConfigError
        For an unknown name (with the nearest known one) or a value of the wrong kind.
    """
    hints = get_type_hints(cls)
    known = [item.name for item in dataclasses.fields(cls) if item.init]
    values = {}
    for name, value in settings.items():
        if name not in known:
            raise ConfigError(f"{cls.__name__} has no setting {name!r}{suggest(name, known)}")
        values[name] = _as(value, hints[name], f"{cls.__name__}.{name}")
    return values


def describe(cls: type) -> list[dict[str, Any]]:
    """Return name, type, default, help and source of every hyper-parameter of `cls`."""
    hints = get_type_hints(cls)
    return [
        {
            "name": item.name,
            "type": _spell(hints[item.name]),
            "default": item.default,
            "help": item.metadata["help"],
            "source": item.metadata["source"],
        }
        for item in dataclasses.fields(cls)
        if "help" in item.metadata
    ]


def _as(value: Any, kind: Any, where: str) -> Any:
    """Turn a TOML value or a --set text into `kind`; strict, so that typos do not train."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        kind = next(option for option in get_args(kind) if option is not type(None))
        return _as(value, kind, where)
    if origin is Literal:
        if value not in get_args(kind):
            hint = suggest(str(value), map(str, get_args(kind)))
            raise ConfigError(f"{where} is {value!r}{hint}")
        return value
    if kind is bool:
        table = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(value).lower() not in table:
            raise ConfigError(f"{where} must be true or false, got {value!r}")
        return table[str(value).lower()]
    try:
        if kind is int:
            if isinstance(value, bool) or float(value) != int(float(value)):
                raise ValueError
            return int(float(value)) if not isinstance(value, int) else value
        if kind is float:
            if isinstance(value, bool) or not math.isfinite(float(value)):
                raise ValueError
            return float(value)
    except (TypeError, ValueError, OverflowError):
        noun = "whole number" if kind is int else "number"
        raise ConfigError(f"{where} must be a {noun}, got {value!r}") from None
    if kind is str and isinstance(value, str):
        return value
    raise ConfigError(f"{where} must be {_spell(kind)}, got {value!r}")


def _spell(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return " | ".join(map(str, get_args(kind)))
    if origin in (Union, types.UnionType):
        return " | ".join("none" if k is type(None) else _spell(k) for k in get_args(kind))
    return getattr(kind, "__name__", str(kind))
