"""No more requests at once than the service can serve; the others wait by class, and not for long."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.door.gate import Gate, Turn
from ragstone.api.faults import fault
from ragstone.domain import Priority

HEADER = "x-ragstone-priority"
_ALWAYS = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})  # whoever asks these decides by how soon it hears
_AHEAD = 65_536  # bytes of a body that are read while its request waits; servers stop reading at about as much


class Admission:
    """Lets requests through a gate, each in the class of its header, but never in a better one than its key's."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        """Wrap an application, whose request holds its slot until the answer and what follows it have ended."""
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on when its turn comes, or answer 503."""
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get(HEADER, Priority.INTERACTIVE.name).upper()
        if claimed not in Priority.__members__:
            await _unknown_class()(scope, receive, send)
            return
        best = scope.get("state", {}).get("priority", Priority.INTERACTIVE)
        await self._pass(max(Priority[claimed], best), scope, receive, send)

    async def _pass(self, priority: Priority, scope: Scope, receive: Receive, send: Send) -> None:
        ahead = _Ahead(receive)
        with self._gate.place(priority) as turn:
            if not turn.done():
                await ahead.read_until(turn)
            if ahead.gone:
                return
            if turn.result():
                await self._app(scope, ahead.receive, send)
                return
        await self._overloaded(priority)(scope, ahead.receive, send)

    def _overloaded(self, priority: Priority) -> JSONResponse:
        seconds = self._gate.retry_after(priority)
        message = (
            f"The service is at its limit: {self._gate.running} requests run and "
            f"{sum(self._gate.waiting.values())} wait. Try again in {seconds} s"
        )
        return fault(503, "server_error", message, code="overloaded", retry_after=seconds)


class _Ahead:
    """What a client sends while its request waits: the one way to learn that it has gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Message] = deque()
        self.gone = False

    async def receive(self) -> Message:
        """The messages in their order, those that were read ahead first."""
        return self._messages.popleft() if self._messages else await self._receive()

    async def read_until(self, turn: Turn) -> None:
        """Return when the turn is decided or the client has gone."""
        reading = asyncio.create_task(self._read())
        try:
            either: tuple[asyncio.Future[None], Turn] = (reading, turn)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # raises if the body is refused
                if not self.gone:
                    await asyncio.wait({turn})
        finally:
            # A message on its way is not lost: servers allow this, as Starlette's `is_disconnected` does the same.
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        read = 0
        while read < _AHEAD:
            message = await self._receive()
            self._messages.append(message)
            if message["type"] == "http.disconnect":
                self.gone = True
                return
            read += len(message.get("body", b""))


def _unknown_class() -> JSONResponse:
    known = ", ".join(priority.name.lower() for priority in Priority)
    return fault(400, "invalid_request_error", f"{HEADER} is one of {known}", param=HEADER, code="invalid_value")
