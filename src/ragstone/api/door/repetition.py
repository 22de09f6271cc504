"""What a request that is made again under its key is answered."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope

from ragstone.api.door.fingerprint import HEAD_BYTES, Fingerprint
from ragstone.api.faults import fault
from ragstone.storage.idempotency import Recorded

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
LONGEST_KEY = 255  # characters
EVENTS = "text/event-stream"


@dataclass
class Body:
    """The body of a request on its way to the application."""

    _receive: Receive
    fingerprint: Fingerprint
    ended: bool
    broken: bool = False  # the client left in the middle of it

    @classmethod
    def of(cls, scope: Scope, receive: Receive, head: bytes) -> Body:
        """The body that the headers announce."""
        headers = Headers(scope=scope)
        comes = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        return cls(receive, Fingerprint(head, headers.get("content-type", "")), ended=not comes)

    async def receive(self) -> Message:
        """The next message, untouched."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.fingerprint.add(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        elif not self.ended:
            self.ended = self.broken = True
        return message

    async def read_out(self) -> None:
        """Read what nobody has read."""
        while not self.ended:
            await self.receive()


async def repetition(known: Recorded, body: Body) -> Response:
    """The answer to a request whose key somebody has, once its body is known to be the same or another one."""
    if known.fingerprint[:HEAD_BYTES] != body.fingerprint.head:
        return _reused()
    if known.status is None:
        return _in_use()
    await body.read_out()
    if body.fingerprint.digest() != known.fingerprint:
        return _reused()
    if (known.media_type or "").startswith(EVENTS):
        return _streamed(known.body)
    if known.body is None:
        return _not_kept(known)
    answer = Response(known.body, known.status, {REPLAYED: "true"})
    if known.media_type is not None:
        answer.headers["content-type"] = known.media_type
    return answer


def malformed_key() -> JSONResponse:
    """The answer to what is no key."""
    message = f"{HEADER} is not 1 to {LONGEST_KEY} printable characters. Send a new UUID for each write"
    return fault(400, "invalid_request_error", message, param=HEADER, code="invalid_value")


def _reused() -> JSONResponse:
    message = "This Idempotency-Key was used for another request, or with other rights. Send a new key for each write"
    return _conflict(message, "idempotency_key_reused")


def _in_use() -> JSONResponse:
    message = "The first request with this Idempotency-Key is still worked on. Try again in a second"
    return fault(409, "invalid_request_error", message, param=HEADER, code="idempotency_key_in_use", retry_after=1)


def _streamed(made: bytes | None) -> JSONResponse:
    where = "Get what it made by its id, or send a new key" if made is None else f"GET {made.decode()} tells it again"
    message = f"The answer to this Idempotency-Key was a stream, which is not repeated. {where}"
    return _conflict(message, "idempotency_key_streamed")


def _not_kept(known: Recorded) -> JSONResponse:
    message = (
        f"This Idempotency-Key was answered with status {known.status}, but the answer is not kept: it was too large, "
        "or it showed a secret. Look at what was made, or send a new key"
    )
    return _conflict(message, "idempotency_key_not_kept")


def _conflict(message: str, code: str) -> JSONResponse:
    answer = fault(409, "invalid_request_error", message, param=HEADER, code=code)
    answer.headers["x-should-retry"] = "false"  # OpenAI's clients repeat every 409 otherwise
    return answer
