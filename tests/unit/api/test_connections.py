"""Connections whose clients do nothing are ended, and keep nobody else out."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
from loopback import is_closed, read_answer, serving, until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from ragstone.api.door import connections
from ragstone.api.door.connections import MOST, impatient, most_connections

PLAIN = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ENDLESS = b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n"


class App:
    """Answers at once, or without end."""

    def __init__(self) -> None:
        self.unheard = 0  # endless answers that were ended

    def __call__(self, most: int = MOST) -> Any:
        app = Starlette(routes=[Route("/", self.plain), Route("/endless", self.endless)])
        return serving(app, http=impatient(H11Protocol, most))

    async def plain(self, _: Request) -> Response:
        return PlainTextResponse("here")

    async def endless(self, _: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 2**20
                    await asyncio.sleep(0)
            finally:
                self.unheard += 1

        return StreamingResponse(pieces())


def hasty(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(connections, name, 0.05)


@pytest.mark.parametrize("head", [b"", b"G", PLAIN[:-2]])
def test_a_connection_without_a_whole_head_is_closed(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    hasty(monkeypatch, "_HEAD_SECONDS")
    with App()() as address:
        with address.connection() as connection:
            connection.sendall(head)
            assert is_closed(connection)
        with address.connection() as connection:  # a later head has no more time than the first
            connection.sendall(PLAIN)
            assert read_answer(connection)[1] == b"here"
            if head:
                connection.sendall(head)
                assert is_closed(connection)


def test_a_head_that_goes_on_for_ever_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty(monkeypatch, "_HEAD_SECONDS")
    with App()() as address, address.connection() as connection, pytest.raises(OSError, match=r"reset|Broken pipe"):
        connection.sendall(PLAIN[:-2])
        while True:
            connection.sendall(b"x: y\r\n")


def test_an_answer_is_not_cut_off_because_no_request_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty(monkeypatch, "_HEAD_SECONDS")
    with App()() as address, address.connection() as connection:
        connection.sendall(ENDLESS)
        received = 0
        while received < 64 * 2**20:
            received += len(connection.recv(2**20))


def test_an_answer_that_nobody_takes_is_ended_as_if_the_client_had_left(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty(monkeypatch, "_STALL_SECONDS")
    app = App()
    with app() as address, address.connection() as connection:
        connection.sendall(ENDLESS)
        until(lambda: app.unheard == 1)


def test_whoever_waited_longest_for_a_head_makes_room_for_others() -> None:
    with App()(most=3) as address, ExitStack() as stack:
        idle = [stack.enter_context(address.connection()) for _ in range(3)]
        for connection in idle:
            connection.sendall(b"GET ")
        with address.connection() as connection:
            connection.sendall(PLAIN)
            assert read_answer(connection)[1] == b"here"
        assert is_closed(idle[0])
        idle[1].sendall(PLAIN.removeprefix(b"GET "))
        assert read_answer(idle[1])[1] == b"here"


def test_who_is_answered_makes_room_for_nobody() -> None:
    with App()(most=1) as address, address.connection() as answered:
        answered.sendall(ENDLESS)
        assert answered.recv(1)
        with address.connection() as newcomer:
            assert is_closed(newcomer)
        assert answered.recv(1)


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_the_shape_of_all_errors(sent: bytes) -> None:
    with App()() as address, address.connection() as connection:
        connection.sendall(sent)
        head, body = read_answer(connection)
        assert head.startswith("http/1.1 400")
        assert "connection: close" in head
        assert "x-request-id: req_" in head
        assert "content-type: application/json" in head
        assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}
        assert is_closed(connection)


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "raised"),
    [
        (1024, resource.RLIM_INFINITY, MOST, 2 * MOST),
        (1024, 524_288, MOST, 2 * MOST),
        (1024, 4096, 2048, 4096),
        (1024, 1024, 512, 1024),
        (1_000_000, 1_000_000, MOST, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, MOST, None),
    ],
)
def test_connections_leave_half_of_the_open_files_to_others(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, connections: int, raised: int | None
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    assert most_connections() == connections
    assert given == ([] if raised is None else [(raised, hard)])
