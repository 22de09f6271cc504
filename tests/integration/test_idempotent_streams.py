"""A stream under an Idempotency-Key is done once its end is sent; one that breaks off leaves the key free."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from keyed_writes import Work, client_of, replica
from starlette.types import Message

from ragstone.domain import Asker
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def app(database: Database, asker: Asker, work: Work) -> FastAPI:
    return replica(database, asker, work)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as connected:
        yield connected


@pytest.fixture
def key() -> dict[str, str]:
    return {"idempotency-key": secrets.token_hex(8)}


async def leave(app: FastAPI, work: Work, key: dict[str, str], query: str = "") -> bytes:
    """Asks for events, goes away when the first has come, and tells what came."""
    came = []

    async def receive() -> Message:
        await work.begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        came.append(message.get("body", b""))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/told",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in key.items()],
    }
    await app(scope, receive, send)
    return b"".join(came)


def code(answer: httpx.Response) -> str:
    assert answer.status_code == 409, answer.text
    return str(answer.json()["error"]["code"])


async def test_a_stream_that_its_client_left_leaves_the_key_free(
    app: FastAPI, client: httpx.AsyncClient, work: Work, key: dict[str, str]
) -> None:
    assert await leave(app, work, key) == b"data: 0\n\n"
    work.go.set()
    again = await client.post("/told", headers=key)
    assert again.text == "data: 0\n\ndata: 1\n\n"
    assert work.done == [b"told"]
    assert code(await client.post("/told", headers=key)) == "idempotency_key_streamed"


async def test_while_a_stream_is_told_its_repetition_is_told_to_wait(
    client: httpx.AsyncClient, work: Work, key: dict[str, str]
) -> None:
    first = asyncio.create_task(client.post("/told", headers=key))
    await work.begun.wait()
    assert code(await client.post("/told", headers=key)) == "idempotency_key_in_use"
    work.go.set()
    assert (await first).status_code == 200
    assert code(await client.post("/told", headers=key)) == "idempotency_key_streamed"


async def test_what_is_made_although_its_stream_broke_off_is_not_made_twice_but_found(
    app: FastAPI, client: httpx.AsyncClient, work: Work, key: dict[str, str]
) -> None:
    await leave(app, work, key, "made=/v1/responses/resp_1")
    again = await client.post("/told?made=/v1/responses/resp_1", headers=key)
    assert code(again) == "idempotency_key_streamed"
    assert again.json()["error"]["message"].endswith("GET /v1/responses/resp_1 tells it again")
