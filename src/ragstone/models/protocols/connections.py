"""Connections to one server, kept for the next requests."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping

from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.http.address import Address
from ragstone.models.protocols.http.connection import Connection
from ragstone.models.protocols.trouble import Speaker, no_connection, too_slow

_IDLE_SECONDS = 15.0  # connections that rest for longer are not trusted
_BEFORE_SECONDS = 1.0  # nor those that the server is about to close
_KEEP_ALIVE = re.compile(r"timeout=(\d{1,6})")
_MOST_IDLE = 64
_DRAIN_SECONDS = 1.0  # for the last bytes of an answer whose content is known
_EYEBALLS_SECONDS = 0.25  # between two addresses of a host (RFC 8305)


class Connections:
    """As many as there are requests at a time; those that rest are used again, the one that rested least first."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Nothing is connected yet."""
        self._address, self._tls = address, tls
        self._idle: list[Connection] = []
        self._draining: set[Connection] = set()
        self._idle_seconds = _IDLE_SECONDS
        self._closed = False

    async def open(self, deadlines: Deadlines, speaker: Speaker) -> Connection:
        """A new one.

        Raises:
            MemberError: Nobody can be reached.
        """
        loop, address = asyncio.get_running_loop(), self._address
        try:
            async with asyncio.timeout_at(deadlines.connect):
                _, connection = await loop.create_connection(
                    Connection, address.host, address.port, ssl=self._tls, happy_eyeballs_delay=_EYEBALLS_SECONDS
                )
        except TimeoutError as error:
            if loop.time() >= deadlines.total:
                raise too_slow(speaker, deadlines) from None
            raise no_connection(speaker, error) from None
        except OSError as error:
            raise no_connection(speaker, error) from None
        except UnicodeError:
            raise no_connection(speaker, OSError(None, "that is no name of a host")) from None
        return connection

    def rested(self) -> Connection | None:
        """One that can be used again, if there is one."""
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.loop is not loop:
                continue  # its event loop has ended, and the connection with it
            if connection.open and loop.time() < connection.trusted_until:
                return connection
            connection.abort()
        return None

    def take_back(self, connection: Connection) -> None:
        """Keep it for the next request, if it can be."""
        if not connection.reusable or self._closed or len(self._idle) >= _MOST_IDLE:
            connection.abort()
            return
        connection.trusted_until = connection.loop.time() + self._idle_seconds
        self._idle.append(connection)

    def drain(self, connection: Connection) -> None:
        """Take it back once the rest of an answer has come, of which nothing is needed."""

        def finished() -> None:
            connection.when_finished(None)
            self._draining.discard(connection)
            timer.cancel()
            self.take_back(connection)

        timer = connection.loop.call_later(_DRAIN_SECONDS, connection.abort)
        self._draining.add(connection)
        connection.when_finished(finished)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Remember for how long the server keeps connections that rest, if it says so."""
        said = _KEEP_ALIVE.search(headers.get("keep-alive", ""))
        if said:
            self._idle_seconds = min(_IDLE_SECONDS, max(0.0, int(said[1]) - _BEFORE_SECONDS))

    async def close(self) -> None:
        """End those that are not in use; those that are end with their answers."""
        self._closed = True
        loop = asyncio.get_running_loop()
        for connection in [*self._idle, *self._draining]:
            if connection.loop is loop:
                connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round
