"""A client that leaves in the middle of a stream, on a real connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

import httpx
from loopback import serving, until
from starlette.types import Receive, Scope, Send

from ragstone.api.door.admission import Admission
from ragstone.api.door.gate import Gate
from ragstone.api.streams import EventStream


def test_a_client_that_leaves_frees_its_slot_and_ends_the_work() -> None:
    ended = threading.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: first\n\n"
            await asyncio.sleep(600)
        finally:
            ended.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # as a route does that reads its body
        await EventStream(endless())(scope, receive, send)

    gate = Gate(1, queue=10, patience=10)
    with serving(Admission(app, gate)) as address, httpx.Client(timeout=10) as http:
        for _ in range(3):
            ended.clear()
            # The second begins only once the first has given its slot back.
            with http.stream("POST", address.url, json={}) as answer:
                pieces = answer.iter_bytes()  # held: when it is forgotten, the connection ends
                assert next(pieces) == b"data: first\n\n"
                assert gate.running == 1
            until(ended.is_set)
        until(lambda: gate.running == 0)
