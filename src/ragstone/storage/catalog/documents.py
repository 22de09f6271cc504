"""Files of a store, from outside: what became of them, and their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ragstone.domain import Asker, Attributes, Chunking, Priority
from ragstone.errors import ConflictError, NotFoundError
from ragstone.storage.catalog.attaching import Attachment, attach
from ragstone.storage.catalog.audiences import audience_of, reading_all
from ragstone.storage.catalog.handover import hand_over
from ragstone.storage.catalog.removal import remove_documents
from ragstone.storage.catalog.stores import locate_store, use_store
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement

Status: TypeAlias = Literal["in_progress", "completed", "cancelled", "failed"]

LONGEST_ANSWER = 4_000_000  # characters of text at once

_DOCUMENTS = Listing("documents", "list_documents", "document_position")


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A file in a store."""

    id: int  # inside the database
    file_id: str  # file-..., the same in every store that the file is attached to
    store_id: str  # vs_...
    status: Status
    error_code: str | None  # of a failed one: server_error, unsupported_file or invalid_file
    error_message: str | None
    attributes: Attributes
    created_at: datetime
    usage_bytes: int  # of the file, once it is read
    chunking: Chunking | None  # None: chosen by the service
    readers: tuple[str, ...]  # principals; none: everybody in the tenant


@dataclass(frozen=True, slots=True)
class Text:
    """A part of a document's text: its pages, as far as it has pages."""

    pages: tuple[str, ...]  # together the text without a gap
    next: int | None  # offset at which the rest begins


class PostgresDocuments:
    """The files in the stores of one tenant, as far as one asker may see them."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Act for this asker."""
        self._database = database
        self._asker = asker
        self._scope = scope(asker)

    async def attach(self, store_id: str, wanted: Attachment) -> StoredDocument:
        """Put a file into a store; returns at once, while it waits to be read.

        Raises:
            NotFoundError: There is no such store or file for the asker.
            InvalidRequestError: The store has expired, the file's bytes are not kept, or its readers do not fit.
            ConflictError: It is attached at this moment, or there for others alone.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await use_store(connection, self._asker, store_id)
            await attach(connection, self._asker, store.id, [wanted], max(Priority.INTERACTIVE, self._asker.priority))
            return await self._find(connection, store.id, wanted.file_id)

    async def find(self, store_id: str, file_id: str) -> StoredDocument:
        """A file of a store.

        Raises:
            NotFoundError: There is no such store, or the asker sees no such file in it.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id)
            return await self._find(connection, store.id, file_id)

    async def page(self, store_id: str, excerpt: Excerpt, status: Status | None = None) -> Page[StoredDocument]:
        """Files of a store in the order in which they were attached, of one status if one is given.

        Raises:
            NotFoundError: There is no such store.
            InvalidRequestError: A cursor names no file of the store.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id)
            place = {**self._scope, "store": store.id, "store_id": store_id, "status": status}
            return await _DOCUMENTS.page(connection, excerpt, place, stored_document)

    async def change(
        self, store_id: str, file_id: str, attributes: Attributes | None, readers: Sequence[str] | None
    ) -> StoredDocument:
        """Give a file of a store other attributes or other readers, in force for every search from then on.

        Raises:
            NotFoundError: There is no such store, or the asker sees no such file in it.
            InvalidRequestError: The readers leave the asker out.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id, hold=True)
            document = await self._find(connection, store.id, file_id)
            audience = None if readers is None else await audience_of(connection, readers)
            place = {**self._scope, "file": document.file_id, "documents": [document.id]}
            async with reading_all(connection, self._asker):
                await connection.execute(statement("documents", "hold_file"), place)
            if attributes is not None:
                place["attribute_sets"] = [Jsonb(dict(attributes))]
                await connection.execute(statement("documents", "set_attributes"), place)
            if audience is not None:
                await hand_over(connection, self._asker, document.id, audience)
            return await self._find(connection, store.id, file_id)

    async def remove(self, store_id: str, file_id: str) -> None:
        """Take a file out of a store; an uploaded one stays uploaded.

        Raises:
            NotFoundError: There is no such store, or the asker sees no such file in it.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id, hold=True)
            place = {**self._scope, "store": store.id, "file": _plain(file_id)}
            await connection.execute(statement("documents", "lock_source_file"), place)
            if not await remove_documents(connection, place, "lock_document"):
                raise _no_document(file_id)

    async def text(self, store_id: str, file_id: str, start: int = 0) -> Text:
        """What was read of a file, from this character on, at most `LONGEST_ANSWER` characters of it.

        Raises:
            NotFoundError: There is no such store, or the asker sees no such file in it.
            ConflictError: The file has not been read.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id)
            place = {**self._scope, "store": store.id, "file": _plain(file_id)}
            place |= {"start": start, "length": LONGEST_ANSWER}
            row = await (await connection.execute(statement("documents", "body"), place)).fetchone()
            if row is None:
                raise _no_document(file_id)
            document, version, status, body, length = row
            if version is None:
                raise ConflictError(f"The file {file_id} has no text", why=f"its status is {status}")
            place |= {"document": document, "version": version}
            cursor = await connection.execute(statement("documents", "page_starts"), place)
            starts = [found[0] - start for found in await cursor.fetchall()]
        end = start + len(body)
        return Text(_pages(body, starts), end if end < length else None)

    async def _find(self, connection: AsyncConnection, store: int, file_id: str) -> StoredDocument:
        cursor = connection.cursor(row_factory=dict_row)
        place = {**self._scope, "store": store, "file": _plain(file_id)}
        await cursor.execute(statement("documents", "find_document"), place)
        row = await cursor.fetchone()
        if row is None:
            raise _no_document(file_id)
        return stored_document(row)


def stored_document(row: Mapping[str, Any]) -> StoredDocument:
    """A file of a store out of the columns of its row."""
    tokens = row["max_chunk_tokens"]
    return StoredDocument(
        id=row["id"],
        file_id=row["public_id"],
        store_id=row["store_id"],
        status=row["status"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        attributes=row["attributes"],
        created_at=row["created_at"],
        usage_bytes=row["usage_bytes"],
        chunking=None if tokens is None else Chunking(tokens, row["chunk_overlap_tokens"]),
        readers=tuple(row["readers"]),
    )


def _pages(body: str, starts: Sequence[int]) -> tuple[str, ...]:
    """The text cut where pages begin; blanks between two pages end the first."""
    cuts = [0, *(start for start in starts[1:] if 0 < start < len(body)), len(body)]
    return tuple(body[start:end] for start, end in pairwise(cuts) if end > start)


def _no_document(file_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no file {file_id} in this vector store",
        remedy="GET /v1/vector_stores/{id}/files lists those that you may read",
    )


def _plain(public_id: str) -> str:
    return public_id.replace("\0", " ")
