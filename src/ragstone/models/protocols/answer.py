"""What a server answers, while it comes."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from ragstone.models.protocols.connections import Connections
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.http.connection import Connection, HungUpError
from ragstone.models.protocols.http.framing import MalformedError
from ragstone.models.protocols.trouble import Speaker, cut, garbage, too_slow


class Answer:
    """To be read inside `async with`; leaving it early hangs up."""

    def __init__(
        self, connections: Connections, connection: Connection, deadlines: Deadlines, speaker: Speaker
    ) -> None:
        """Nothing is sent yet."""
        self._connections, self._connection = connections, connection
        self._deadlines, self.speaker = deadlines, speaker
        self._is_known = False
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        """Read it inside."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Give the connection back, or hang up if there is more to come."""
        connection = self._connection
        if connection.done:
            self._connections.take_back(connection)
        elif kind is None and self._is_known and connection.open:
            self._connections.drain(connection)
        else:
            connection.abort()

    @property
    def kind(self) -> str:
        """The media type."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def begin(self, request: bytes) -> None:
        """Send the request and wait for the status.

        Raises:
            HungUpError: The connection ended before there was one.
            MemberError: There is none in time, or it is none.
        """
        connection = self._connection
        try:
            connection.send(request)
            head = await connection.head(self._deadlines.until)
        except TimeoutError:
            connection.abort()
            raise too_slow(self.speaker, self._deadlines) from None
        except MalformedError as error:
            raise garbage(self.speaker, str(error)) from None
        except BaseException:
            connection.abort()
            raise
        self.status, self.headers = head.status, head.headers
        self._connections.heed(head.headers)

    async def read(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            MemberError: They do not come in time, or the connection ended.
        """
        try:
            return await self._connection.read(self._deadlines.until)
        except TimeoutError:
            raise too_slow(self.speaker, self._deadlines) from None
        except HungUpError:
            raise cut(self.speaker) from None
        except MalformedError as error:
            raise garbage(self.speaker, str(error)) from None

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
