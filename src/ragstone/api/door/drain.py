"""Leaving in order: what runs is finished, and clients are told to connect elsewhere.

What cannot be finished in time is ended here, so that its client is told in the shape of all errors what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.faults import answer_for
from ragstone.errors import DrainingError

DRAINING = DrainingError(
    "The service ends before this request is done", remedy="Send it again: another process or the next one answers"
)


class Drain:
    """Knows which requests are in flight and whether the process is about to end."""

    def __init__(self) -> None:
        self.draining = False  # readiness is the opposite
        self.over = False  # its time is up: what still runs is being ended
        self._tasks: set[asyncio.Task[object]] = set()  # of requests whose answer has not ended, streams included

    @property
    def in_flight(self) -> int:
        """Requests whose answer has not ended, streams included."""
        return len(self._tasks)

    def begin(self) -> None:
        """Be no longer ready; there is no way back.

        New requests are still answered, since a load balancer needs seconds to notice, but each answer ends its
        connection.
        """
        self.draining = True

    def cut_off(self) -> None:
        """End what still runs: a request is answered 503, a stream says so in its last event."""
        self.over = True
        for task in self._tasks:
            task.cancel()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is in flight."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)


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

        started = ended = False

        async def parting(message: Message) -> None:
            nonlocal started, ended
            if message["type"] == "http.response.start" and self._drain.draining:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)

        with self._drain.request():
            try:
                await self._app(scope, receive, parting)
            except asyncio.CancelledError:
                if not self._drain.over:
                    raise
                # A stream has said itself that it ends; of any other answer, the server breaks the connection.
                if not started:
                    await _refusal(scope)(scope, receive, parting)
            except Exception:
                # The framework raises once more what it has logged and answered, and the server would break the
                # connection behind the answer; the client's next request would be lost with it.
                if not ended:
                    raise


def _refusal(scope: Scope) -> Response:
    answer = answer_for(DRAINING)
    answer.headers["x-request-id"] = scope.get("state", {}).get("id", "unknown")
    return answer
