"""Uploaded files in the database, a mebibyte a row.

Each part is a transaction of its own: neither a slow uploader nor a slow reader holds one open. What marks a file as
complete is that its last part is short; a file of whole mebibytes ends with an empty part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from ragstone.domain import Asker
from ragstone.errors import DatabaseUnavailableError, ObjectNotFoundError, RagstoneError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

_PART = 2**20  # bytes; large enough that a transaction costs little beside it, small enough to hold many at once
_PAGE = 1_000  # keys


class PartsObjects:
    """The port `Objects` in the tables `file` and `file_part`, on behalf of one asker.

    A key's file has to be a row of `file` that the asker can see; parts go with their file's row.
    """

    def __init__(self, database: Database, asker: Asker) -> None:
        self._database = database
        self._asker = asker
        self._tenant = str(asker.tenant.id)

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Store what the pieces make together, holding one part and one piece in memory.

        Raises:
            ObjectNotFoundError: The file's row is missing, or was removed meanwhile.
            DatabaseError: The database cannot be reached or is full.
        """
        buffer = bytearray()
        number = 0
        try:
            async for piece in pieces:
                buffer += piece
                while len(buffer) >= _PART:
                    await self._add(key, number, bytes(buffer[:_PART]))
                    del buffer[:_PART]
                    number += 1
            await self._add(key, number, bytes(buffer))
        except BaseException:
            # Where this fails as well the parts stay, incomplete and so unreadable, until their file's row goes.
            with suppress(RagstoneError):
                await self.delete([key])
            raise

    async def _add(self, key: str, number: int, content: bytes) -> None:
        place = {**scope(self._asker), "file": self._file(key), "number": number, "content": content}
        async with self._database.transaction(self._asker) as connection:
            if number == 0:
                await connection.execute(statement("objects", "remove_parts"), {**place, "files": [place["file"]]})
            added = await connection.execute(statement("objects", "add_part"), place)
        if not added.rowcount:
            raise ObjectNotFoundError(f"The file {key} was removed while it was uploaded")

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """`content[start:end]`, a part at a time.

        Raises:
            ObjectNotFoundError: There is nothing complete under this key, or it was removed while it was read.
            DatabaseError: The database cannot be reached.
        """
        size = await self._size(key)
        end = size if end is None else min(end, size)
        while start < end:
            number, first = divmod(start, _PART)
            piece = await self._part(key, number, first, min(end - start, _PART - first))
            yield piece
            start += len(piece)

    async def _size(self, key: str) -> int:
        async with self._database.transaction(self._asker) as connection:
            place = {**scope(self._asker), "file": self._file(key)}
            cursor = await connection.execute(statement("objects", "last_part"), place)
            last = await cursor.fetchone()
        if last is None or last[1] == _PART:
            raise ObjectNotFoundError(f"There is no file {key}")
        return int(last[0]) * _PART + int(last[1])

    async def _part(self, key: str, number: int, first: int, count: int) -> bytes:
        place = {**scope(self._asker), "file": self._file(key), "number": number, "first": first + 1, "count": count}
        async with self._database.transaction(self._asker) as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(statement("objects", "part"), place)
            found = await cursor.fetchone()
        if not found or not found[0]:
            raise ObjectNotFoundError(f"The file {key} was removed while it was read")
        return bytes(found[0])

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove the parts of these files.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        async with self._database.transaction(self._asker) as connection:
            place = {**scope(self._asker), "files": [self._file(key) for key in keys]}
            await connection.execute(statement("objects", "remove_parts"), place)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """The keys of the asker's tenant, complete or not; none for another tenant's prefix.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        if prefix.rstrip("/") not in {"", self._tenant}:
            return
        after = ""
        while True:
            async with self._database.transaction(self._asker) as connection:
                place = {**scope(self._asker), "after_file": after, "limit": _PAGE}
                cursor = await connection.execute(statement("objects", "files_with_parts"), place)
                found = [str(row[0]) for row in await cursor.fetchall()]
            for file in found:
                yield f"{self._tenant}/{file}"
            if len(found) < _PAGE:
                return
            after = found[-1]

    async def check(self) -> None:
        """Ask whether the database takes writes.

        Raises:
            DatabaseUnavailableError: It cannot be reached, or only be read.
        """
        async with self._database.transaction(self._asker) as connection:
            cursor = await connection.execute("SHOW transaction_read_only")
            read_only = await cursor.fetchone()
        if read_only != ("off",):
            raise DatabaseUnavailableError(
                "The database takes no writes",
                why="it is a standby, or was set read-only",
                remedy="Point RAGSTONE_DATABASE_URL at the primary",
            )

    def _file(self, key: str) -> str:
        """The file's public id; for a key of another tenant one that no file has."""
        tenant, _, file = key.partition("/")
        return file if tenant == self._tenant else ""
