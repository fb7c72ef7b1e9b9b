"""The files of the embedded index: one generation at a time, named and sealed by meta.json."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossbit.errors import DataError
from crossbit.files import replace_file, sha256, write_json

__all__ = ["META", "State", "check_new", "read", "write"]

FORMAT = 1
META = "meta.json"
KIND = "crossbit index"
FILES = ("codes-*.npy", "ids-*.npy", "payload-*.jsonl")
AGAIN = "restore it or encode the items again into a new folder"


@dataclass
class State:
    """What an index holds: (n, bits / 8) uint8 codes, (n,) ids, a line of JSON per item."""

    bits: int | None
    fingerprint: str | None
    packed: np.ndarray
    ids: np.ndarray
    lines: list[str]
    generation: int = 0

    @classmethod
    def empty(
        cls, bits: int | None = None, fingerprint: str | None = None, ids: str = "i"
    ) -> State:
        """Return a state without items, ready for ids of NumPy kind "i" or "U"."""
        packed = np.empty((0, (bits or 8) // 8), dtype=np.uint8)
        return cls(bits, fingerprint, packed, np.empty(0, dtype="U1" if ids == "U" else "i8"), [])


def check_new(path: Path) -> None:
    """Raise DataError unless an index can be made in `path`: a folder of other things is kept."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; an index needs a folder of its own")
    # An interrupted first flush may have left files of ours behind, or hidden temporary ones.
    if path.is_dir() and any(not _is_ours(found) for found in path.iterdir()):
        raise DataError(f"{path} holds other files; give an index an empty or new folder")


def read(path: Path) -> State:
    """Return the generation that meta.json names, every file checked against its SHA-256."""
    if not (path / META).is_file():
        raise DataError(
            f"there is no index in {path}: {META} is missing; `crossbit encode` makes one"
        )
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        if meta["kind"] != KIND or meta["format"] != FORMAT:
            raise DataError(
                f"{path} holds a {meta['kind']} of format {meta['format']!r}, this version reads "
                f"a {KIND} of format {FORMAT}; upgrade crossbit or encode the items again"
            )
        generation = int(meta["generation"])
        content = {
            part: _read_file(path, _names(generation)[part], str(meta["files"][part]))
            for part in ("codes", "ids", "payload")
        }
        state = State(
            bits=meta["bits"],
            fingerprint=meta["fingerprint"],
            packed=np.load(io.BytesIO(content["codes"]), allow_pickle=False),
            ids=np.load(io.BytesIO(content["ids"]), allow_pickle=False),
            # Not splitlines(): U+2028 and its like may stand inside a JSON string.
            lines=content["payload"].decode().split("\n")[:-1],
            generation=generation,
        )
        sizes = {len(state.packed), len(state.ids), len(state.lines), meta["count"]}
        width = (state.bits or 8) // 8
        if len(sizes) > 1 or state.packed.shape[1:] != (width,) or state.packed.dtype != np.uint8:
            raise DataError(f"the files of the index {path} do not fit together; {AGAIN}")
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, EOFError, OSError) as error:
        raise DataError(
            f"the index {path} cannot be read ({type(error).__name__}: {error}); {AGAIN}"
        ) from error
    return state


def write(path: Path, state: State) -> None:
    """Write the next generation, meta.json last, then delete the files of older ones.

    Raises
    ------
    DataError
        If another program has written to the index since it was read.
    """
    path.mkdir(parents=True, exist_ok=True)
    if _generation(path) != state.generation:
        raise DataError(
            f"another program has changed the index {path} meanwhile; open it again and repeat "
            "what you added"
        )
    following = state.generation + 1
    names = _names(following)
    content = {
        "codes": _npy(state.packed),
        "ids": _npy(state.ids),
        "payload": "".join(f"{line}\n" for line in state.lines).encode(),
    }
    for part, data in content.items():
        with replace_file(path / names[part]) as stream:
            stream.write(data)
    meta = {
        "kind": KIND,
        "format": FORMAT,
        "generation": following,
        "count": len(state.ids),
        "bits": state.bits,
        "fingerprint": state.fingerprint,
        "files": {part: sha256(data) for part, data in content.items()},
    }
    write_json(path / META, meta)
    state.generation = following
    for pattern in FILES:
        for old in path.glob(pattern):
            if old.name not in names.values():
                old.unlink()


def _names(generation: int) -> dict[str, str]:
    return {
        "codes": f"codes-{generation:06d}.npy",
        "ids": f"ids-{generation:06d}.npy",
        "payload": f"payload-{generation:06d}.jsonl",
    }


def _read_file(path: Path, name: str, checksum: str) -> bytes:
    try:
        data = (path / name).read_bytes()
    except FileNotFoundError:
        raise DataError(f"the index {path} lacks {name}; {AGAIN}") from None
    if sha256(data) != checksum:
        raise DataError(
            f"{path / name} does not match its checksum: it was truncated or edited; {AGAIN}"
        )
    return data


def _generation(path: Path) -> int:
    """Return the generation on disk now; 0 if there is none, -1 if it cannot be told."""
    try:
        return int(json.loads((path / META).read_text(encoding="utf-8"))["generation"])
    except FileNotFoundError:
        return 0
    except (KeyError, TypeError, ValueError):
        return -1


def _is_ours(path: Path) -> bool:
    return path.name.startswith(".") or any(path.match(pattern) for pattern in FILES)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
