"""Packed ids and their lookup, against plain NumPy and a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbit.index.embedded.ids import column_of, join_ids, pack_ids, slice_ids
from crossbit.index.embedded.lookup import Lookup

# NumPy drops NUL at the end of a string, so an id never ends in one.
TEXT = st.text(st.characters(), max_size=6).filter(lambda text: not text.endswith("\0"))
NUMBER = st.integers(-(2**63), 2**63 - 1)
BATCHES = st.one_of(
    st.lists(st.lists(TEXT, min_size=1, max_size=8), max_size=5),
    st.lists(st.lists(NUMBER, min_size=1, max_size=8), max_size=5),
)


def kind_of(batches: list) -> str:
    return "str" if batches and isinstance(batches[0][0], str) else "int64"


@given(BATCHES)
def test_ids_come_back_as_they_were(batches):
    kind = kind_of(batches)
    column = column_of(kind)
    for batch in batches:
        column.append(pack_ids(np.array(batch)), skip=0)
    flat = [key for batch in batches for key in batch]
    assert len(column) == len(flat)
    order = np.random.default_rng(0).permutation(len(flat))
    if flat:
        assert column.take(order).tolist() == [flat[k] for k in order]
        keys = column.keys(0, len(flat))
        assert keys.tolist() == column.keys_of(np.array(flat)).tolist()


@given(BATCHES, st.data())
def test_joined_and_sliced_ids(batches, data):
    if not batches:
        return
    kind = kind_of(batches)
    joined = join_ids(kind, [pack_ids(np.array(batch)) for batch in batches])
    flat = [key for batch in batches for key in batch]
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(flat), max_size=len(flat))))
    column = column_of(kind)
    column.append(slice_ids(kind, joined, keep), skip=0)
    left = [key for key, kept in zip(flat, keep, strict=True) if kept]
    assert column.take(np.arange(len(left))).tolist() == left
    skip = data.draw(st.integers(0, len(flat)))
    late = column_of(kind)
    late.append(joined, skip=skip)
    assert late.take(np.arange(len(flat) - skip)).tolist() == flat[skip:]


@pytest.mark.parametrize("kind", ["int64", "str"])
def test_lookup_follows_adds_and_removals(kind):
    random = np.random.default_rng(1)
    column, alive = column_of(kind), np.empty(0, dtype=bool)
    lookup, model = Lookup(column), {}
    for _ in range(60):
        numbers = random.permutation(500)[: random.integers(1, 40)]
        batch = numbers if kind == "int64" else np.array([f"é{number}" for number in numbers])
        batch = batch[[key not in model for key in batch.tolist()]]
        if len(batch):
            model |= {key: len(column) + row for row, key in enumerate(batch.tolist())}
            column.append(pack_ids(batch), skip=0)
            alive = np.concatenate([alive, np.ones(len(batch), dtype=bool)])
            lookup.grow(alive)
        for key in list(model)[:: random.integers(2, 9)]:
            alive[model.pop(key)] = False
        asked = np.arange(500) if kind == "int64" else np.array([f"é{k}" for k in range(500)])
        found = lookup.find(asked, alive)
        assert found.tolist() == [model.get(key, -1) for key in asked.tolist()]
    assert len(lookup._runs) < 12


def test_hashes_of_like_strings_differ():
    ids = np.array([f"{a}/{b}.jpg" for a in range(300) for b in range(300)])
    assert len(np.unique(column_of("str").keys_of(ids))) == len(ids)
