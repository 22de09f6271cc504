"""What becomes of connections whose clients do nothing: they are ended before they keep others out.

The server that reads HTTP closes a connection that falls silent between two requests, and no other one.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
from typing import Any, ClassVar

from ragstone.api.faults import fault

MOST = 4096  # connections at once; a process has 64 requests in hand and 256 waiting, unless its settings say more

_HEAD_SECONDS = 10.0  # for the first line and the headers of a request
_STALL_SECONDS = 60.0  # in which a client takes nothing of its answer; nginx's send_timeout


class Impatient(asyncio.Protocol):
    """Added to one of uvicorn's protocols by `impatient`."""

    waiting: ClassVar[dict[Impatient, asyncio.TimerHandle]]  # for a whole head; who has waited longest comes first
    most: ClassVar[int]  # connections at once

    # Of uvicorn's protocols, whichever it is.
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    connections: set[asyncio.Protocol]
    cycle: Any  # the latest request and its answer; None before the first

    _stalling: asyncio.TimerHandle | None = None
    _untaken = 0  # bytes of the answer that wait for the client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; if there are too many, whoever has waited longest makes room."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(0)  # be told of whatever the client does not take at once
        if len(self.connections) > self.most:
            next(iter(self.waiting), self).end()
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """More of a request has come."""
        super().data_received(data)
        if self._answering():
            self._stop_awaiting_head()
        elif self not in self.waiting and not self.transport.is_closing():
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        super().connection_lost(exc)
        self._stop_awaiting_head()
        self._stop_stalling()

    def pause_writing(self) -> None:
        """The client takes less than there is."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client has taken all."""
        super().resume_writing()
        self._stop_stalling()

    def send_400_response(self, _: str) -> None:
        """Refuse what is no HTTP in the shape of all errors, unless an answer has begun."""
        if not (self._answering() and self.cycle.response_started):
            self.transport.write(_no_http())
        self.transport.close()

    def end(self) -> None:
        """Close the connection at once, whatever is on its way."""
        self._stop_awaiting_head()
        self.transport.abort()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self.waiting[self] = self.loop.call_later(_HEAD_SECONDS, self.end)

    def _stop_awaiting_head(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _watch(self) -> None:
        self._untaken = self.transport.get_write_buffer_size()
        self._stalling = self.loop.call_later(_STALL_SECONDS, self._end_if_stalled)

    def _end_if_stalled(self) -> None:
        # Nothing is added meanwhile: the application waits until all has been taken.
        if self.transport.get_write_buffer_size() < self._untaken:
            self._watch()
        else:
            self.end()  # for the application, the client has left

    def _stop_stalling(self) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None


def impatient(protocol: type[asyncio.Protocol], most: int) -> type[asyncio.Protocol]:
    """One of uvicorn's protocols that ends idle connections, for one server of so many connections at once."""
    return type(protocol.__name__, (Impatient, protocol), {"waiting": {}, "most": most})


def most_connections() -> int:
    """As many as leave half of the files that the process may open to others; it is let open enough, if it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    if soft < 2 * MOST:
        soft = 2 * MOST if hard == resource.RLIM_INFINITY else min(hard, 2 * MOST)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MOST, soft // 2)


def _no_http() -> bytes:
    answer = fault(400, "invalid_request_error", "What was sent is no HTTP/1.1 request", code="invalid_request")
    answer.headers["connection"] = "close"
    answer.headers["x-request-id"] = f"req_{secrets.token_hex(12)}"
    head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
    return b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body)
