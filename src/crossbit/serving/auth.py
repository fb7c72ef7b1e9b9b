"""Authorization by keys: who may read and who may write."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from crossbit.errors import ConfigError
from crossbit.serving.problems import Problem

__all__ = ["READ", "WRITE", "Auth"]

READ, WRITE = "CROSSBIT_READ_KEY", "CROSSBIT_WRITE_KEY"
SHORTEST = 16  # characters


@dataclass(frozen=True)
class Auth:
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
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Auth:
        """Return the keys of environment variables: a list of processes shows none."""
        values = os.environ if environment is None else environment
        return cls(values.get(READ) or None, values.get(WRITE) or None)

    def check_read(self, sent: str | None) -> None:
        """Refuse who may not read."""
        if self.read is not None and not _one_of(sent, self.read, self.write):
            raise _denied(sent, "reading")

    def check_write(self, sent: str | None) -> None:
        """Refuse who may not write."""
        if self.write is None:
            raise Problem(
                403,
                "This service is read-only",
                f"Start it with a write key in the environment variable {WRITE} to change items.",
            )
        if not _one_of(sent, self.write):
            raise _denied(sent, "changing items")


def _one_of(sent: str | None, *keys: str | None) -> bool:
    """Compare with every key, in a time that does not depend on how much of one is right."""
    equal = False
    for key in keys:
        if key is not None and sent is not None:
            equal |= hmac.compare_digest(_digest(sent), _digest(key))
    return equal


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _denied(sent: str | None, what: str) -> Problem:
    if sent is None:
        detail = f"Give the key for {what} in the header `Authorization: Bearer KEY`."
    else:
        detail = f"The key that was sent is not the one for {what}."
    return Problem(401, "A key is needed", detail, headers={"WWW-Authenticate": "Bearer"})
