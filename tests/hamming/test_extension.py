"""The C extension checks what it is handed: no call reads or writes past a buffer."""

from __future__ import annotations

import numpy as np
import pytest

_kernel = pytest.importorskip("crossbit.hamming._kernel")

NAME = "portable"
Q, N, WIDTH, K, LABELS = 2, 70, 8, 3, 3


def arrays():
    return {
        "queries": np.zeros((Q, WIDTH), dtype=np.uint8),
        "database": np.zeros((N, WIDTH), dtype=np.uint8),
        "distances": np.zeros((Q, K), dtype=np.int32),
        "positions": np.zeros((Q, K), dtype=np.int64),
        "allowed": np.zeros(2, dtype=np.uint64),
        "counts": np.zeros(Q, dtype=np.int64),
        "starts": np.array([0, 2, 3]),
        "ids": np.array([0, 2, 1]),
        "planes": np.zeros((LABELS, 2), dtype=np.uint64),
        "relevant": np.zeros((Q, WIDTH * 8 + 1), dtype=np.int64),
        "total": np.zeros((Q, WIDTH * 8 + 1), dtype=np.int64),
    }


def topk(a, name=NAME, width=WIDTH, k=K):
    results = a["distances"], a["positions"]
    return _kernel.topk(name, a["queries"], a["database"], width, k, a["allowed"], *results)


def within(a, name=NAME, width=WIDTH, radius=1):
    return _kernel.within(name, a["queries"], a["database"], width, radius, a["counts"])


def histogram(a, name=NAME, width=WIDTH, labels=LABELS):
    sides, results = (a["starts"], a["ids"], a["planes"]), (a["relevant"], a["total"])
    return _kernel.histogram(name, a["queries"], a["database"], width, *sides, labels, *results)


USES = {
    topk: ("queries", "database", "distances", "positions", "allowed"),
    within: ("queries", "database", "counts"),
    histogram: ("queries", "database", "starts", "ids", "planes", "relevant", "total"),
}


@pytest.mark.parametrize("call", USES)
def test_a_buffer_of_another_size_is_refused(call):
    call(arrays())
    for name in USES[call]:
        whole = arrays()[name].ravel()
        wrongs = [whole[:-1], np.append(whole, whole[:1])]
        if name != "database":  # none to search is no mistake
            wrongs.append(whole[:0])
        for wrong in wrongs:
            with pytest.raises(ValueError, match=r"fit|whole rows"):
                call(arrays() | {name: wrong})


@pytest.mark.parametrize("call", USES)
def test_results_that_are_read_only_are_refused(call):
    for name in {"distances", "positions", "counts", "relevant", "total"} & set(USES[call]):
        frozen = arrays()[name]
        frozen.flags.writeable = False
        with pytest.raises((BufferError, TypeError, ValueError)):
            call(arrays() | {name: frozen})


def test_numbers_beyond_the_codes_are_refused():
    for k in (0, -1, N + 1, 2**62):
        with pytest.raises(ValueError, match="fit"):
            topk(arrays(), k=k)
    for radius in (-1, WIDTH * 8 + 1):
        with pytest.raises(ValueError, match="fit"):
            within(arrays(), radius=radius)
    for labels in (0, -1, 2, 4, 2**62):
        with pytest.raises(ValueError, match="fit"):
            histogram(arrays(), labels=labels)
    wrongs = [{"ids": [0, 2, 3]}, {"ids": [0, -1, 1]}, {"starts": [0, 4, 3]}, {"starts": [1, 2, 3]}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="fit"):
            histogram(arrays() | {name: np.array(values) for name, values in wrong.items()})
    for call in USES:
        for width in (0, -1, 129):
            with pytest.raises(ValueError, match="1 to 128"):
                call(arrays(), width=width)
        with pytest.raises(ValueError, match="no kernel 'sse9'"):
            call(arrays(), name="sse9")
