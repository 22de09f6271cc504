"""A file on its way in: its row is made first, then come the bytes, then everybody who may read it sees it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from ragstone.domain import Asker
from ragstone.errors import InvalidRequestError, RagstoneError
from ragstone.ports import Objects
from ragstone.storage.catalog.audiences import audience_of
from ragstone.storage.catalog.content import Count
from ragstone.storage.catalog.removal import erase_file
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

PATIENCE = timedelta(hours=2)  # an upload that is not complete by then has broken off


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is completely there."""

    id: int  # inside the database
    public_id: str  # file-..., what the interface shows
    filename: str
    purpose: str
    size: int  # bytes
    media_type: str  # by its content
    place: str  # of its bytes: database, bucket, or source, where it was ingested from
    created_at: datetime
    expires_at: datetime | None
    readers: tuple[str, ...]  # principals; none: everybody in the tenant


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is told of a file beside its bytes."""

    purpose: str = "assistants"
    readers: tuple[str, ...] = ()  # principals; none: everybody in the tenant
    lifetime: timedelta | None = None  # None: until it is deleted


class Upload:
    """A file whose bytes are coming in."""

    def __init__(self, database: Database, asker: Asker, places: Mapping[str, Objects], filename: str) -> None:
        """A bucket, where there is one, takes new files."""
        public_id = f"file-{secrets.token_hex(12)}"
        self._database = database
        self._asker = asker
        self._place = "bucket" if "bucket" in places else "database"
        self._objects = places[self._place]
        self._file = {**scope(asker), "file": public_id, "public_id": public_id, "filename": filename}
        self._key = f"{asker.tenant.id}/{public_id}"
        self._count = Count()
        self.finished = False
        self._doubtful = False  # whether the database may have finished it without our knowing

    async def begin(self, readers: Sequence[str]) -> None:
        """Make the row that the bytes belong to."""
        async with self._database.transaction(self._asker) as connection:
            audience = await audience_of(connection, readers)
            begun = {**self._file, "audience": audience, "place": self._place, "patience": PATIENCE}
            await connection.execute(statement("files", "begin_file"), begun)

    async def write(self, pieces: AsyncIterator[bytes]) -> int:
        """Store the bytes; returns how many there were.

        Raises:
            ObjectsUnavailableError: Their place cannot be reached.
            DatabaseError: The same, where they lie in the database.
        """
        await self._objects.write(self._key, self._count.through(pieces))
        return self._count.size

    async def finish(self, particulars: Particulars) -> StoredFile:
        """Let those who may read the file see it.

        Raises:
            InvalidRequestError: The readers leave the asker out, or it took so long that the upload has expired.
        """
        async with self._database.transaction(self._asker) as connection:
            finished = {
                **self._file,
                "audience": await audience_of(connection, particulars.readers),
                "purpose": particulars.purpose,
                "lifetime": particulars.lifetime,
                "size": self._count.size,
                "media_type": self._count.media_type(str(self._file["filename"])),
                "content_hash": self._count.hash,
            }
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(statement("files", "finish_file"), finished)
            row = await cursor.fetchone()
            await connection.execute(statement("files", "hand_parts_over"), finished)
            self._doubtful = True  # until it is committed
        self._doubtful = False
        if row is None:
            raise InvalidRequestError(f"The upload took longer than {PATIENCE}", remedy="Send a smaller file")
        self.finished = True
        return stored_file(row)

    async def abandon(self) -> None:
        """Leave nothing behind.

        Also where nothing tells of the bytes any more: the row may go while they come in, when its time is over or with
        its tenant.

        Raises:
            ObjectsUnavailableError: The place of the bytes cannot be reached.
            DatabaseError: The database cannot be reached; the bytes are gone, unless the file may have been finished.
        """
        try:
            if await self._was_finished() and self._doubtful:
                return  # only the answer of the database was lost
        except RagstoneError:
            if self._doubtful:
                raise
        await erase_file(self._database, self._asker, self._objects, str(self._file["file"]))

    async def _was_finished(self) -> bool:
        """Whether it is completely there; if it is not, its row says from now on that it has broken off."""
        async with self._database.transaction(replace(self._asker, reads_all=True)) as connection:
            await connection.execute(statement("files", "abandon_file"), self._file)
            cursor = await connection.execute(statement("files", "is_uploaded"), self._file)
            return await cursor.fetchone() is not None


def stored_file(row: Mapping[str, Any]) -> StoredFile:
    """A file out of the columns of its row."""
    return StoredFile(**{**row, "readers": tuple(row["readers"])})
