"""Files that are attached to a store together, and looked after together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.domain import Asker, Priority
from ragstone.errors import NotFoundError
from ragstone.storage.catalog.attaching import Attachment, attach
from ragstone.storage.catalog.documents import Status, StoredDocument, stored_document
from ragstone.storage.catalog.store_catalog import Counts
from ragstone.storage.catalog.stores import locate_store, use_store
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement
from ragstone.storage.work.queue import cancel

# A file of a batch has its place by the store's order, so a cursor is found there.
_ITEMS = Listing("batches", "list_items", "document_position", positions="documents")


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch of files of one store."""

    id: int  # inside the database
    public_id: str  # vsfb_...
    store_id: str  # vs_...
    created_at: datetime
    counts: Counts
    cancelled: bool  # somebody asked for it

    @property
    def status(self) -> Status:
        """What can be said of all its files together."""
        if self.counts.in_progress:
            return "in_progress"
        if self.cancelled:
            return "cancelled"
        return "failed" if 0 < self.counts.failed == self.counts.total else "completed"


class PostgresBatches:
    """The batches of one tenant, with what one asker may see of their files."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Act for this asker."""
        self._database = database
        self._asker = asker
        self._scope = scope(asker)

    async def create(self, store_id: str, wanted: Sequence[Attachment]) -> StoredBatch:
        """Put files into a store, all or none; returns at once, while they wait to be read.

        Raises:
            NotFoundError: There is no such store, or one of the files is not there for the asker.
            InvalidRequestError: The store has expired, or one of the files cannot be attached.
            ConflictError: One of them is attached at this moment, or is there for others alone.
        """
        public_id = f"vsfb_{secrets.token_hex(12)}"
        async with self._database.transaction(self._asker) as connection:
            store = await use_store(connection, self._asker, store_id)
            documents = await attach(
                connection, self._asker, store.id, wanted, max(Priority.BATCH, self._asker.priority)
            )
            place = {**self._scope, "public_id": public_id, "store": store.id, "documents": documents}
            row = await (await connection.execute(statement("batches", "add_batch"), place)).fetchone()
            assert row is not None
            await connection.execute(statement("batches", "add_items"), {**place, "batch": row[0]})
            return await self._find(connection, store_id, store.id, public_id)

    async def find(self, store_id: str, batch_id: str) -> StoredBatch:
        """The batch of that id.

        Raises:
            NotFoundError: There is no such store, or it has no such batch.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id)
            return await self._find(connection, store_id, store.id, batch_id)

    async def cancel(self, store_id: str, batch_id: str) -> StoredBatch:
        """Read those of its files no more that are not read yet; does nothing when all are.

        Raises:
            NotFoundError: There is no such store, or it has no such batch.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id, hold=True)
            batch = await self._find(connection, store_id, store.id, batch_id)
            place = {**self._scope, "batch": batch.id}
            cursor = await connection.execute(statement("batches", "unfinished"), place)
            if await cancel(connection, self._asker, [row[0] for row in await cursor.fetchall()]):
                await connection.execute(statement("batches", "set_cancelled"), place)
            return await self._find(connection, store_id, store.id, batch_id)

    async def page(
        self, store_id: str, batch_id: str, excerpt: Excerpt, status: Status | None = None
    ) -> Page[StoredDocument]:
        """Files of a batch in the order in which they were first attached, of one status if one is given.

        Raises:
            NotFoundError: There is no such store, or it has no such batch.
            InvalidRequestError: A cursor names no file of the store.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await locate_store(connection, self._asker, store_id)
            batch = await self._find(connection, store_id, store.id, batch_id)
            place = {"store": store.id, "store_id": store_id, "batch": batch.id, "status": status}
            return await _ITEMS.page(connection, excerpt, {**self._scope, **place}, stored_document)

    async def _find(self, connection: AsyncConnection, store_id: str, store: int, batch_id: str) -> StoredBatch:
        cursor = connection.cursor(row_factory=dict_row)
        place = {**self._scope, "store": store, "store_id": store_id, "batch_id": batch_id.replace("\0", " ")}
        await cursor.execute(statement("batches", "find_batch"), place)
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError(f"There is no file batch {batch_id} in this vector store")
        return _stored_batch(row)


def _stored_batch(row: Mapping[str, Any]) -> StoredBatch:
    return StoredBatch(
        id=row["id"],
        public_id=row["public_id"],
        store_id=row["store_id"],
        created_at=row["created_at"],
        counts=Counts(row["in_progress"], row["completed"], row["failed"], row["cancelled"]),
        cancelled=row["cancelled_on_demand"],
    )
