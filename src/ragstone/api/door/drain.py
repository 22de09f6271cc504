"""Leaving in order: what runs is finished, and clients are told to connect elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Drain:
    """Knows which requests are in flight and whether the process is about to end."""

    def __init__(self) -> None:
        self.draining = False  # readiness is the opposite
        self.in_flight = 0  # requests whose answer has not ended, streams included
        self._quiet = asyncio.Event()
        self._quiet.set()

    def begin(self) -> None:
        """Be no longer ready; there is no way back.

        New requests are still answered, since a load balancer needs seconds to notice, but each answer ends its
        connection.
        """
        self.draining = True

    async def quiet(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False when that took longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is in flight."""
        self.in_flight += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._quiet.set()


class Draining:
    """Counts requests in flight, and ends their connections once draining has begun."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        """Wrap an application."""
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        ended = False

        async def parting(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start" and self._drain.draining:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)

        with self._drain.request():
            try:
                await self._app(scope, receive, parting)
            except Exception:
                # The framework raises once more what it has logged and answered, and the server would break the
                # connection behind the answer; the client's next request would be lost with it.
                if not ended:
                    raise
