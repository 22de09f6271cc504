"""Server-sent events on their way to a client that may leave at any time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TypeAlias

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ragstone.api.shapes.ending import Failure, FailureCode
from ragstone.errors import RagstoneError

KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent: proxies end connections that say nothing

_COMMENT = b": still here\n\n"
_log = logging.getLogger(__name__)

Told: TypeAlias = Mapping[str, object]


class EventStream(Response):
    """An answer that is written piece by piece; when the client leaves, the work for it ends."""

    media_type = "text/event-stream"

    def __init__(self, written: AsyncGenerator[bytes, None]) -> None:
        """Send what is written as soon as it is."""
        # Proxies must neither keep what passes through nor hold it back (the second header is nginx's).
        super().__init__(headers={"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._written = written

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Write until there is nothing more, or until nobody listens."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            writing.cancel()
            leaving.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        async with aclosing(self._written) as written:
            while True:
                following = asyncio.ensure_future(anext(written, b""))
                try:
                    while not (await asyncio.wait({following}, timeout=KEEP_ALIVE))[0]:
                        await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
                except asyncio.CancelledError:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    raise
                piece = following.result()
                await send({"type": "http.response.body", "body": piece, "more_body": bool(piece)})
                if not piece:
                    return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def unbroken(
    told: AsyncGenerator[Told, None], fail: Callable[[Failure], Iterable[Told]], request: str
) -> AsyncGenerator[Told, None]:
    """The same, and where it breaks off, how it failed: the status of the answer is long sent.

    `request` is the id under which the log says why.
    """
    try:
        async with aclosing(told):
            async for event in told:
                yield event
    except RagstoneError as error:
        _log.warning("request %s failed in its stream: %s", request, error)
        failure = Failure.of(error)
    except Exception:  # noqa: BLE001  the outermost loop of a stream
        _log.exception("request %s failed in its stream", request)
        failure = Failure(FailureCode.SERVER_ERROR, f"The service failed; its log says why under {request}")
    else:
        return
    for event in fail(failure):
        yield event
