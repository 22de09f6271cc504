"""Events on their way to a client that may leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from fastapi import Request
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from ragstone.api import streams
from ragstone.api.door.drain import Drain, Draining
from ragstone.api.shapes.ending import Failure, FailureCode
from ragstone.api.streams import EventStream, unbroken, unless_gone
from ragstone.errors import DatabaseError, InvalidQuestionError

pytestmark = pytest.mark.anyio


class Client:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.heard: list[Mapping[str, Any]] = []
        self.leaves = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        self.heard.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.heard)

    async def listen(self, stream: EventStream) -> None:
        await stream({"type": "http"}, self.receive, self.send)


async def test_pieces_are_sent_as_they_come_and_the_answer_ends_with_the_last() -> None:
    async def written() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    client = Client()
    await client.listen(EventStream(written()))
    start, *rest = client.heard
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-cache, no-transform"
    assert b"content-length" not in headers
    assert [(message["body"], message["more_body"]) for message in rest] == [
        (b"one", True),
        (b"two", True),
        (b"", False),
    ]


async def test_in_a_silence_comments_keep_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.01)

    async def written() -> AsyncGenerator[bytes, None]:
        await asyncio.sleep(0.05)
        yield b"data: x\n\n"

    client = Client()
    await client.listen(EventStream(written()))
    assert client.body.count(b": still here\n\n") >= 2
    assert client.body.endswith(b"data: x\n\n")


async def test_when_the_client_leaves_the_work_ends_at_once() -> None:
    ended = asyncio.Event()

    async def written() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.sleep(60)
            yield b"never"
        finally:
            ended.set()

    client = Client()
    listening = asyncio.create_task(client.listen(EventStream(written())))
    while b"one" not in client.body:
        await asyncio.sleep(0)
    client.leaves.set()
    async with asyncio.timeout(1):
        await listening
    assert ended.is_set()
    assert b"never" not in client.body


async def test_an_end_from_outside_ends_the_work_too() -> None:
    ended = asyncio.Event()

    async def written() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.sleep(60)
            yield b"never"
        finally:
            ended.set()

    client = Client()
    listening = asyncio.create_task(client.listen(EventStream(written())))
    while not client.heard:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert ended.is_set()


async def test_what_nobody_waits_for_any_more_is_not_worked_on() -> None:
    ended = asyncio.Event()

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return "never"

    client = Client()
    waiting = asyncio.create_task(unless_gone(Request({"type": "http"}, client.receive), work()))
    await asyncio.sleep(0)
    client.leaves.set()
    async with asyncio.timeout(1):
        assert await waiting is None
    assert ended.is_set()


async def test_what_somebody_waits_for_is_handed_over_with_its_errors() -> None:
    async def work(*, fails: bool) -> str:
        await asyncio.sleep(0)
        if fails:
            raise DatabaseError("gone")
        return "done"

    request = Request({"type": "http"}, Client().receive)
    assert await unless_gone(request, work(fails=False)) == "done"
    with pytest.raises(DatabaseError, match="gone"):
        await unless_gone(request, work(fails=True))


def failed(failure: Failure) -> list[dict[str, object]]:
    return [{"type": "failed", "code": failure.code, "message": failure.message}]


def request_of(drain: Drain) -> Request:
    app = Starlette()
    app.state.drain = drain
    return Request({"type": "http", "app": app, "state": {"id": "req_1"}})


async def told_until(error: Exception) -> list[Mapping[str, object]]:
    async def told() -> AsyncGenerator[Mapping[str, object], None]:
        yield {"type": "first"}
        raise error

    return [event async for event in unbroken(told(), failed, request_of(Drain()))]


async def test_an_error_in_the_middle_is_told_in_the_stream() -> None:
    _, told = await told_until(InvalidQuestionError("The question is empty", remedy="Ask"))
    assert told == {"type": "failed", "code": FailureCode.INVALID_PROMPT, "message": "The question is empty. Ask"}
    _, told = await told_until(DatabaseError("gone"))
    assert told["code"] is FailureCode.SERVER_ERROR


async def test_a_process_that_ends_says_so_in_its_streams() -> None:
    drain, client, ended = Drain(), Client(), asyncio.Event()

    async def told() -> AsyncGenerator[Mapping[str, object], None]:
        try:
            yield {"type": "first"}
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def written() -> AsyncGenerator[bytes, None]:
        async for event in unbroken(told(), failed, request_of(drain)):
            yield str(event).encode()

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await EventStream(written())({"type": "http"}, receive, send)

    listening = asyncio.create_task(Draining(app, drain)({"type": "http"}, client.receive, client.send))
    while b"first" not in client.body:
        await asyncio.sleep(0)
    drain.cut_off()
    await listening
    assert b"Send it again" in client.body
    assert client.heard[-1]["more_body"] is False
    assert ended.is_set()


async def test_a_defect_in_the_middle_is_told_without_its_insides(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        _, told = await told_until(ZeroDivisionError("secret"))
    assert told["message"] == "The service failed; its log says why under req_1"
    assert "secret" in caplog.text
