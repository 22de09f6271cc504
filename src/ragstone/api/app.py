"""The application: its routes, and what every request gets."""

from __future__ import annotations

import secrets

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api import (
    chat,
    embeddings,
    faults,
    file_batches,
    files,
    health,
    mcp,
    metrics,
    models,
    responses,
    search,
    store_files,
    stores,
)
from ragstone.api.admin import audit, keys, limits, tenants, usage, users
from ragstone.api.admin import models as members
from ragstone.api.description import Described
from ragstone.api.door.admission import Admission
from ragstone.api.door.drain import Drain
from ragstone.api.door.gate import Gate
from ragstone.api.door.idempotency import Idempotency
from ragstone.api.door.identity import Identify
from ragstone.api.door.json_bodies import JsonBodies
from ragstone.api.door.methods import HeadAsGet
from ragstone.api.door.sizes import SizeLimit
from ragstone.bootstrap import House

_FRAMING = 2**20  # bytes of an upload beside the file itself
_LONGEST_ID = 128  # characters of a caller's own request id
_SILENT: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}


def create_app(house: House, drain: Drain) -> FastAPI:
    """The service over an open house, which outlives it; `drain` says when it is about to end."""
    app = interface()
    app.state.house = house
    app.state.drain = drain
    given = house.settings
    gate = Gate(given.concurrent_requests, queue=given.waiting_requests, patience=given.waiting_seconds)
    # The last one added is the first to see a request.
    app.add_middleware(JsonBodies)
    app.add_middleware(Idempotency, house=house)
    app.add_middleware(Admission, gate=gate)
    app.add_middleware(Identify, house=house)
    app.add_middleware(
        SizeLimit,
        max_body=given.request_max_mb * 2**20,
        max_upload=given.upload_max_mb * 2**20 + _FRAMING,
        is_upload=lambda method, path: (method, path) == ("POST", "/v1/files"),
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestId)
    return app


def interface() -> Described:
    """All routes with nothing behind them: as much as it takes to describe them."""
    # FastAPI would export traces wherever an environment variable points; nothing leaves here unasked.
    app = Described(docs_url=None, redoc_url=None, telemetry=_SILENT)
    faults.install(app)
    catalog = (files, stores, store_files, file_batches)
    administration = (tenants, keys, users, limits, usage, audit, members)
    for resource in (health, metrics, *administration, *catalog, search, responses, chat, models, embeddings, mcp):
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
