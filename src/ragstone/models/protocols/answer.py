"""What a server answers, while it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientResponse

from ragstone.models.protocols.connections import Connections
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.trouble import Speaker, cut, garbage, too_slow


class Answer:
    """To be read inside `async with`; leaving it early hangs up."""

    def __init__(
        self, connections: Connections, response: ClientResponse, deadlines: Deadlines, speaker: Speaker
    ) -> None:
        """Its status and headers have come."""
        self._connections, self._response = connections, response
        self._deadlines, self.speaker = deadlines, speaker
        self._is_known = False
        self._is_cut = False
        self.status = response.status
        self.headers: Mapping[str, str] = {}
        for name, value in response.headers.items():
            key = name.lower()
            self.headers[key] = f"{self.headers[key]}, {value}" if key in self.headers else value
        connections.begun(response, self.headers)

    async def __aenter__(self) -> Self:
        """Read it inside."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Give the connection back, or hang up if there is more to come."""
        response = self._response
        if kind is None and self._is_known and not (response.closed or self._is_cut):
            self._connections.drain(response)
            return
        connection = response.connection  # none where the answer has come to its end
        if connection is not None and connection.transport is not None:
            connection.transport.abort()  # `close` would wait for TLS to say goodbye
        response.close()
        await self._connections.left()

    @property
    def kind(self) -> str:
        """The media type."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def read(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            MemberError: They do not come in time, or the connection ended.
        """
        if self._is_cut:
            raise cut(self.speaker)
        content = self._response.content
        try:
            async with asyncio.timeout_at(self._deadlines.until):
                return await content.readany()
        except TimeoutError:
            raise too_slow(self.speaker, self._deadlines) from None
        except ClientError:
            # aiohttp tells the end of the connection before what had come until then.
            self._is_cut = True
            content.set_exception(None)  # type: ignore[arg-type]
            if rest := content.read_nowait():
                return rest
            raise cut(self.speaker) from None

    async def whole(self, most: int) -> bytes:
        """All of it.

        Raises:
            MemberError: It does not come, or is longer than `most` bytes.
        """
        content = await self.some(most + 1)
        if len(content) > most:
            raise garbage(self.speaker, f"its answer is longer than {most:,} bytes")
        return content

    async def some(self, most: int) -> bytes:
        """The first bytes of it.

        Raises:
            MemberError: They do not come.
        """
        content = bytearray()
        while len(content) < most and (more := await self.read()):
            content += more
        return bytes(content[:most])

    def known(self) -> None:
        """What is still to come matters to nobody: leaving does not hang up."""
        self._is_known = True
