"""Many new items at once: files in a folder that the server reads, and imports by itself."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.errors import ConfigError, DataError
from crossbit.index.milvus.rows import WRITE, Rows
from crossbit.index.milvus.schema import LONG, show
from crossbit.index.milvus.server import PATIENCE, Address, talking

__all__ = ["AT_ONCE", "FEWEST", "bulk_insert", "check_folder"]

FEWEST = 200_000  # fewer items are there sooner by messages: an import takes seconds of its own
AT_ONCE = 500_000  # how many a writer of many had best gather for one import
# How pymilvus calls the states in which an import ends.
DONE, FAILED = "Completed", ("Failed", "Failed and cleaned")


def check_folder(address: Address) -> None:
    """Raise ConfigError if files cannot be put where the address says the server reads them."""
    folder = address.imports
    if folder is not None and not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        raise ConfigError(
            f"import={folder} in a Milvus address is no folder that can be written to here; name "
            "one that this machine writes and the server reads"
        )


def bulk_insert(client: Any, address: Address, rows: Rows) -> None:
    """Have the server import new rows, all or none, and wait until searches see them.

    Raises
    ------
    DataError
        If the files cannot be written, or the server cannot import them.
    """
    with _folder(address) as folder:
        try:
            files = _write(folder, rows)
        except OSError as error:
            raise DataError(
                f"cannot write into {address.imports}: {error.strerror}; make room there, or leave "
                "import= out of the address"
            ) from None
        # The server's name of the folder may be one of another system, or of an object storage.
        server_folder = f"{address.imports_as or address.imports}".rstrip("/") + f"/{folder.name}"
        _import(client, address, [f"{server_folder}/{name}" for name in files], len(rows))
    try:
        with talking(address, "load what it imported"):
            show(client, address)
    except DataError as error:
        raise DataError(
            f"{error}; the {len(rows)} items are imported, open the index again to see them"
        ) from None


@contextmanager
def _folder(address: Address) -> Iterator[Path]:
    try:
        directory = tempfile.TemporaryDirectory(prefix="crossbit-", dir=address.imports)
    except OSError as error:
        raise DataError(
            f"cannot make a folder in {address.imports}: {error.strerror}; correct import= in the "
            "address, or leave it out"
        ) from None
    with directory as name:
        os.chmod(name, 0o755)  # the server is another user
        yield Path(name)


def _write(folder: Path, rows: Rows) -> list[str]:
    """Write columns where all are of one width, rows of JSON else; return the names of the files.

    The server reads columns quicker, but one long text would make its column as wide for all.
    """
    if isinstance(rows[0]["id"], int) and not any(row["payload"] for row in rows):
        packed = np.frombuffer(b"".join(row["code"] for row in rows), dtype=np.uint8)
        np.save(folder / "id.npy", np.array([row["id"] for row in rows], dtype=np.int64))
        np.save(folder / "code.npy", packed.reshape(len(rows), -1))
        np.save(folder / "payload.npy", np.full(len(rows), "{}"))
        return ["id.npy", "code.npy", "payload.npy"]
    with (folder / "rows.json").open("w") as stream:
        for place, row in enumerate(rows):
            stream.write(",\n" if place else '{"rows": [\n')
            stream.write(json.dumps({**row, "code": list(row["code"])}))
        stream.write("\n]}\n")
    return ["rows.json"]


def _import(client: Any, address: Address, files: list[str], count: int) -> None:
    try:
        with talking(address, "import"):
            end = _end(client, address, files)
    except DataError as error:
        raise DataError(
            f"{error}; the server may still import the {count} items, all or none: look for one of "
            "them before you add them again"
        ) from None
    if end.state_name != DONE:
        raise DataError(
            f"the Milvus server at {address.server} failed to import, and nothing was added: "
            f"{' '.join(end.failed_reason.split())[:300]}; if it does not read {address.imports} "
            f"under the name {address.imports_as or address.imports}, correct import= and "
            "import_as= in the address"
        )
    if end.row_count != count:
        raise DataError(
            f"the server imported {end.row_count} of {count} items into {address}; remove them and "
            "add all again, without import= in the address"
        )


def _end(client: Any, address: Address, files: list[str]) -> Any:
    """Return the state in which the import ends."""
    # MilvusClient has no import, and pymilvus.utility, which has, is to be given up.
    server = client._get_connection()
    task = server.do_bulk_insert(address.collection, "", files, timeout=PATIENCE)
    seen, last = None, time.monotonic() + LONG
    while True:
        now = server.get_bulk_insert_state(task, timeout=WRITE)
        if now.state_name in (DONE, *FAILED):
            return now
        step = (now.state_name, now.row_count, now.infos.get("progress_percent"))
        if step != seen:
            seen, last = step, time.monotonic() + LONG
        if time.monotonic() > last:
            raise DataError(f"the import into {address} made no step for {LONG:.0f} s")
        time.sleep(0.1)
