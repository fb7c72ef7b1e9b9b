"""Middleware around all routes: bounds of requests, headers, time limit, telemetry."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossbit.serving.problems import Problem, document, failure
from crossbit.serving.service import Limits
from crossbit.serving.telemetry import Telemetry

__all__ = ["HEADERS", "ServiceMiddleware"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})  # answered however busy the service is
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
log = logging.getLogger("crossbit.serving")


class ServiceMiddleware:
    """An ASGI application around another one.

    Parameters
    ----------
    hosts : set of str, optional
        The names that a request may call this machine by; any if not given. A service of this
        machine alone takes its own names only: else a page from elsewhere could have its name
        point here, and read answers as if it were ours (DNS rebinding).
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        telemetry: Telemetry,
        hosts: frozenset[str] | None = None,
    ) -> None:
        self.app, self.limits, self.telemetry, self.hosts = app, limits, telemetry, hosts
        self.active = 0  # requests at work
        self.body_bytes = 0  # of requests at work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status, body = 0, Body()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name for name, _ in message["headers"]}
                extra = [pair for pair in HEADERS if pair[0] not in names]
                if b"cache-control" not in names:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        self.active += 1
        self.telemetry.active.set(self.active)
        try:
            self._check(scope)
            async with asyncio.timeout(self.limits.seconds):
                await self.app(scope, self._bounded(receive, body), answer)
        except TimeoutError:
            if not status:
                await self._refuse(self._late(), scope, receive, answer)
        except Problem as problem:
            if not status:
                await self._refuse(problem, scope, receive, answer)
        except Exception:
            log.exception("a request failed: %s %s", scope["method"], _route(scope))
            if not status:
                await self._refuse(failure(), scope, receive, answer)
        finally:
            self.active -= 1
            self.body_bytes -= body.size
            self.telemetry.active.set(self.active)
            method = scope["method"] if scope["method"] in METHODS else "other"
            seconds = time.perf_counter() - started
            self.telemetry.answered(_route(scope), method, status or 499, seconds)

    def _check(self, scope: Scope) -> None:
        """Refuse what can be refused before its body comes."""
        if self.active > self.limits.concurrency and scope["path"] not in ALWAYS:
            raise _busy()
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self.limits.body:
                raise self._too_large()
            if name == b"host" and self.hosts is not None and _name(value) not in self.hosts:
                raise Problem(
                    421,
                    "This machine has another name",
                    "The service listens to this machine alone; call it 127.0.0.1 or localhost.",
                )

    def _bounded(self, receive: Receive, body: Body) -> Receive:
        """Return `receive`, with an end to how much bodies may hold, one and all together."""

        async def bounded() -> Message:
            message = await receive()
            more = len(message.get("body", b""))
            body.size += more
            self.body_bytes += more
            if body.size > self.limits.body:
                raise self._too_large()
            if self.body_bytes > self.limits.bodies:
                raise _busy()
            return message

        return bounded

    @staticmethod
    async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        await document(problem)(scope, receive, send)

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "The request is too large",
            f"A request may have up to {self.limits.body:,} bytes; send less at a time.",
            headers={"Connection": "close"},
        )

    def _late(self) -> Problem:
        return Problem(
            504,
            "The request took too long",
            f"It was given up after {self.limits.seconds:g} seconds; ask for less at a time.",
            headers={"Connection": "close"},
        )


class Body:
    """How much of a request's body has come."""

    size = 0


def _name(host: bytes) -> str:
    """Return a host header without its port."""
    text = host.decode("latin-1").lower()
    return text.rpartition("]")[0].lstrip("[") if text.startswith("[") else text.partition(":")[0]


def _busy() -> Problem:
    return Problem(
        503,
        "The service is busy",
        "Too many requests are at work; try again in a second.",
        headers={"Retry-After": "1"},
    )


def _route(scope: Scope) -> str:
    """Return the route's pattern: paths hold ids, of which there is no end."""
    route: Any = scope.get("route")
    return getattr(route, "path", "other")
