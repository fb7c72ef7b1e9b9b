"""Indexes: codes with ids and payload, kept somewhere, searched by Hamming distance."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from crossbit.errors import ConfigError, suggest
from crossbit.index.base import Hits, Index

__all__ = ["Hits", "Index", "open_index"]

# Scheme of the address: the class that opens it.
ENGINES = {
    "file": "crossbit.index.embedded.engine:EmbeddedIndex",
    "milvus": "crossbit.index.milvus.engine:MilvusIndex",
}


def open_index(address: str | Path, mode: str = "r") -> Index:
    """Open the index at `address`.

    Parameters
    ----------
    address : str or Path
        A folder (or ``file://`` and its path): the embedded index, exact and on disk.
    mode : "r" or "w"
        Read only, or open for writing and create it if it is not there.

    Raises
    ------
    ConfigError
        For an unknown kind of address or mode.
    DataError
        If there is nothing to read, or its files are damaged or of an unknown version.
    """
    scheme, separator, rest = str(address).partition("://")
    if not separator:
        scheme, rest = "file", str(address)
    if scheme not in ENGINES:
        raise ConfigError(f"no index engine opens {scheme}:// addresses{suggest(scheme, ENGINES)}")
    if mode not in ("r", "w"):
        raise ConfigError(f"the mode of an index is 'r' (read) or 'w' (write), got {mode!r}")
    module, _, name = ENGINES[scheme].partition(":")
    engine: type[Index] = getattr(import_module(module), name)
    return engine.open(rest, mode)
