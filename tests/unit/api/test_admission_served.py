"""The gate before a real server: streams, closed connections, clients that come back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import openai
from loopback import Address, serving, until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ragstone.api.door.admission import Admission
from ragstone.api.door.gate import Gate
from ragstone.domain import Priority


class Slow:
    """A service behind a real server, whose requests run until they may end."""

    def __init__(self, slots: int, queue: int, patience: float = 20.0) -> None:
        self.gate = Gate(slots, queue=queue, patience=patience)
        self.may_end = threading.Event()
        self.most = 0  # requests that ran at once

    @contextmanager
    def serving(self) -> Iterator[Address]:
        routes = [Route("/v1/models", self._models), Route("/stream", self._stream)]
        with serving(Admission(Starlette(routes=routes), self.gate)) as address:
            try:
                yield address
            finally:
                self.may_end.set()  # the server waits for its requests

    async def _until_it_may_end(self) -> None:
        self.most = max(self.most, self.gate.running)
        while not self.may_end.is_set():
            await asyncio.sleep(0.005)

    async def _models(self, _: Request) -> Response:
        await self._until_it_may_end()
        return JSONResponse({"object": "list", "data": []})

    async def _stream(self, _: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            await self._until_it_may_end()

        return StreamingResponse(pieces())


def test_a_stream_holds_its_slot_until_it_ends_or_its_client_goes_away() -> None:
    service = Slow(slots=1, queue=0)
    with service.serving() as address:
        with httpx.stream("GET", f"{address.url}/stream") as answer:
            pieces = answer.iter_bytes()
            assert next(pieces) == b"first"
            refused = httpx.get(f"{address.url}/v1/models")
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
        until(lambda: service.gate.running == 0)


def test_a_connection_that_is_closed_while_its_request_waits_frees_its_place() -> None:
    service = Slow(slots=1, queue=1)
    with service.serving() as address, address.connection() as first:
        first.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: service.gate.running == 1)
        with address.connection() as second:
            second.sendall(b"POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody")
            until(lambda: service.gate.waiting[Priority.INTERACTIVE] == 1)
        until(lambda: service.gate.waiting[Priority.INTERACTIVE] == 0)
        assert service.gate.running == 1


def test_the_stock_client_comes_back_after_a_refusal_and_is_served() -> None:
    service = Slow(slots=1, queue=0)
    with service.serving() as address, address.connection() as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: service.gate.running == 1)
        refused = service.gate.refused

        def end_when_refused() -> None:
            until(lambda: sum(refused.values()) == 1)
            service.may_end.set()

        threading.Thread(target=end_when_refused).start()
        with openai.OpenAI(base_url=f"{address.url}/v1", api_key="none", max_retries=1) as client:
            assert client.models.list().data == []
        assert sum(refused.values()) == 1


def test_a_rush_is_served_a_few_at_a_time() -> None:
    service = Slow(slots=3, queue=100)

    async def rush(url: str) -> list[int]:
        async with httpx.AsyncClient(base_url=url, timeout=30, limits=httpx.Limits(max_connections=60)) as http:
            asking = [asyncio.create_task(http.get("/v1/models")) for _ in range(60)]
            while sum(service.gate.waiting.values()) < 57:
                await asyncio.sleep(0.005)
            service.may_end.set()
            return [answer.status_code for answer in await asyncio.gather(*asking)]

    with service.serving() as address:
        assert asyncio.run(rush(address.url)) == [200] * 60
    assert service.most == 3
    assert service.gate.running == 0
