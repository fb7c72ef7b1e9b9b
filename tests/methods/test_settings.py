"""Settings: text and TOML become the fields' types, mistakes one clear sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from crossbit import methods
from crossbit.errors import ConfigError
from crossbit.methods.settings import coerce, describe, hyper


@dataclass
class Toy:
    count: int = hyper(3, "how many, in items", "a paper")
    share: float = hyper(0.5, "part of the whole")
    fast: bool = hyper(False, "hurry")
    kind: Literal["round", "square"] = hyper("round", "shape")
    limit: float | None = hyper(None, "none for no limit")
    title: str = hyper("toy", "shown above")


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("count", "8", 8),
        ("count", 8.0, 8),
        ("count", "1e3", 1000),
        ("share", "0.25", 0.25),
        ("share", 2, 2.0),
        ("share", "1e-4", 1e-4),
        ("fast", "true", True),
        ("fast", "No", False),
        ("fast", True, True),
        ("fast", "0", False),
        ("kind", "square", "square"),
        ("limit", "none", None),
        ("limit", None, None),
        ("limit", "3", 3.0),
        ("title", "7", "7"),
    ],
)
def test_values_get_the_type_of_their_field(name: str, given: Any, expected: Any) -> None:
    found = coerce(Toy, {name: given})[name]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("count", "many", r"Toy\.count must be a whole number, got 'many'"),
        ("count", 2.5, r"Toy\.count must be a whole number, got 2\.5"),
        ("count", True, r"Toy\.count must be a whole number, got True"),
        ("count", "inf", r"Toy\.count must be a whole number, got 'inf'"),
        ("count", None, r"Toy\.count must be a whole number, got None"),
        ("share", "half", r"Toy\.share must be a number, got 'half'"),
        ("share", "nan", r"Toy\.share must be a number, got 'nan'"),
        ("share", float("inf"), r"Toy\.share must be a number, got inf"),
        ("share", False, r"Toy\.share must be a number, got False"),
        ("fast", "perhaps", r"Toy\.fast must be true or false, got 'perhaps'"),
        ("fast", 2, r"Toy\.fast must be true or false, got 2"),
        ("kind", "sqare", r"Toy\.kind is 'sqare'; did you mean 'square'\?"),
        ("kind", 5, r"Toy\.kind is 5; choose from round, square"),
        ("limit", "wide", r"Toy\.limit must be a number, got 'wide'"),
        ("title", 7, r"Toy\.title must be str, got 7"),
        ("cuont", 1, r"Toy has no setting 'cuont'; did you mean 'count'\?"),
    ],
)
def test_mistakes_are_told(name: str, given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        coerce(Toy, {name: given})


def test_nothing_else_is_set() -> None:
    assert coerce(Toy, {}) == {}


def test_describe_tells_all_there_is_to_know() -> None:
    rows = {row["name"]: row for row in describe(Toy)}
    assert list(rows) == ["count", "share", "fast", "kind", "limit", "title"]
    assert rows["count"] == {
        "name": "count",
        "type": "int",
        "default": 3,
        "help": "how many, in items",
        "source": "a paper",
    }
    assert rows["share"]["source"] == "project choice"
    assert [rows[n]["type"] for n in ("kind", "limit")] == ["round | square", "float | none"]


@pytest.mark.parametrize("name", methods.names())
def test_every_field_of_every_method_is_described(name: str) -> None:
    cls = methods.get(name)
    rows = describe(cls)
    assert {row["name"] for row in rows} == set(cls().settings)
    assert all(row["help"] and row["source"] for row in rows)


@pytest.mark.parametrize("name", methods.names())
def test_defaults_are_of_their_own_types(name: str) -> None:
    cls = methods.get(name)
    defaults = {row["name"]: row["default"] for row in describe(cls)}
    assert coerce(cls, defaults) == defaults
    written = {key: str(value) for key, value in defaults.items()}  # as --set would give them
    assert coerce(cls, written) == defaults


def test_an_unknown_setting_of_a_method_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="SCHGAN has no setting 'sample'; did you mean 'samples'"):
        coerce(methods.get("schgan"), {"sample": 3})
