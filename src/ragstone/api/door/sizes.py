"""How much a request may carry, and what becomes of a body that nobody wants to read.

A connection that is closed while the client still sends is reset, and the client may never see the answer. So an
answer that comes before the end of the body is sent whole, and then the rest of the body is read and thrown away,
within limits, before the connection serves its next request or is closed (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.faults import fault

_CHEAP_BYTES = 16 * 2**20  # of an unwanted body that are read to keep its connection; a longer rest ends it
_LINGER_SECONDS = 10.0  # for reading an unwanted body; some clients look for an answer only behind their last byte
_SILENCE_SECONDS = 30.0  # between two pieces of a body; whoever says nothing for longer holds others up
_GRACE_SECONDS = 30.0  # of waiting for a body, beside the time that its bytes take at the least rate
_LEAST_RATE = 1000.0  # bytes a second, on the average of a body; the slowest telephone carries several times that
_NUMBER = re.compile(r"[0-9]{1,18}")


class SizeLimit:
    """Refuses bodies that are too large, by their declared length at once, else as soon as they are."""

    def __init__(self, app: ASGIApp, *, max_body: int, max_upload: int, is_upload: Callable[[str, str], bool]) -> None:
        """Wrap an application.

        Args:
            app: Sees no more than the limit, and its answer to what it saw of a refused body is not used.
            max_body: Bytes of a body.
            max_upload: Bytes of the body of an upload, the framing of its parts included.
            is_upload: Whether a method and a path upload a file.
        """
        self._app = app
        self._max_body = max_body
        self._max_upload = max_upload
        self._is_upload = is_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = self._is_upload(scope["method"], scope["path"])
        exchange = _Exchange(scope, receive, send, self._max_upload if upload else self._max_body)
        if exchange.refusal is None:
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except* _RefusedError:  # alone or out of a group of tasks
                pass
        await exchange.finish()


class _RefusedError(HTTPException):
    """Unwinds the application; FastAPI lets this class of errors pass while it reads a body."""


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        headers = Headers(scope=scope)
        declared = _declared(headers)
        chunked = "transfer-encoding" in headers
        self._scope, self._receive, self._send = scope, receive, send
        self._limit = limit
        self._length = math.inf if chunked or declared is None else declared  # bytes that the body has at most
        self._came = 0  # bytes of it
        self._waited = 0.0  # seconds for them, without those in which nobody asked for them
        self._ended = self._length == 0  # nothing more is expected of the body
        self._held_back = "expect" in headers and not self._ended  # until it is asked for, and perhaps for ever
        self._started = False  # the answer has
        self._owed = False  # the answer's end waits for the body's
        self.refusal: JSONResponse | None = None
        if declared is None:
            self.refusal = _malformed()
        elif declared > limit:
            self.refusal = _too_large(limit)

    async def receive(self) -> Message:
        """The next message for the application."""
        if self.refusal is None:
            try:
                async with asyncio.timeout(None if self._ended else self._patience()):
                    message = await self._next()
            except TimeoutError:
                self.refusal = _slow()
                self._ended = True
            else:
                if self._came <= self._limit:
                    return message
                self.refusal = _too_large(self._limit)
        raise _RefusedError(self.refusal.status_code)

    async def send(self, message: Message) -> None:
        """Pass on what the application says, unless its request has been refused."""
        if self._started or self.refusal is None:
            await self._answer(message)

    async def finish(self) -> None:
        """Refuse the request if that is still possible, and leave the connection ready for the next one."""
        if self.refusal is not None and not self._started:
            await self.refusal(self._scope, self.receive, self._answer)
        if self._owed:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while not self._ended:
                        await self._next()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _patience(self) -> float:
        """Seconds in which the next piece of the body has to come."""
        return min(_SILENCE_SECONDS, _GRACE_SECONDS + self._came / _LEAST_RATE - self._waited)

    async def _next(self) -> Message:
        self._held_back = False
        clock = asyncio.get_running_loop().time
        since = clock()
        message = await self._receive()
        self._waited += clock() - since
        self._came += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)  # a disconnect is an end as well
        return message

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self._ended = self._ended or self._held_back
            if self._held_back or (not self._ended and self._length - self._came > _CHEAP_BYTES):
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["connection"] = "close"
        elif not self._ended and not message.get("more_body", False):
            self._owed = True
            message = {**message, "more_body": True}
        await self._send(message)


def _declared(headers: Headers) -> int | None:
    written = headers.get("content-length", "0")
    return int(written) if _NUMBER.fullmatch(written) else None


def _too_large(limit: int) -> JSONResponse:
    message = f"The body is larger than {limit:,} bytes. Send less at once"
    return fault(413, "invalid_request_error", message, code="request_too_large")


def _malformed() -> JSONResponse:
    message = "The header content-length is no number of bytes. Send the length of the body, or no length and chunks"
    answer = fault(400, "invalid_request_error", message, code="invalid_content_length")
    answer.headers["connection"] = "close"
    return answer


def _slow() -> JSONResponse:
    message = (
        f"The body came too slowly: nothing for {_SILENCE_SECONDS:g} seconds, or less than {_LEAST_RATE:,.0f} bytes a "
        "second. Send it again"
    )
    answer = fault(408, "invalid_request_error", message, code="request_timeout")
    answer.headers["connection"] = "close"
    return answer
