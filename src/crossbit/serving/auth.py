"""Keys: who may read and who may write."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from crossbit.errors import ConfigError
from crossbit.serving.problems import Problem

__all__ = ["READ", "WRITE", "Keys"]

READ, WRITE = "CROSSBIT_READ_KEY", "CROSSBIT_WRITE_KEY"
SHORTEST = 16  # characters


@dataclass(frozen=True)
class Keys:
    """The secrets of a service; they are in no message, no log line and no `repr`.

    Without a read key everybody who reaches the service may read. Without a write key nobody may
    write. Who may write may also read.
    """

    read: str | None = field(default=None, repr=False)
    write: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, key in ((READ, self.read), (WRITE, self.write)):
            if key is not None and len(key) < SHORTEST:
                raise ConfigError(
                    f"{name} must have at least {SHORTEST} characters; for example the output of "
                    "`openssl rand -hex 16`"
                )

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Keys:
        """Return the keys in the environment, so that none stands in a list of processes."""
        found = os.environ if environment is None else environment
        return cls(found.get(READ) or None, found.get(WRITE) or None)

    def check_read(self, given: str | None) -> None:
        """Refuse who may not read."""
        if self.read is not None and not _one_of(given, self.read, self.write):
            raise _denied(given, "reading")

    def check_write(self, given: str | None) -> None:
        """Refuse who may not write."""
        if self.write is None:
            raise Problem(
                403,
                "This service is read-only",
                f"Start it with a write key in the environment variable {WRITE} to change items.",
            )
        if not _one_of(given, self.write):
            raise _denied(given, "changing items")


def _one_of(given: str | None, *keys: str | None) -> bool:
    """Compare with every key, in a time that does not tell how much of one was right."""
    found = False
    for key in keys:
        if key is not None and given is not None:
            found |= hmac.compare_digest(_digest(given), _digest(key))
    return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _denied(given: str | None, what: str) -> Problem:
    if given is None:
        detail = f"Give the key for {what} in the header `Authorization: Bearer KEY`."
    else:
        detail = f"The key that was given is not the one for {what}."
    return Problem(401, "A key is needed", detail, headers={"WWW-Authenticate": "Bearer"})
