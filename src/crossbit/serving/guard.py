"""Guard: what holds for every request, whatever its route: bounds, headers, time, a count."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossbit.serving.limits import Limits
from crossbit.serving.problems import Problem, document, failure
from crossbit.serving.telemetry import Telemetry

__all__ = ["HEADERS", "Guard"]

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


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, limits: Limits, telemetry: Telemetry) -> None:
        self.app, self.limits, self.telemetry = app, limits, telemetry
        self.active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                extra = [pair for pair in HEADERS if pair[0] not in given]
                if b"cache-control" not in given:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        self.active += 1
        self.telemetry.active.set(self.active)
        try:
            busy = self.active > self.limits.concurrency and scope["path"] not in ALWAYS
            if busy:
                await self._refuse(_busy(), scope, receive, answer)
                return
            async with asyncio.timeout(self.limits.seconds):
                await self.app(scope, self._bounded(scope, receive), answer)
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
            self.telemetry.active.set(self.active)
            method = scope["method"] if scope["method"] in METHODS else "other"
            seconds = time.perf_counter() - started
            self.telemetry.answered(_route(scope), method, status or 499, seconds)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return `receive`, with an end to how much a body may hold."""
        size = 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self.limits.body:
                raise self._too_large()

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limits.body:
                raise self._too_large()
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
