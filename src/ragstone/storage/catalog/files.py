"""Uploaded files in PostgreSQL; their bytes lie in a place of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from psycopg.rows import dict_row

from ragstone.domain import Asker
from ragstone.errors import (
    ContentNotKeptError,
    NotFoundError,
    ObjectNotFoundError,
    ObjectsUnavailableError,
    RagstoneError,
)
from ragstone.ports import Objects
from ragstone.storage.catalog.removal import remove_file
from ragstone.storage.catalog.uploading import StoredFile, Upload, stored_file
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement

_FILES = Listing("files", "list_files", "file_position")


class PostgresFiles:
    """The files of one tenant, as far as one asker may see them."""

    def __init__(self, database: Database, asker: Asker, places: Mapping[str, Objects]) -> None:
        """Act for this asker; `places` are where bytes lie, by name."""
        self._database = database
        self._asker = asker
        self._scope = scope(asker)
        self._places = places

    @asynccontextmanager
    async def upload(self, filename: str, readers: Sequence[str] = ()) -> AsyncIterator[Upload]:
        """A file on its way in, which nobody sees before `Upload.finish`; without that it leaves nothing behind.

        Raises:
            InvalidRequestError: The readers leave the asker out.
        """
        upload = Upload(self._database, self._asker, self._places, filename)
        await upload.begin(readers)
        try:
            yield upload
        finally:
            if not upload.finished:
                # What ends the request must not end this, too. Where it fails, the upload expires.
                with suppress(RagstoneError):
                    await asyncio.shield(upload.abandon())

    async def find(self, public_id: str) -> StoredFile:
        """The file of that id.

        Raises:
            NotFoundError: There is none that the asker may see.
        """
        async with self._database.transaction(self._asker) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(statement("files", "find_file"), {**self._scope, "file": _plain(public_id)})
            row = await cursor.fetchone()
        if row is None:
            raise no_file(public_id)
        return stored_file(row)

    async def page(self, excerpt: Excerpt, purpose: str | None = None) -> Page[StoredFile]:
        """Files in the order of their uploads, of one purpose if one is given.

        Raises:
            InvalidRequestError: A cursor names no file.
        """
        async with self._database.transaction(self._asker) as connection:
            return await _FILES.page(connection, excerpt, {**self._scope, "purpose": purpose}, stored_file)

    async def content(self, file: StoredFile) -> AsyncIterator[bytes]:
        """The bytes of a file, piece by piece; the first is there when this returns, so that trouble is told in time.

        Raises:
            ContentNotKeptError: They stayed where the file was ingested from.
            NotFoundError: The file was deleted meanwhile.
            ObjectNotFoundError: They are not where they should be.
            ObjectsUnavailableError: Their place cannot be reached.
        """
        pieces = self._objects(file.place, file.filename).read(self._key(file.public_id))
        try:
            first = await anext(pieces, b"")
        except ObjectNotFoundError:
            await self.find(file.public_id)  # it may have been deleted this moment
            raise

        async def all_of_them() -> AsyncIterator[bytes]:
            yield first
            async for piece in pieces:
                yield piece

        return all_of_them()

    async def delete(self, public_id: str) -> None:
        """Remove a file with all documents that were made from it, also those that only others may read.

        Raises:
            NotFoundError: There is none that the asker may see.
            ConcurrentChangeError: It was attached to another store at the same moment.
        """
        # Bytes that cannot be reached now are removed with what has expired.
        with suppress(ObjectsUnavailableError):
            if not await remove_file(self._database, self._asker, self._places, _plain(public_id)):
                raise no_file(public_id)

    def _objects(self, place: str, filename: str) -> Objects:
        if place == "source":
            raise ContentNotKeptError(
                f"The bytes of {filename} are not kept",
                why="it was ingested from a folder, and stayed there",
                remedy="Its text is at /v1/vector_stores/{id}/files/{file_id}/content",
            )
        if place not in self._places:
            raise ObjectsUnavailableError(
                f"The bytes of {filename} lie in a {place}, which is not configured", remedy="Set RAGSTONE_OBJECTS_URL"
            )
        return self._places[place]

    def _key(self, public_id: str) -> str:
        return f"{self._asker.tenant.id}/{public_id}"


def no_file(public_id: str) -> NotFoundError:
    """The error for an id that is unknown, or of a file that the asker may not see."""
    return NotFoundError(f"There is no file {public_id}", remedy="GET /v1/files lists those that you may read")


def _plain(public_id: str) -> str:
    """The id, or one that no file has: the database takes no NUL."""
    return "" if "\0" in public_id else public_id
