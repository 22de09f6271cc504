"""A service whose routes count what they do, for writes under keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ragstone.api import faults
from ragstone.api.door.idempotency import LARGEST_ANSWER, Idempotency
from ragstone.api.streams import EventStream
from ragstone.bootstrap import House
from ragstone.domain import Asker
from ragstone.settings import Settings
from ragstone.storage.database import Database


@dataclass
class Work:
    """What the routes of all replicas did, and a gate that holds them."""

    done: list[bytes] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)  # lengths in which a body came
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class Known:
    """Stands in for the check of keys: the asker is in a header's place."""

    def __init__(self, app: ASGIApp, asker: Asker) -> None:
        self.app, self.asker = app, asker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["asker"] = self.asker
        await self.app(scope, receive, send)


def replica(database: Database, asker: Asker, work: Work, house: House | None = None) -> FastAPI:
    app = FastAPI()
    faults.install(app)

    @app.api_route("/write", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def write(request: Request) -> dict[str, int]:
        work.done.append(await request.body())
        return {"number": len(work.done)}

    @app.post("/slow")
    async def slow() -> dict[str, int]:
        work.begun.set()
        await asyncio.wait_for(work.go.wait(), 10)
        work.done.append(b"slow")
        return {"number": len(work.done)}

    @app.post("/upload")
    async def upload(request: Request) -> Response:
        size = 0
        async for piece in request.stream():
            work.pieces.append(len(piece))
            size += len(piece)
        work.done.append(b"upload")
        return JSONResponse({"size": size}, 201)

    @app.post("/status/{status}")
    async def status(status: int) -> JSONResponse:
        work.done.append(b"status")
        return JSONResponse({"number": len(work.done)}, status)

    @app.post("/broken")
    async def broken() -> None:
        work.done.append(b"broken")
        raise ZeroDivisionError

    add_answers(app, work)
    app.add_middleware(Idempotency, house=house or House(Settings(), database))
    app.add_middleware(Known, asker=asker)
    return app


def add_answers(app: FastAPI, work: Work) -> None:
    """Routes whose answers are not like the others."""

    @app.post("/nothing", status_code=204)
    async def nothing() -> None:
        work.done.append(b"nothing")

    @app.post("/large")
    async def large() -> Response:
        work.done.append(b"large")
        return Response(bytes(LARGEST_ANSWER + 1))

    @app.post("/secret")
    async def secret() -> JSONResponse:
        work.done.append(b"secret")
        return JSONResponse({"key": "rs-shown-once"}, headers={"cache-control": "no-store"})

    @app.post("/events")
    async def events() -> StreamingResponse:
        work.done.append(b"events")
        return StreamingResponse((f"data: {n}\n\n" for n in range(3)), media_type="text/event-stream")

    @app.post("/told")
    async def told(made: str = "") -> EventStream:
        """Events of which the last waits for the gate."""

        async def written() -> AsyncGenerator[bytes, None]:
            yield b"data: 0\n\n"
            work.begun.set()
            await asyncio.wait_for(work.go.wait(), 10)
            work.done.append(b"told")
            yield b"data: 1\n\n"

        return EventStream(written(), {"content-location": made} if made else None)


@asynccontextmanager
async def client_of(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
