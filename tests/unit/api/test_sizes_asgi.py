"""What an application sees of a body that is refused, and what it can say about it."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.door import sizes
from ragstone.api.door.sizes import SizeLimit

LIMIT = 1000
CHUNKED = [(b"transfer-encoding", b"chunked")]


def limited(app: ASGIApp) -> SizeLimit:
    return SizeLimit(app, max_body=LIMIT, max_upload=LIMIT, is_upload=lambda *_: False)


def body_of(pieces: int) -> list[Message]:
    """Pieces of 400 bytes."""
    return [{"type": "http.request", "body": b"x" * 400, "more_body": n < pieces} for n in range(1, pieces + 1)]


class UnfinishedError(Exception):
    """The application left its answer without an end."""


class Answer:
    """What an application said."""

    def __init__(self, messages: list[Message]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])
        if messages[-1].get("more_body", False):
            raise UnfinishedError

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers when the whole body is there."""
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(app: Any, messages: list[Message] | Receive, headers: list[tuple[bytes, bytes]]) -> Answer:
    """One request without a server; the messages are taken from the list."""
    said: list[Message] = []

    async def receive() -> Message:
        if not isinstance(messages, list):
            return await messages()
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/echo", "headers": headers, "query_string": b""}
    await app({**scope, "asgi": {"version": "3.0"}}, receive, send)
    return Answer(said)


@pytest.mark.parametrize("written", ["", "x", "-1", "+1", "1_0", "1.5", "0x10", "1, 2", "\u0661", "9" * 5000])
def test_a_length_that_is_no_number_is_a_bad_request(written: str) -> None:
    async def unasked(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    answer = asyncio.run(ask(limited(unasked), [], [(b"content-length", written.encode("utf-8"))]))
    assert answer.status == 400
    assert answer.headers["connection"] == "close"
    assert answer.error["code"] == "invalid_content_length"


@pytest.mark.parametrize("reaction", ["answers", "falls", "falls in a group", "returns"])
def test_whatever_an_application_does_about_a_refused_body_the_client_hears_of_the_size(reaction: str) -> None:
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (message := await receive()).get("more_body", False):
                seen.append(len(message["body"]))
        except Exception as error:
            if reaction == "falls":
                raise
            if reaction == "falls in a group":
                raise ExceptionGroup("tasks", [error]) from None
            if reaction == "answers":
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b"?"})

    messages = body_of(10)
    answer = asyncio.run(ask(limited(app), messages, CHUNKED))
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    # It never saw a byte above the limit, and what it left was read.
    assert sum(seen) <= LIMIT
    assert not messages


def test_an_answer_that_began_before_its_body_grew_too_large_is_left_unfinished() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive()).get("more_body", False):
            await send({"type": "http.response.body", "body": b"piece", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    with pytest.raises(UnfinishedError):
        asyncio.run(ask(limited(app), body_of(10), CHUNKED))
    assert asyncio.run(ask(limited(app), body_of(2), CHUNKED)).status == 200


def test_a_body_that_trickles_is_given_up_whatever_comes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_GRACE_SECONDS", 0.05)
    monkeypatch.setattr(sizes, "_LEAST_RATE", math.inf)

    async def trickle() -> Message:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"", "more_body": True}

    answer = asyncio.run(ask(limited(read_all), trickle, CHUNKED))
    assert answer.status == 408
    assert answer.error["code"] == "request_timeout"
    assert answer.headers["connection"] == "close"


def test_a_body_over_a_bad_line_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_GRACE_SECONDS", 0)
    monkeypatch.setattr(sizes, "_LEAST_RATE", 1 / 3600)  # each byte that has come earns an hour
    coming = body_of(2)

    async def slowly() -> Message:
        if len(coming) < 2:
            await asyncio.sleep(0.01)
        return coming.pop(0)

    assert asyncio.run(ask(limited(read_all), slowly, CHUNKED)).status == 200


def test_a_fault_of_the_application_stays_its_fault() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask(limited(app), [], []))
