"""Ending in order: what runs is finished, new requests are still answered, connections end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from loopback import is_closed, read_answer, serving, until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.door.drain import Drain, Draining

PLAIN = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def make_app(drain: Drain, go_on: threading.Event) -> Draining:
    async def plain(_: Request) -> Response:
        return PlainTextResponse("here")

    async def stream(_: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first "
            while not go_on.is_set():
                await asyncio.sleep(0.005)
            yield b"last"

        return StreamingResponse(pieces())

    return Draining(Starlette(routes=[Route("/", plain), Route("/stream", stream)]), drain)


def test_connections_are_kept_until_draining_begins() -> None:
    drain = Drain()
    with serving(make_app(drain, threading.Event())) as address, address.connection() as connection:
        for _ in range(3):
            connection.sendall(PLAIN)
            assert "connection: close" not in read_answer(connection)[0]
        drain.begin()
        assert drain.draining
        # A new request on a kept connection is answered, and the connection ends behind it.
        connection.sendall(PLAIN)
        head, body = read_answer(connection)
        assert head.startswith("http/1.1 200")
        assert "connection: close" in head
        assert body == b"here"
        assert is_closed(connection)
        # The listener is still open for whoever has not noticed yet.
        assert httpx.get(address.url).headers["connection"] == "close"


def test_a_stream_in_flight_is_finished_and_waited_for() -> None:
    drain, go_on = Drain(), threading.Event()
    with (
        serving(make_app(drain, go_on)) as address,
        httpx.Client(base_url=address.url) as http,
        http.stream("GET", "/stream") as answer,
    ):
        pieces = answer.iter_bytes()
        assert next(pieces) == b"first "
        drain.begin()
        assert drain.in_flight == 1
        assert http.get("/").text == "here"
        go_on.set()
        assert b"".join(pieces) == b"last"
        until(lambda: drain.in_flight == 0)


def test_a_client_that_leaves_its_stream_is_no_longer_in_flight() -> None:
    drain = Drain()
    with serving(make_app(drain, threading.Event())) as address:
        with httpx.stream("GET", f"{address.url}/stream") as answer:
            pieces = answer.iter_bytes()
            assert next(pieces) == b"first "
            assert drain.in_flight == 1
        until(lambda: drain.in_flight == 0)


async def receive() -> Message:
    raise AssertionError


async def send(_: Message) -> None:
    raise AssertionError


class Client:
    """What a client without a connection hears."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    async def send(self, message: Message) -> None:
        self.heard.append(message)


async def cut_off(app: ASGIApp) -> tuple[Client, Drain]:
    """A request whose application runs when the process ends."""
    drain, client = Drain(), Client()
    scope = {"type": "http", "state": {"id": "req_1"}}
    task = asyncio.create_task(Draining(app, drain)(scope, receive, client.send))
    await asyncio.sleep(0)
    drain.begin()
    drain.cut_off()
    await task
    return client, drain


@pytest.mark.anyio
async def test_what_is_not_answered_in_time_is_told_to_come_again() -> None:
    ended: list[bool] = []

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    client, drain = await cut_off(hangs)
    start, body = client.heard
    assert start["status"] == 503
    headers = dict(start["headers"])
    assert headers[b"x-request-id"] == b"req_1"
    assert headers[b"connection"] == b"close"
    assert int(headers[b"retry-after"]) > 0
    assert json.loads(body["body"])["error"].items() >= {"code": "draining", "type": "server_error"}.items()
    assert ended
    assert drain.in_flight == 0


@pytest.mark.anyio
async def test_what_is_answered_in_part_is_broken_off_and_never_ended() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.Event().wait()

    client, _ = await cut_off(half)
    assert [message.get("body") for message in client.heard] == [None, b"half"]


@pytest.mark.anyio
async def test_a_request_that_fails_or_is_cancelled_is_not_in_flight() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        assert drain.in_flight == 1
        raise ZeroDivisionError

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    drain = Drain()
    with pytest.raises(ZeroDivisionError):
        await Draining(fails, drain)({"type": "http"}, receive, send)
    assert drain.in_flight == 0
    task = asyncio.create_task(Draining(hangs, drain)({"type": "http"}, receive, send))
    await asyncio.sleep(0)
    assert drain.in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert drain.in_flight == 0


@pytest.mark.anyio
async def test_what_is_no_request_is_passed_on_uncounted() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["type"], drain.in_flight))

    drain = Drain()
    await Draining(app, drain)({"type": "lifespan"}, receive, send)
    assert seen == [("lifespan", 0)]
