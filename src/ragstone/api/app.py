"""The application: its routes, and what every request gets."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from ragstone import __version__
from ragstone.api import faults, health, responses, search
from ragstone.bootstrap import House


def create_app(house: House) -> FastAPI:
    """The service over an open house, which outlives it."""
    app = FastAPI(title="Ragstone", version=__version__, docs_url=None, redoc_url=None)
    app.state.house = house
    app.middleware("http")(_request_id)
    faults.install(app)
    for resource in (health, search, responses):
        app.include_router(resource.router)
    return app


async def _request_id(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    given = request.headers.get("x-request-id", "")
    # A caller's id is kept if it can stand in a header and a log line.
    request.state.id = given if 0 < len(given) <= 128 and given.isprintable() else f"req_{secrets.token_hex(12)}"  # noqa: PLR2004
    response = await call_next(request)
    response.headers["x-request-id"] = request.state.id
    return response
