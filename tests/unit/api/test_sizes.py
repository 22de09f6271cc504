"""What is refused for its size, what the client sees of it, and what becomes of its connection."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import openai
import pytest
from fastapi import FastAPI, Request
from loopback import Address, is_closed, read_answer, serving

from ragstone.api import faults
from ragstone.api.door import sizes
from ragstone.api.door.sizes import SizeLimit

LIMIT, UPLOAD_LIMIT = 1000, 200_000
MiB = 2**20
ENDLESS = b"POST /v1/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"400\r\n" + b"x" * 0x400 + b"\r\n"


def make_app() -> FastAPI:
    app = FastAPI()
    faults.install(app)

    @app.post("/v1/echo")
    @app.post("/v1/files")
    async def echo(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    @app.delete("/v1/unread")
    @app.get("/v1/unread")
    async def unread() -> dict[str, bool]:
        return {"deleted": True}

    app.add_middleware(
        SizeLimit,
        max_body=LIMIT,
        max_upload=UPLOAD_LIMIT,
        is_upload=lambda method, path: (method, path) == ("POST", "/v1/files"),
    )
    return app


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with serving(make_app()) as address:
        yield address


@pytest.fixture
def http(address: Address) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.url, timeout=30) as client:
        yield client


def in_pieces(size: int, piece: int = 65_536) -> Iterator[bytes]:
    for start in range(0, size, piece):
        yield b"x" * min(piece, size - start)


def request(path: str, body: bytes, *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def assert_too_large(body: bytes) -> None:
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "request_too_large"
    assert error["message"] == "The body is larger than 1,000 bytes. Send less at once"


@pytest.mark.parametrize(("path", "limit"), [("/v1/echo", LIMIT), ("/v1/files", UPLOAD_LIMIT)])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_up_to_the_limit_of_its_route_is_served_and_one_byte_more_is_not(
    http: httpx.Client, path: str, limit: int, declared: bool
) -> None:
    for size, status in ((limit, 200), (limit + 1, 413)):
        answer = http.post(path, content=b"x" * size if declared else in_pieces(size, 700))
        assert answer.status_code == status, answer.text
    assert http.post(path, content=b"x" * limit).json() == {"length": limit}


def test_a_refusal_has_the_shape_of_all_errors(http: httpx.Client) -> None:
    for content in (b"x" * 1001, in_pieces(1001)):
        assert_too_large(http.post("/v1/echo", content=content).content)


def test_a_refused_body_leaves_the_connection_to_the_next_request(address: Address) -> None:
    with address.connection() as connection:
        for _ in range(3):
            connection.sendall(request("/v1/echo", b"x" * 500_000))
            head, body = read_answer(connection)
            assert head.startswith("http/1.1 413")
            assert "connection: close" not in head
            assert_too_large(body)
            connection.sendall(request("/v1/echo", b"x" * 10))
            assert read_answer(connection)[1] == b'{"length":10}'


def test_the_next_request_may_already_be_on_its_way(address: Address) -> None:
    with address.connection() as connection:
        connection.sendall(request("/v1/echo", b"x" * 500_000) + request("/v1/echo", b"x" * 10, "connection: close"))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert received.count(b"HTTP/1.1 413") == 1
        assert received.endswith(b'{"length":10}')


def test_a_declared_length_is_refused_before_the_body_comes(address: Address) -> None:
    with address.connection() as connection:
        connection.sendall(b"POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000000\r\n\r\n")
        head, body = read_answer(connection)
        assert head.startswith("http/1.1 413")
        # Too much to be read for the sake of the connection, and the client is told so.
        assert "connection: close" in head
        assert_too_large(body)


def test_a_body_without_end_is_answered_and_its_connection_closed(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "_LINGER_SECONDS", 0.2)
    with address.connection() as connection:
        connection.sendall(ENDLESS + CHUNK)
        head, body = read_answer(connection)
        assert head.startswith("http/1.1 413")
        assert "connection: close" in head
        assert_too_large(body)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            while True:
                connection.sendall(CHUNK)


def test_a_client_that_falls_silent_behind_a_refusal_is_not_waited_for(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "_LINGER_SECONDS", 0.1)
    with address.connection() as connection:
        connection.sendall(ENDLESS + CHUNK)
        assert_too_large(read_answer(connection)[1])
        assert is_closed(connection)


@pytest.mark.parametrize("declared", [True, False])
def test_the_stock_client_sees_the_refusal_of_a_large_upload(address: Address, declared: bool) -> None:
    async def upload() -> list[object]:
        client = openai.AsyncOpenAI(base_url=f"{address.url}/v1", api_key="none", max_retries=0)
        async with client:
            content = b"x" * (24 * MiB)
            create = client.files.create(file=("large.txt", content), purpose="assistants")
            if declared:
                return list(await asyncio.gather(create, return_exceptions=True))
            create.close()

            async def pieces() -> AsyncIterator[bytes]:
                for piece in in_pieces(24 * MiB):
                    yield piece

            answer = await client._client.post(f"{address.url}/v1/files", content=pieces())
            return [answer]

    for _ in range(3):
        (answer,) = asyncio.run(upload())
        assert getattr(answer, "status_code", None) == 413, repr(answer)


def test_a_body_that_waits_to_be_invited_is_refused_without_an_invitation(address: Address) -> None:
    with address.connection() as connection:
        head_only = request("/v1/echo", b"x" * 5000, "expect: 100-continue")[:-5000]
        connection.sendall(head_only)
        head, body = read_answer(connection)
        assert head.startswith("http/1.1 413")
        assert "connection: close" in head
        assert_too_large(body)
        assert is_closed(connection)


def test_a_body_that_waits_to_be_invited_is_invited_if_it_fits(address: Address) -> None:
    with address.connection() as connection:
        connection.sendall(request("/v1/echo", b"x" * 10, "expect: 100-continue")[:-10])
        assert read_answer(connection)[0].startswith("http/1.1 100")
        connection.sendall(b"x" * 10)
        head, body = read_answer(connection)
        assert "connection: close" not in head
        assert body == b'{"length":10}'


def test_a_body_that_a_route_does_not_read_costs_its_connection_nothing(address: Address) -> None:
    with address.connection() as connection:
        for method, path, status in (("DELETE", "/v1/unread", 200), ("POST", "/v1/nowhere", 404)) * 2:
            connection.sendall(request(path, b"x" * 800, method=method))
            head, _ = read_answer(connection)
            assert head.startswith(f"http/1.1 {status}")
            assert "connection: close" not in head
        connection.sendall(b"GET /v1/unread HTTP/1.1\r\nhost: x\r\n\r\n")
        assert "connection: close" not in read_answer(connection)[0]


def test_a_body_that_stops_coming_is_given_up(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(sizes, "_LINGER_SECONDS", 60)  # nothing more is expected of it
    with address.connection() as connection:
        connection.sendall(request("/v1/echo", b"x" * 100)[:-1])
        head, body = read_answer(connection)
        assert head.startswith("http/1.1 408")
        assert "connection: close" in head
        assert json.loads(body)["error"]["code"] == "request_timeout"
        assert is_closed(connection)


def test_the_server_itself_refuses_a_length_that_is_no_number(address: Address) -> None:
    with address.connection() as connection:
        connection.sendall(b"POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n")
        connection.settimeout(5)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400")


def test_an_upload_that_nobody_finishes_leaves_no_line_in_the_log(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with address.connection() as connection:
        connection.sendall(ENDLESS + CHUNK)
        read_answer(connection)
        connection.shutdown(socket.SHUT_RDWR)
    with httpx.Client(base_url=address.url) as http:
        assert http.post("/v1/echo", content=b"").status_code == 200
    assert caplog.records == []
