"""The application: routes, page, upkeep and middleware put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import Depends, FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp

import crossbit
from crossbit.errors import CrossbitError
from crossbit.serving import api, items
from crossbit.serving.access import problems, require_read
from crossbit.serving.fast_search import FastSearch
from crossbit.serving.middleware import ServiceMiddleware
from crossbit.serving.problems import Problem, add_handlers
from crossbit.serving.serialize import json_response
from crossbit.serving.service import Service
from crossbit.serving.telemetry import CONTENT_TYPE

__all__ = ["create_app"]

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/page.css": ("page.css", "text/css; charset=utf-8"),
    "/static/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
DESCRIPTION = (
    "Search by text, picture, stored item, code or vector in an index of short binary codes. "
    "Errors are problem documents (RFC 9457)."
)


def create_app(service: Service, hosts: frozenset[str] | None = None) -> ASGIApp:
    """Return the ASGI application of a service; it closes the service when it ends.

    `hosts` are the names that requests may call this machine by; see `ServiceMiddleware`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for view, index in service.views.items():
            service.telemetry.items.labels(view).set(len(index))
        yield
        service.close()

    app = FastAPI(
        title="Crossbit",
        version=crossbit.__version__,
        description=DESCRIPTION,
        docs_url=None,  # its scripts come from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    add_handlers(app)
    app.include_router(api.router)
    app.include_router(items.router)
    _upkeep(app, service)
    for path, (name, kind) in PAGE.items():
        _static(app, path, (files("crossbit.serving") / "static" / name).read_bytes(), kind)
    return ServiceMiddleware(FastSearch(app, service), service.limits, service.telemetry, hosts)


def _upkeep(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["upkeep"])
    async def health() -> Response:
        """Say that the process lives."""
        return json_response({"status": "ok"})

    @app.get("/readyz", tags=["upkeep"], responses=problems(503))
    async def ready() -> Response:
        """Say whether a search would be answered."""
        try:
            await service.run_in_thread(service.ready)
        except (CrossbitError, OSError) as error:
            raise Problem(
                503, "The service is not ready", "An index cannot be searched; see the log."
            ) from error
        return json_response({"status": "ready"})

    @app.get(
        "/metrics",
        tags=["upkeep"],
        dependencies=[Depends(require_read)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **problems(401)},
    )
    async def metrics() -> Response:
        """Counters and times, as Prometheus reads them."""
        return Response(service.telemetry.page(), headers={"Content-Type": CONTENT_TYPE})


def _static(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    async def serve(request: Request) -> Response:
        headers = {"Content-Type": kind, "Cache-Control": "no-cache"}
        return Response(content, headers=headers)

    app.add_api_route(path, serve, methods=["GET", "HEAD"], include_in_schema=False)
