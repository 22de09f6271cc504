"""One connection to a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ragstone.models.protocols.http.framing import Framing, Head, MalformedError

_MOST_UNREAD = 1 << 18  # bytes that may wait for a reader before the server is slowed down


class HungUpError(Exception):
    """The server ended the connection before its answer was whole."""


class Connection(asyncio.Protocol):
    """One request after the other; made by `loop.create_connection`."""

    def __init__(self) -> None:
        """Not connected yet."""
        self.loop = asyncio.get_running_loop()
        self._framing = Framing()
        self._trouble: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._finished: Callable[[], None] | None = None
        self.open = False
        self._is_asked = False  # whether there is a request to be answered
        self.trusted_until = 0.0  # while it rests; for who keeps it

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        framing = self._framing
        if framing.done or not self._is_asked:
            self.abort()  # nobody asked for this
            return
        try:
            framing.feed(data)
        except MalformedError as error:
            self._fail(error)
            return
        if len(framing.body) > _MOST_UNREAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()
        self._tell_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, from one side or the other."""
        self.open = False
        if not self._framing.close():
            self._trouble = self._trouble or HungUpError(type(exc).__name__ if exc else "it hung up")
        self._wake()
        if self._timer:
            self._timer.cancel()
        self._tell_end()

    # What a request calls.

    @property
    def reusable(self) -> bool:
        """Whether the next request may be sent on it."""
        return self.open and self._framing.reusable

    @property
    def done(self) -> bool:
        """Whether the answer has come to its end."""
        return self._framing.done

    def send(self, content: bytes) -> None:
        """Send a request; the former one is answered."""
        self._framing.again()
        self._is_asked = True
        self._transport.write(content)

    async def head(self, until: float) -> Head:
        """The beginning of the answer.

        Raises:
            TimeoutError: It was not there at `until`, on the event loop's clock.
            HungUpError: The server ended the connection.
            MalformedError: It does not speak HTTP.
        """
        while (head := self._framing.head) is None:
            await self._wait(until)
        return head

    async def read(self, until: float) -> bytes:
        """What has come of the body; waits if there is nothing. Empty: the answer is over.

        Raises:
            TimeoutError: Nothing had come at `until`.
            HungUpError: The server ended the connection before the end of the answer.
            MalformedError: It does not speak HTTP.
        """
        framing = self._framing
        while not framing.body:
            if framing.done:
                return b""
            await self._wait(until)
        content = bytes(framing.body)
        framing.body.clear()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return content

    def abort(self) -> None:
        """Hang up at once."""
        self.open = False
        self._transport.abort()

    def when_finished(self, call: Callable[[], None] | None) -> None:
        """Have this called once the answer is whole or the connection has ended."""
        self._finished = call

    # One timer for all that is waited for: it looks whether its time was put off when it fires, so that a token costs
    # no timer of its own.

    async def _wait(self, until: float) -> None:
        if self._trouble:
            raise self._trouble
        waiter = self._waiter = self.loop.create_future()
        self._until = until
        if self._timer is None or self._timer.when() > until:
            if self._timer:
                self._timer.cancel()
            self._timer = self.loop.call_at(until, self._look)
        try:
            await waiter
        finally:
            self._waiter = None

    def _look(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self.loop.time() < self._until:
            self._timer = self.loop.call_at(self._until, self._look)
        else:
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _tell_end(self) -> None:
        if self._finished and (self._framing.done or not self.open):
            self._finished()

    def _fail(self, error: Exception) -> None:
        self._trouble = error
        self.abort()
        self._wake()
