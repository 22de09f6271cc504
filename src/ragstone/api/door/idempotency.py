"""A write that is repeated under its Idempotency-Key is done once, whichever replica is asked.

The key is claimed in the database before the write and its answer recorded behind it, wherever the tenant has moved
meanwhile. The body passes through untouched; only its digest is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragstone.api.door.fingerprint import head_of
from ragstone.api.door.repetition import EVENTS, HEADER, LONGEST_KEY, Body, malformed_key, repetition
from ragstone.api.faults import answer_for
from ragstone.bootstrap import House
from ragstone.domain import Asker
from ragstone.errors import RagstoneError, TenantMovingError
from ragstone.storage.idempotency import LOCK, Claim, IdempotencyKeys, Recorded
from ragstone.storage.tenancy.tenants import find_tenant

LARGEST_ANSWER = 2**20  # bytes of an answer that is kept

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Answers to the caller's standing or to the moment, not to the request; 499 to somebody who did not wait for one. And
# refusals of a method or a header, which nothing was done for: they are made again, with all that they say.
_UNSETTLED = frozenset({401, 403, 405, 406, 408, 415, 429, 499})
_MOVING_PAUSE = 0.25  # seconds between attempts while the tenant is not written

_log = logging.getLogger(__name__)


class Idempotency:
    """Lets the first request of a key through and answers its repetitions."""

    def __init__(self, app: ASGIApp, *, house: House) -> None:
        """Wrap an application; `request.state.asker` is known already."""
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer for it."""
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" and scope["method"] in _WRITES else None
        asker: Asker | None = scope.get("state", {}).get("asker")
        if key is None or asker is None:
            await self._app(scope, receive, send)
            return
        if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            await malformed_key()(scope, receive, send)
            return
        head = head_of(scope, asker)
        body = Body.of(scope, receive, head)
        try:
            keys = _Keys(self._house, asker)
            known = await keys.here().claim(key, head)
        except RagstoneError as error:
            await answer_for(error)(scope, receive, send)
            return
        if isinstance(known, Claim):
            async with _held(keys, known):
                await _First(keys, known, body, send).run(self._app, scope)
        else:
            answer = await repetition(known, body)
            await answer(scope, receive, send)


@dataclass
class _Keys:
    """The keys of an asker's writes, where they are by now: they move with the tenant."""

    _house: House
    _asker: Asker

    def here(self) -> IdempotencyKeys:
        """Those of the place where the tenant was last found."""
        return IdempotencyKeys(self._house.databases.of(self._asker.tenant), self._asker)

    async def change(self, write: Callable[[IdempotencyKeys], Awaitable[bool]]) -> bool:
        """Write; while the tenant is kept from that, again and again, until the key would be free in any case.

        Raises:
            DatabaseError: That takes too long, or the database is not there.
        """
        deadline = time.monotonic() + LOCK.total_seconds()
        while True:
            try:
                return await write(self.here())
            except TenantMovingError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_MOVING_PAUSE)
            found = await find_tenant(self._house.database, self._asker.tenant.name)
            if found is None or found.id != self._asker.tenant.id:
                return False  # it has been removed, with its keys
            self._asker = replace(self._asker, tenant=found)


@dataclass
class _First:
    """The request that is worked on, whose answer is held back until it is recorded."""

    _keys: _Keys
    _claim: Claim
    _body: Body
    _send: Send
    _start: Message = field(default_factory=dict)
    _pieces: list[bytes] = field(default_factory=list)
    _told: bool = False  # the answer is a stream that is done with its last event only
    _settled: bool = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer; a key without an answer is free again."""
        try:
            await app(scope, self._body.receive, self._take)
        finally:
            if not self._settled:
                await self._settle(None)

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._settled:
            await self._send(message)
        elif self._told:
            if not message.get("more_body", False):
                await self._settle(self._unkept())
            await self._send(message)
        else:
            await self._collect(message)

    async def _begin(self, start: Message) -> None:
        self._start = start
        self._told = self._answers() and self._streams() and self._made() is None
        if self._is_kept():
            return
        if not self._told:
            await self._settle(self._unkept())
        await self._send(start)

    async def _collect(self, message: Message) -> None:
        self._pieces.append(message.get("body", b""))
        ended = not message.get("more_body", False)
        too_large = sum(map(len, self._pieces)) > LARGEST_ANSWER
        if ended or too_large:
            await self._settle(self._unkept() if too_large else self._recorded(b"".join(self._pieces)))
            await self._send(self._start)
            await self._send({**message, "body": b"".join(self._pieces)})

    def _is_kept(self) -> bool:
        """Whether the answer will be repeated; a stream has been seen once, and a secret is shown once."""
        return self._answers() and not self._streams() and "no-store" not in self._header("cache-control")

    def _answers(self) -> bool:
        status: int = self._start["status"]
        return status < 500 and status not in _UNSETTLED  # noqa: PLR2004

    def _streams(self) -> bool:
        return self._header("content-type").startswith(EVENTS)

    def _made(self) -> bytes | None:
        """Where what a stream tells of is found, if that is there whether or not it is told to its end."""
        return self._header("content-location").encode() or None if self._streams() else None

    def _unkept(self) -> Recorded | None:
        return self._recorded(self._made()) if self._answers() else None

    def _recorded(self, body: bytes | None) -> Recorded:
        return Recorded(b"", self._start["status"], self._header("content-type") or None, body)

    def _header(self, name: str) -> str:
        return Headers(raw=self._start.get("headers", [])).get(name, "")

    async def _settle(self, answer: Recorded | None) -> None:
        """Record the answer, or free the key; the client is answered whatever becomes of that."""
        self._settled = True
        try:
            if answer is not None and await self._has_whole_body(answer):
                whole = Recorded(self._body.fingerprint.digest(), answer.status, answer.media_type, answer.body)
                await self._keys.change(lambda keys: keys.record(self._claim, whole))
            else:
                await self._keys.change(lambda keys: keys.free(self._claim))
        except RagstoneError as error:
            _log.warning("an Idempotency-Key stays in use for %d s: %s", LOCK.total_seconds(), error)

    async def _has_whole_body(self, answer: Recorded) -> bool:
        # What was done is known by its whole request. What was refused unread can be asked again.
        if answer.status is not None and answer.status < 400:  # noqa: PLR2004
            await self._body.read_out()
        return self._body.ended and not self._body.broken


@asynccontextmanager
async def _held(keys: _Keys, claim: Claim) -> AsyncIterator[None]:
    """Keep the claim while the work lasts."""

    async def extend() -> None:
        held = True
        while held:
            await asyncio.sleep(LOCK.total_seconds() / 3)
            with suppress(RagstoneError):  # the database may be back for the next try
                held = await keys.change(lambda keys: keys.hold(claim))

    extending = asyncio.create_task(extend())
    try:
        yield
    finally:
        extending.cancel()
        await asyncio.gather(extending, return_exceptions=True)
