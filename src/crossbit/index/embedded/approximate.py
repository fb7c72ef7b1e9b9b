"""The approximate mode of the embedded index: a faiss structure over its codes, in one file."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossbit import hamming
from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError, MissingDependencyError, suggest
from crossbit.files import canonical_json, replace_file
from crossbit.index.checks import is_whole
from crossbit.index.embedded.diskerrors import disk_errors
from crossbit.index.embedded.snapshot import Snapshot

__all__ = ["FILE", "KINDS", "build", "info", "search"]

FILE = "approximate.bin"
MAGIC = b"cbapprox"
HEAD = struct.Struct("<8sII")  # magic, length of the JSON description, its crc32
SAMPLE = 200  # stored codes that recall is measured on
TRAIN = 64  # training codes per cell, at most
AGAIN = "call build_approximate to make it again"

# Settings of each kind with their defaults; None depends on the number of items.
KINDS: dict[str, dict[str, int | None]] = {
    "ivf": {"cells": None, "probes": None},
    "hnsw": {"links": 16, "build": 40, "search": 64},
}


def build(snapshot: Snapshot, folder: Path, kind: str, settings: Mapping[str, Any]) -> float:
    """Build over the live items, measure recall at 10, write the file; return the recall."""
    chosen = _settings(kind, settings, snapshot.live)
    faiss = _faiss()
    if not snapshot.live:
        raise DataError("an index without items has nothing to search; add items first")
    live = np.flatnonzero(snapshot.alive())
    codes = np.ascontiguousarray(snapshot.codes()[live])
    structure = _built(faiss, kind, chosen, codes)
    recall = _recall(structure, codes)
    body = faiss.serialize_index_binary(structure).tobytes()
    record = snapshot.record
    about = {
        "index": record.identity.hex(),
        "version": record.version,
        "kind": kind,
        "settings": chosen,
        "recall": recall,
        "bytes": len(body),
        "checksum": zlib.crc32(body),
    }
    text = canonical_json(about).encode()
    with disk_errors(folder / FILE, "written"), replace_file(folder / FILE) as stream:
        stream.write(HEAD.pack(MAGIC, len(text), zlib.crc32(text)) + text + body)
    snapshot.approximate = (structure, live)
    return recall


def search(
    snapshot: Snapshot, queries: Codes, k: int, threads: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return positions and distances of about the k nearest live items of every query.

    Raises
    ------
    DataError
        If there is no structure, or it is damaged or of another version of the index.
    """
    faiss = _faiss()
    if snapshot.approximate is None:
        snapshot.approximate = _load(snapshot, faiss)
    structure, live = snapshot.approximate
    with _threads(faiss, threads):
        distances, rows = structure.search(queries.packed, min(k, len(live)))
    positions, nearest = [], []
    for row, far in zip(rows, distances, strict=True):
        filled = row >= 0
        places, near = live[row[filled]], far[filled]
        order = np.lexsort((places, near))
        positions.append(places[order])
        nearest.append(near[order])
    return positions, nearest


def info(snapshot: Snapshot) -> dict[str, Any] | None:
    """Return kind, settings, recall and whether it is up to date; None if there is none.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    try:
        about, _ = _read(snapshot.folder / FILE)
    except FileNotFoundError:
        return None
    current = (about["index"], about["version"]) == (
        snapshot.record.identity.hex(),
        snapshot.record.version,
    )
    return {name: about[name] for name in ("kind", "settings", "recall")} | {"current": current}


def _load(snapshot: Snapshot, faiss: Any) -> tuple[Any, np.ndarray]:
    try:
        about, body = _read(snapshot.folder / FILE)
    except FileNotFoundError:
        raise DataError(
            f"the index {snapshot.folder} has no structure for approximate search; "
            "call build_approximate first, or search exactly"
        ) from None
    if (about["index"], about["version"]) != (
        snapshot.record.identity.hex(),
        snapshot.record.version,
    ):
        raise DataError(
            f"the structure for approximate search in {snapshot.folder} is of version "
            f"{about['version']} of the index, which is at {snapshot.record.version}; {AGAIN}, or "
            "search exactly"
        )
    structure = faiss.deserialize_index_binary(np.frombuffer(body, dtype=np.uint8))
    _tune(faiss, about["kind"], about["settings"], structure)
    return structure, np.flatnonzero(snapshot.alive())


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return description and body of a file whose checksums are right."""
    data = path.read_bytes()
    try:
        magic, length, checksum = HEAD.unpack_from(data)
        text = data[HEAD.size : HEAD.size + length]
        if magic == MAGIC and zlib.crc32(text) == checksum:
            about = json.loads(text)
            body = data[HEAD.size + length :]
            if len(body) == about["bytes"] and zlib.crc32(body) == about["checksum"]:
                return about, body
    except struct.error:
        pass  # shorter than a header: damaged like any other
    raise DataError(f"{path} does not match its checksum: it is damaged; {AGAIN}")


def _settings(kind: str, values: Mapping[str, Any], n: int) -> dict[str, int]:
    if kind not in KINDS:
        raise ConfigError(f"there is no approximate search of kind {kind!r}{suggest(kind, KINDS)}")
    defaults = dict(KINDS[kind])
    if kind == "ivf":
        defaults["cells"] = max(1, min(int(4 * n**0.5), n // 8))
    for name, value in values.items():
        if name not in defaults:
            raise ConfigError(f"{kind} has no setting {name!r}{suggest(name, defaults)}")
        if not is_whole(value, 1):
            raise ConfigError(f"{name} must be a whole number from 1 up, got {value!r}")
        defaults[name] = int(value)
    if kind == "ivf":
        cells = min(defaults["cells"] or 1, max(n, 1))
        defaults |= {"cells": cells, "probes": min(defaults["probes"] or -(-cells // 16), cells)}
    return {name: value or 1 for name, value in defaults.items()}


def _built(faiss: Any, kind: str, settings: dict[str, int], codes: np.ndarray) -> Any:
    bits = codes.shape[1] * 8
    if kind == "hnsw":
        structure = faiss.IndexBinaryHNSW(bits, settings["links"])
        structure.hnsw.efConstruction = settings["build"]
    else:
        centres = faiss.IndexBinaryFlat(bits)
        structure = faiss.IndexBinaryIVF(centres, bits, settings["cells"])
        structure.own_fields = True
        centres.this.disown()
        structure.cp.min_points_per_centroid = 1  # no warnings on the terminal
        few = settings["cells"] * TRAIN
        random = np.random.default_rng(0)
        rows = np.sort(random.permutation(len(codes))[:few])
        structure.train(np.ascontiguousarray(codes[rows]))
    structure.add(codes)
    _tune(faiss, kind, settings, structure)
    return structure


def _tune(faiss: Any, kind: str, settings: dict[str, int], structure: Any) -> None:
    if kind == "hnsw":
        faiss.downcast_IndexBinary(structure).hnsw.efSearch = settings["search"]
    else:
        faiss.downcast_IndexBinary(structure).nprobe = settings["probes"]


def _recall(structure: Any, codes: np.ndarray) -> float:
    """Return the share of the 10 found that are as near as the tenth nearest."""
    random = np.random.default_rng(0)
    queries = np.ascontiguousarray(codes[random.permutation(len(codes))[:SAMPLE]])
    k = min(10, len(codes))
    exact, _ = hamming.topk(queries, codes, k)
    distances, rows = structure.search(queries, k)
    good = (rows >= 0) & (distances <= exact[:, -1:])
    return round(float(good.mean()), 4)


@contextmanager
def _threads(faiss: Any, threads: int) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingDependencyError(
            "approximate search needs faiss; install it with pip install 'crossbit[approximate]'"
        ) from None
    return faiss
