"""Random sequences of everything an embedded index can do, against a dictionary."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.index import open_index
from crossbit.index.embedded import codefile, queries, writing

BITS = 16
KEYS = st.integers(0, 40)
CODE = st.binary(min_size=BITS // 8, max_size=BITS // 8)
VALUE = st.one_of(st.none(), st.integers(0, 3))
ITEMS = st.dictionaries(KEYS, st.tuples(CODE, VALUE), min_size=1, max_size=12)


class IndexMachine(RuleBasedStateMachine):
    """`model` holds {key: (code, value)} in the order of adding, as the index must."""

    @initialize(strings=st.booleans())
    def start(self, strings):
        self.folder = Path(tempfile.mkdtemp(prefix="crossbit-machine-"))
        self.name = (lambda key: f"k{key}") if strings else (lambda key: key)
        self.model: dict = {}
        self.index = open_index(self.folder / "index", "w")
        self.reader = open_index(self.folder / "index")

    def teardown(self):
        if hasattr(self, "index"):
            self.reader.close()
            self.index.close()
            with open_index(self.folder / "index") as index:
                assert index.verify() == []
            shutil.rmtree(self.folder)

    def _items(self, items):
        packed = np.frombuffer(b"".join(code for code, _ in items.values()), dtype=np.uint8)
        ids = np.array([self.name(key) for key in items])
        payload = [{} if value is None else {"v": value} for _, value in items.values()]
        return Codes(packed.reshape(len(items), -1), BITS, ids), payload

    @rule(items=ITEMS)
    def add(self, items):
        codes, payload = self._items(items)
        if items.keys() & self.model.keys():
            with pytest.raises(DataError, match="in the index already"):
                self.index.add(codes, payload)
        else:
            self.index.add(codes, payload)
            self.model |= items

    @rule(items=ITEMS)
    def upsert(self, items):
        self.index.upsert(*self._items(items))
        for key in items:
            self.model.pop(key, None)
        self.model |= items

    @rule(keys=st.lists(KEYS, max_size=10))
    def remove(self, keys):
        ids = [self.name(key) for key in keys]
        if set(keys) <= self.model.keys():
            self.index.remove(ids)
            for key in set(keys):
                del self.model[key]
        else:
            with pytest.raises(DataError, match="is not in the index"):
                self.index.remove(ids)

    @rule()
    def compact(self):
        self.index.compact()
        assert self.index.stat()["removed"] == 0

    @rule()
    def reopen(self):
        self.index.close()
        self.index = open_index(self.folder / "index", "w")

    @rule()
    def reopen_reader(self):
        self.reader.close()
        self.reader = open_index(self.folder / "index")

    @rule(keys=st.lists(KEYS, max_size=6), reading=st.booleans())
    def get(self, keys, reading):
        index = self.reader if reading else self.index
        known = [key for key in keys if key in self.model]
        if len(known) < len(keys):
            with pytest.raises(DataError, match="is not in the index"):
                index.get([self.name(key) for key in keys])
        if known:
            codes, payload = index.get([self.name(key) for key in known])
            want, values = self._items({k: self.model[known[k]] for k in range(len(known))})
            assert codes.packed.tolist() == want.packed.tolist()
            assert payload == values

    @rule(
        query=CODE,
        k=st.integers(1, 60),
        value=st.one_of(st.none(), st.integers(0, 3)),
        among=st.one_of(st.none(), st.lists(KEYS, max_size=20)),
        reading=st.booleans(),
    )
    def search(self, query, k, value, among, reading):
        index = self.reader if reading else self.index
        kept = {
            key: item
            for key, item in self.model.items()
            if (value is None or item[1] == value) and (among is None or key in among)
        }
        asked = Codes(np.frombuffer(query, dtype=np.uint8).reshape(1, -1), BITS)
        where = None if value is None else {"v": value}
        allowed = None if among is None else [self.name(key) for key in among]
        hit = index.search(asked, k, where=where, allowed=allowed)[0]
        ball = index.range_search(asked, 6, where=where, allowed=allowed)[0]
        if not kept:
            assert len(hit) == len(ball) == 0
            return
        codes, payload = self._items(kept)
        distances, positions = hamming.topk(asked, codes, k)
        assert hit.ids.tolist() == codes.ids[positions[0]].tolist()
        assert hit.distances.tolist() == distances[0].tolist()
        assert hit.payload == [payload[row] for row in positions[0]]
        near = hamming.within(asked, codes, 6)[1]
        assert ball.ids.tolist() == codes.ids[near].tolist()

    @invariant()
    def counts_agree(self):
        if hasattr(self, "index"):
            assert len(self.index) == len(self.reader) == len(self.model)


@pytest.mark.parametrize("small", [True, False])
def test_any_sequence_of_calls_agrees_with_a_dictionary(monkeypatch, small):
    if small:  # many segments and blocks, and removed items masked
        monkeypatch.setattr(writing, "ROWS", 5)
        monkeypatch.setattr(codefile, "BLOCK", 8)
        monkeypatch.setattr(queries, "FEW", 2)
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        IndexMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
