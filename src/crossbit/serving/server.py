"""Server: uvicorn around an application, on loopback, draining on SIGTERM."""

from __future__ import annotations

import ipaddress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from crossbit.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from crossbit.serving.service import Service

__all__ = ["check_host", "configuration", "need_packages", "run"]

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
DRAIN = 20  # seconds that requests at work have after SIGTERM
QUEUE = 2048  # connections that wait to be accepted


def check_host(host: str, protected: bool) -> None:
    """Refuse to open an unprotected service to other machines."""
    if not protected and not _is_loopback(host):
        raise ConfigError(
            f"{host} can be reached by other machines, and without a read key everybody could "
            "search; set CROSSBIT_READ_KEY in the environment, or leave --host out"
        )


def need_packages() -> None:
    """Raise MissingDependencyError unless everything that serving needs is installed."""
    for name in PACKAGES:
        if find_spec(name) is None:
            raise MissingDependencyError(
                f"serving needs the package {name}; pip install 'crossbit[serve]' brings it"
            )


def run(service: Service, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is at work, and return."""
    import uvicorn

    uvicorn.run(**configuration(service, host, port))


def configuration(service: Service, host: str, port: int) -> dict[str, Any]:
    """Return the settings of uvicorn."""
    from crossbit.serving.app import create_app

    return {
        "app": create_app(service, OWN_NAMES | {host} if _is_loopback(host) else None),
        "host": host,
        "port": port,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "backlog": QUEUE,
        "timeout_keep_alive": 10,
        "timeout_graceful_shutdown": DRAIN,
        "lifespan": "on",
    }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
