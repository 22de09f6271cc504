"""The application: its routes, and what every request gets."""

from __future__ import annotations

import secrets

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone import __version__
from ragstone.api import faults, health, responses, search
from ragstone.api.identity import Identify
from ragstone.bootstrap import House

_LONGEST_ID = 128  # characters of a caller's own request id
_SILENT: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}


def create_app(house: House) -> FastAPI:
    """The service over an open house, which outlives it."""
    # FastAPI would export traces wherever an environment variable points; nothing leaves here unasked.
    app = FastAPI(title="Ragstone", version=__version__, docs_url=None, redoc_url=None, telemetry=_SILENT)
    app.state.house = house
    # The last one added is the first to see a request.
    app.add_middleware(Identify, house=house)
    app.add_middleware(RequestId)
    faults.install(app)
    for resource in (health, search, responses):
        app.include_router(resource.router)
    return app


class RequestId:
    """Gives every request an id and every answer the header `x-request-id`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its id in `request.state.id`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        # A caller's id is kept if it can stand in a header and a log line.
        kept = 0 < len(given) <= _LONGEST_ID and given.isprintable()
        identity = given if kept else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["id"] = identity

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = identity
            await send(message)

        await self._app(scope, receive, tagged)
