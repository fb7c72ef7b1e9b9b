"""Code files: a folder that `encode` writes, or an array of packed codes with its ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.files import check_format, read_array, sha256, write_array, write_json
from crossbit.indexing.ids import read_ids

__all__ = ["CODES", "FACTS", "IDS", "read_codes", "write_codes"]

FORMAT = 1
KEYS = frozenset({"bits", "fingerprint", "items", "sha256"})
CODES, IDS, FACTS = "codes.npy", "ids.npy", "codes.json"


def write_codes(folder: Path, codes: Codes, facts: dict[str, Any]) -> None:
    """Write codes.npy (n, ceil(bits / 8)) uint8, ids.npy (n,) and codes.json into a folder."""
    assert codes.ids is not None
    write_array(folder / CODES, codes.packed)
    write_array(folder / IDS, codes.ids)
    # Last, with the hash of both: a pair of files from two runs does not pass for one.
    value = {"format": FORMAT, "bits": codes.bits, "items": len(codes), **facts}
    write_json(folder / FACTS, value | {"sha256": sha256(codes.packed, codes.ids)})


def read_codes(path: Path, ids: Path | None = None) -> tuple[Codes, str | None]:
    """Return codes and their model's fingerprint, None for a plain array.

    Parameters
    ----------
    path : Path
        A folder of `write_codes`, or a .npy file of packed codes, (n, bits / 8) uint8.
    ids : Path, optional
        For such a file: .npy, or text with one id per line; row numbers if not given.

    Raises
    ------
    DataError
        If a file is missing, damaged or does not fit the other one.
    """
    if not path.is_dir():
        packed = read_array(path)
        if packed.ndim != 2 or packed.dtype != np.uint8:
            raise DataError(
                f"{path} holds {packed.dtype} {packed.shape}, not packed codes; give (n, bits / 8) "
                "uint8 as numpy.packbits(bits, axis=1, bitorder='little') makes them"
            )
        return Codes(packed, packed.shape[1] * 8, None if ids is None else _ids(ids)), None
    if ids is not None:
        raise DataError(f"{path} has ids of its own; leave --ids out, or give {path / CODES}")
    facts = _facts(path / FACTS)
    codes = Codes(read_array(path / CODES), facts["bits"], read_array(path / IDS))
    assert codes.ids is not None
    if sha256(codes.packed, codes.ids) != facts["sha256"]:
        raise DataError(
            f"the codes and ids in {path} do not match {FACTS}: a file was truncated or edited; "
            "make them again with `crossbit encode --overwrite`"
        )
    return codes, facts["fingerprint"]


def _facts(file: Path) -> dict[str, Any]:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        version = facts["format"]
        if version == FORMAT and KEYS - facts.keys():
            raise KeyError(", ".join(sorted(KEYS - facts.keys())))
    except FileNotFoundError:
        raise DataError(
            f"{file.parent} holds no codes of `crossbit encode`; give that folder, or a .npy file"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged ({error}); run `crossbit encode` again") from None
    check_format(file, version, FORMAT, "run `crossbit encode` again")
    return dict(facts)


def _ids(file: Path) -> np.ndarray:
    if file.suffix == ".npy":
        return read_array(file)
    return np.array(read_ids(file), dtype=np.str_)
