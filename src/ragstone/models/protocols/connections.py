"""Connections to one server, kept for the next requests."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from functools import partial
from weakref import WeakKeyDictionary, WeakSet

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    StreamReader,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_IDLE_SECONDS = 15.0  # connections that rest for longer are not trusted
_BEFORE_SECONDS = 1.0  # nor those that the server is about to close
_KEEP_ALIVE = re.compile(r"timeout=(\d{1,6})")
_DRAIN_SECONDS = 1.0  # for the last bytes of an answer whose content is known
_UNREAD = 1 << 17  # bytes; when twice as many wait for a reader, the server is slowed down


class Connections:
    """As many as there are requests at a time, all of one event loop."""

    def __init__(
        self, headers: Mapping[str, str], proxy: str | None, tls: ssl.SSLContext | None, *, is_ending: bool
    ) -> None:
        """Nothing is connected yet; called by the event loop that asks.

        Args:
            headers: Of every request.
            proxy: Where requests are sent instead of to the server.
            tls: None: aiohttp's own, which nothing uses where the address is none of TLS.
            is_ending: Whether they end as soon as none is in use.
        """
        self._connector = _Connector(tls)
        self.session = ClientSession(
            connector=self._connector,
            headers=headers,
            proxy=proxy,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=_UNREAD,
            middlewares=(self._connector.ask,),
        )
        self._draining: dict[asyncio.Task[None], ClientResponse] = {}
        self._in_use = 0
        self._is_ending = is_ending

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be asked over them any more."""
        return self.session.closed

    @property
    def is_draining(self) -> bool:
        """Whether the last bytes of an answer are waited for."""
        return bool(self._draining)

    def entered(self) -> None:
        """A request begins; `left` follows."""
        self._in_use += 1

    async def left(self) -> None:
        """It is over, with its answer."""
        self._in_use -= 1
        if self._is_ending and not self._in_use:
            await self.session.close()

    def drain(self, response: ClientResponse) -> None:
        """Take a connection back once the rest of an answer has come, of which nothing is needed; `left` follows."""
        task = asyncio.create_task(self._drained(response))
        self._draining[task] = response
        task.add_done_callback(self._draining.pop)

    def begun(self, response: ClientResponse, headers: Mapping[str, str]) -> None:
        """Look after an answer's connection; remember for how long the server keeps it, if it says so."""
        if response.connection is not None and response.connection.protocol is not None:
            self._connector.reading[response.connection.protocol] = response.content
        said = _KEEP_ALIVE.search(headers.get("keep-alive", ""))
        if said:
            self._connector.idle_seconds = min(_IDLE_SECONDS, max(0.0, int(said[1]) - _BEFORE_SECONDS))

    async def close(self) -> None:
        """End those that are not in use; those that are end with their answers."""
        self._is_ending = True
        tasks = list(self._draining)
        # Hung up on rather than cancelled: a task that was cancelled before it began would never count as over.
        for response in self._draining.values():
            response.close()
        if tasks:
            await asyncio.wait(tasks)
        if not self._in_use:
            await self.session.close()

    async def _drained(self, response: ClientResponse) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await response.content.readany():
                    pass
        except (TimeoutError, ClientError):
            pass
        finally:
            response.close()  # nothing, where it has come to its end
            await self.left()


class _Connector(TCPConnector):
    """Uses connections again only where that is safe."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(limit=0, keepalive_timeout=_IDLE_SECONDS, ssl=tls or True)
        self.idle_seconds = _IDLE_SECONDS
        self._rested: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()  # since when
        self._tried: WeakSet[ClientRequest] = WeakSet()  # over a connection that had rested
        self.reading: WeakKeyDictionary[ResponseHandler, StreamReader] = WeakKeyDictionary()  # what comes now

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> Connection:
        """One on which nothing has come that nobody asked for; at the second attempt a new one."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None
            since = self._rested.get(protocol)
            if since is None or self._is_trusted(protocol, since, req):
                break
            connection.close()
        if since is not None:
            self._tried.add(req)
        elif protocol.closed is not None:
            protocol.closed.add_done_callback(partial(self._lost, protocol))
        connection.add_callback(lambda: self._rests(protocol))
        return connection

    async def ask(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Ask anew, once, when a connection ends that had rested, which says nothing about the server."""
        try:
            return await handler(request)
        except ClientConnectorError:
            raise
        except (ClientOSError, ServerDisconnectedError):
            if request not in self._tried:
                raise
            return await handler(request)

    def _is_trusted(self, protocol: ResponseHandler, since: float, request: ClientRequest) -> bool:
        # `should_close`: what came since its last answer would be taken for the next one.
        is_fresh = self._loop.time() < since + self.idle_seconds
        return is_fresh and not protocol.should_close and request not in self._tried

    def _lost(self, protocol: ResponseHandler, closed: asyncio.Future[None]) -> None:
        """Tell who reads, which aiohttp leaves out where the connection ended because an answer became malformed."""
        error = None if closed.cancelled() else closed.exception()
        content = self.reading.get(protocol)
        if content is not None and not content.is_eof() and content.exception() is None:
            content.set_exception(ClientPayloadError(), error or ServerDisconnectedError())

    def _rests(self, protocol: ResponseHandler) -> None:
        self._rested[protocol] = self._loop.time()
