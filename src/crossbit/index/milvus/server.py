"""The way to a Milvus server: its address, the connection, and its errors in one sentence."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from crossbit.errors import ConfigError, DataError, MissingDependencyError, suggest

__all__ = ["CONSISTENCY", "PATIENCE", "Address", "connect", "parse_address", "talking"]

# Seconds after which a server that does not answer a small question is not there.
PATIENCE = 5.0
TOKEN = "CROSSBIT_MILVUS_TOKEN"
CONSISTENCY = {
    "strong": "Strong",
    "bounded": "Bounded",
    "session": "Session",
    "eventually": "Eventually",
}
OPTIONS = ("shards", "index", "nlist", "consistency", "tls", "import", "import_as")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
MAX_NLIST = 65536


@dataclass(frozen=True)
class Address:
    """A collection on a server; the token stays out of `str` and `repr`."""

    host: str
    port: int
    collection: str
    shards: int | None = None
    index: str | None = None
    nlist: int | None = None
    consistency: str = "strong"
    tls: bool = False
    imports: str | None = None  # the folder for files to import, as this machine names it
    imports_as: str | None = None  # as the server names it, if that is another name
    token: str = field(default="", repr=False)

    @property
    def server(self) -> str:
        """Host and port, as errors name them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"milvus://{self.server}/{self.collection}"


def parse_address(location: str) -> Address:
    """Read ``[user:password@]host[:port]/collection[?option=value&...]``.

    Raises
    ------
    ConfigError
        For a part that is missing, an unknown option or a value that means nothing.
    """
    try:
        parts = urlsplit(f"milvus://{location}")
        host, port = parts.hostname, parts.port or 19530
        options = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise _malformed() from None
    name = parts.path.strip("/")
    if not host or not NAME.fullmatch(name) or parts.fragment:
        raise _malformed()
    settings: dict[str, str] = {}
    for key, value in options:
        if key not in OPTIONS:
            raise ConfigError(f"a Milvus address has no option {key!r}{suggest(key, OPTIONS)}")
        settings[key] = value
    if not settings.get("import", "/").startswith("/"):
        raise ConfigError(
            f"import in a Milvus address is the whole path of a folder, got {settings['import']!r}"
        )
    if "import_as" in settings and "import" not in settings:
        raise ConfigError("import_as in a Milvus address needs import, the same folder from here")
    token = os.environ.get(TOKEN, "")
    if parts.username:
        token = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Address(
        host=host,
        port=port,
        collection=name,
        shards=_number(settings, "shards", 64),
        index=_choice(settings, "index", ("flat", "ivf")),
        nlist=_number(settings, "nlist", MAX_NLIST),
        consistency=_choice(settings, "consistency", tuple(CONSISTENCY)) or "strong",
        tls=_choice(settings, "tls", ("yes", "no")) == "yes",
        imports=settings.get("import"),
        imports_as=settings.get("import_as"),
        token=token,
    )


def connect(address: Address) -> Any:
    """Return a pymilvus client; DataError within `PATIENCE` seconds if no server answers."""
    try:
        import pymilvus
    except ImportError:
        raise MissingDependencyError(
            "milvus:// addresses need pymilvus; install it with pip install 'crossbit[milvus]'"
        ) from None
    # pymilvus prints every refused call with its traceback; here each becomes one DataError.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    scheme = "https" if address.tls else "http"
    with talking(address, "connect"):
        return pymilvus.MilvusClient(
            uri=f"{scheme}://{address.server}", token=address.token, timeout=PATIENCE
        )


@contextmanager
def talking(address: Address, what: str) -> Iterator[None]:
    """Turn what pymilvus raises while it does `what` into a DataError without credentials."""
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        raise _translated(address, what, error) from None


def _translated(address: Address, what: str, error: Exception) -> DataError:
    text = getattr(error, "message", "") or _rpc_details(error)
    text = " ".join(str(text).split())
    for secret in (address.token, address.token.partition(":")[2]):
        text = text.replace(secret, "***") if secret else text
    gone = (
        "Fail connecting",
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "Retry timeout",
        "closed channel",
    )
    if any(sign in f"{text} {error!r}" for sign in gone):
        return DataError(
            f"no Milvus server answers at {address.server}; start it, or correct host, port, "
            f"user and password (the call was: {what})"
        )
    if "can't find collection" in text or "collection not found" in text:
        return DataError(f"{address} is gone: another program dropped it or makes it anew")
    if "not loaded" in text:
        return DataError(
            f"{address} is not loaded: another program released it or builds its index anew; "
            "open it again when that is done"
        )
    return DataError(f"the Milvus server at {address.server} failed to {what}: {text[:300]}")


def _rpc_details(error: Exception) -> str:
    details = getattr(error, "details", None)
    return str(details()) if callable(details) else str(error)


def _number(given: dict[str, str], name: str, most: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise ConfigError(
            f"{name} in a Milvus address is a whole number from 1 to {most}, got {text!r}"
        )
    return int(text)


def _choice(given: dict[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    text = given.get(name)
    if text is not None and text not in choices:
        raise ConfigError(f"{name} in a Milvus address cannot be {text!r}{suggest(text, choices)}")
    return text


def _malformed() -> ConfigError:
    # The address itself is not repeated: it may hold a password.
    return ConfigError(
        "a Milvus address is milvus://host:port/collection, the collection of letters, digits "
        "and underscores, then options such as ?shards=2"
    )
