"""Server-sent events on their way to a client that may leave at any time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ragstone.api.door.drain import DRAINING, Drain
from ragstone.api.shapes.ending import Failure, FailureCode
from ragstone.errors import RagstoneError

KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent: proxies end connections that say nothing

_COMMENT = b": still here\n\n"
_log = logging.getLogger(__name__)

T = TypeVar("T")


class EventStream(Response):
    """An answer that is written piece by piece; when the client leaves, the work for it ends."""

    media_type = "text/event-stream"

    def __init__(self, written: AsyncGenerator[bytes, None], headers: Mapping[str, str] | None = None) -> None:
        """Send what is written as soon as it is."""
        # Proxies must neither keep what passes through nor hold it back (the second header is nginx's).
        fixed = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
        super().__init__(headers={**(headers or {}), **fixed})
        del self.headers["content-length"]
        self._written = written
        self._sent = 0.0  # when something was sent last, on the event loop's clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Write until there is nothing more, or until nobody listens."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._keep_alive(send))]
        try:
            await asyncio.wait({writing, *others}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            for task in (writing, *others):
                task.cancel()
            await asyncio.gather(writing, *others, return_exceptions=True)
            await self._written.aclose()  # if the writing had not even begun

    async def _write(self, send: Send) -> None:
        """No task and no timer for a piece: a model's words come one by one, to many at once."""
        clock = asyncio.get_running_loop().time
        async with aclosing(self._written) as written:
            async for piece in written:
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    self._sent = clock()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _keep_alive(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        self._sent = clock()
        while True:
            silent = clock() - self._sent
            if silent < KEEP_ALIVE:
                await asyncio.sleep(KEEP_ALIVE - silent)
                continue
            await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
            self._sent = clock()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(request: Request, work: Coroutine[object, object, T]) -> T | None:
    """What the work comes to; None if the client leaves before, which ends the work."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def unheard() -> Response:
    """For a client that has gone: nobody reads it, but logs have a status (nginx's) of their own for it."""
    return Response(status_code=499)


async def unbroken(
    told: AsyncGenerator[T, None], fail: Callable[[Failure], Iterable[T]], request: Request
) -> AsyncGenerator[T, None]:
    """The same, and where it breaks off, how it failed: the status of the answer is long sent."""
    identity: str = request.state.id
    drain: Drain = request.app.state.drain
    try:
        async with aclosing(told):
            async for event in told:
                yield event
    except RagstoneError as error:
        _log.warning("request %s failed in its stream: %s", identity, error)
        failure = Failure.of(error)
    except asyncio.CancelledError:
        if not drain.over:  # the client has left
            raise
        failure = Failure.of(DRAINING)
    except Exception:  # noqa: BLE001  the outermost loop of a stream
        _log.exception("request %s failed in its stream", identity)
        failure = Failure(FailureCode.SERVER_ERROR, f"The service failed; its log says why under {identity}")
    else:
        return
    for event in fail(failure):
        yield event
