"""What may stand in a JSON body, once for all routes.

Python's parser lets more through than RFC 8259 and than the database can store. What it would let through is refused
here with a reason, so that no route has to think of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from email.message import Message as Header
from itertools import chain

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.faults import fault

DEEPEST = 100  # lists and objects inside each other; a filter of every kind needs a tenth of it
LARGEST = 2**63 - 1  # a bigint of PostgreSQL

_TOO_DEEP = f"it is nested more than {DEEPEST} deep"
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLACES = ("/v1/", "/admin/")  # MCP answers for its bodies itself


class JsonBodies:
    """Refuses JSON bodies that are malformed, too deep, or hold what cannot be stored."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application that would hold the whole body in any case."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 400."""
        if scope["type"] != "http" or not scope["path"].startswith(_PLACES) or not is_json(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        if body is None:
            return  # the client has gone
        flaw = _flaw(body) if body else None
        if flaw is not None:
            await _refusal(flaw)(scope, receive, send)
            return
        read = [body]

        async def again() -> Message:
            if read:
                return {"type": "http.request", "body": read.pop(), "more_body": False}
            return await receive()

        await self._app(scope, again, send)


def is_json(headers: Headers) -> bool:
    """Whether the body says of itself that it is JSON."""
    header = Header()
    header["content-type"] = headers.get("content-type", "")
    subtype = header.get_content_subtype()
    return header.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


async def _whole(receive: Receive) -> bytes | None:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _flaw(body: bytes) -> str | None:
    """What is wrong with it, if anything."""
    try:
        return _flaw_inside(_DECODER.decode(body.decode("utf-8-sig")))
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except RecursionError:
        return _TOO_DEEP
    except ValueError as error:
        return str(error)


def _flaw_inside(document: object) -> str | None:
    level, depth = [document], 1
    while level:
        for value in level:
            if flaw := _flaw_of(value, depth):
                return flaw
        level, depth = [part for value in level for part in _parts(value)], depth + 1
    return None


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    return value if isinstance(value, list) else ()


def _flaw_of(value: object, depth: int) -> str | None:
    if isinstance(value, str):
        return None if value.isascii() and "\0" not in value else _flaw_of_text(value)
    if isinstance(value, (dict, list)):
        return _TOO_DEEP if depth > DEEPEST else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "a number is too large"
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return "an integer needs more than 64 bits"
    return None


def _flaw_of_text(text: str) -> str | None:
    if "\0" in text:
        return "a text holds the character U+0000"
    return "a text holds half of a surrogate pair" if _SURROGATE.search(text) else None


def _refusal(flaw: str) -> JSONResponse:
    return fault(400, "invalid_request_error", f"The body cannot be taken as JSON: {flaw}", code="invalid_json")
