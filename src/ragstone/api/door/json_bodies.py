"""What may stand in a JSON body, once for all routes.

Python's parser lets more through than RFC 8259 and than the database can store. What it would let through is refused
here with a reason, so that no route has to think of it. What would take long to look at is refused unparsed: all
requests wait while one is parsed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from email.message import Message as Header
from itertools import chain, islice

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.faults import fault

DEEPEST = 100  # lists and objects inside each other; a filter of every kind needs a tenth of it
LARGEST = 2**63 - 1  # a bigint of PostgreSQL
# A batch of 2,000 files with all attributes, sizes of chunks and twenty readers for each has 90,000.
MOST_VALUES = 100_000
MOST_NAMES = 1_000  # of one object

_TOO_DEEP = f"it is nested more than {DEEPEST} deep"
_TOO_MANY = f"it holds more than {MOST_VALUES:,} values. Send less at once"
_TOO_WIDE = f"an object has more than {MOST_NAMES:,} names"
_UNSTORED = re.compile("[\0\ud800-\udfff]")
_NULL = "\0"
# What begins a value, and whole texts, since the same characters begin nothing in them. Nothing is looked at twice.
_BEGINNING = re.compile(rb'[,\[{]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_PLACES = ("/v1/", "/admin/", "/mcp")
_OTHER_PROTOCOL = "/mcp"  # answers for what stands in its bodies itself


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
        flaw = _TOO_MANY if _has_too_many(body) else None
        if body and flaw is None and scope["path"] != _OTHER_PROTOCOL:
            flaw = _flaw(body)
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


def _has_too_many(body: bytes) -> bool:
    """Whether it holds more values than are looked at, without parsing it."""
    if sum(map(body.count, (b",", b"[", b"{"))) < MOST_VALUES:  # most bodies, at the speed of memory
        return False
    # A value has two texts at most, its name and itself; a body with more of them is no JSON, and would take as long.
    found = islice(_BEGINNING.finditer(body), 3 * MOST_VALUES)
    beginnings = bytes(body[each.start()] for each in found)
    return len(beginnings) == 3 * MOST_VALUES or len(beginnings) - beginnings.count(b'"') >= MOST_VALUES


def _flaw_inside(document: object) -> str | None:
    level, depth = [document], 1
    while level:
        objects = [value for value in level if isinstance(value, dict)]
        lists = [value for value in level if isinstance(value, list)]
        if flaw := _flaw_of_texts(level) or _flaw_of_numbers(level):
            return flaw
        if depth > DEEPEST and (objects or lists):
            return _TOO_DEEP
        if any(len(value) > MOST_NAMES for value in objects):
            return _TOO_WIDE
        inside = (*objects, *(value.values() for value in objects), *lists)
        level, depth = list(chain.from_iterable(inside)), depth + 1
    return None


def _flaw_of_texts(values: Sequence[object]) -> str | None:
    found = _UNSTORED.search("".join(value for value in values if isinstance(value, str)))
    if found is None:
        return None
    return f"a text holds {'the character U+0000' if found[0] == _NULL else 'half of a surrogate pair'}"


def _flaw_of_numbers(values: Sequence[object]) -> str | None:
    if not all(math.isfinite(value) for value in values if isinstance(value, float)):
        return "a number is too large"
    if not all(-LARGEST <= value <= LARGEST for value in values if isinstance(value, int)):
        return "an integer needs more than 64 bits"
    return None


def _refusal(flaw: str) -> JSONResponse:
    return fault(400, "invalid_request_error", f"The body cannot be taken as JSON: {flaw}", code="invalid_json")
