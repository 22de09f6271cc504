"""Stores as they are made, listed, changed and deleted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ragstone.domain import Asker, EmbeddingModel
from ragstone.storage.catalog.attaching import Attachment, attach
from ragstone.storage.catalog.removal import empty_store
from ragstone.storage.catalog.stores import expired_store, model_id, no_store, shut_store
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement

_STORES = Listing("stores", "list_stores", "store_position")


@dataclass(frozen=True, slots=True)
class Counts:
    """Files by what has become of them, as far as the asker may see them."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.in_progress + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Label:
    """What is said of a store by whoever made it."""

    name: str = ""
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_after_days: int | None = None  # without activity; None: never


@dataclass(frozen=True, slots=True)
class StoredStore:
    """A store as it is shown."""

    id: int  # inside the database
    public_id: str  # vs_..., what the interface shows
    label: Label
    language: str
    created_at: datetime
    last_active_at: datetime
    counts: Counts
    usage_bytes: int  # of the files in it
    expired: bool

    @property
    def expires_at(self) -> datetime | None:
        """When it reaches its end if nobody uses it; None: never."""
        days = self.label.expires_after_days
        return None if days is None else self.last_active_at + timedelta(days=days)


class PostgresStores:
    """The stores of one tenant, with what one asker may see of them."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Act for this asker."""
        self._database = database
        self._asker = asker
        self._scope = scope(asker)

    async def create(
        self, label: Label, model: EmbeddingModel, language: str, files: Sequence[Attachment] = ()
    ) -> StoredStore:
        """A new store, with these files on their way into it.

        Raises:
            NotFoundError: One of the files is not there for the asker.
            InvalidRequestError: One of them cannot be attached.
        """
        public_id = f"vs_{secrets.token_hex(12)}"
        number = await model_id(self._database, model)
        async with self._database.transaction(self._asker) as connection:
            made = {
                **self._scope,
                **_columns(label),
                "public_id": public_id,
                "model": number,
                "language": language,
            }
            row = await (await connection.execute(statement("stores", "add_store"), made)).fetchone()
            assert row is not None
            await attach(connection, self._asker, row[0], files)
            return await self._describe(connection, public_id)

    async def find(self, public_id: str) -> StoredStore:
        """The store of that id.

        Raises:
            NotFoundError: There is none in this tenant.
        """
        async with self._database.transaction(self._asker) as connection:
            return await self._describe(connection, public_id)

    async def page(self, excerpt: Excerpt) -> Page[StoredStore]:
        """Stores in the order in which they were made.

        Raises:
            InvalidRequestError: A cursor names no store.
        """
        async with self._database.transaction(self._asker) as connection:
            return await _STORES.page(connection, excerpt, self._scope, _stored_store)

    async def change(self, public_id: str, changes: Mapping[str, Any]) -> StoredStore:
        """Change fields of the label; the others stay.

        Raises:
            NotFoundError: There is none in this tenant.
            StoreExpiredError: It has reached its end, which is not taken back.
        """
        place = {**self._scope, "store_id": _plain(public_id)}
        async with self._database.transaction(self._asker) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(statement("stores", "lock_store"), place)
            row = await cursor.fetchone()
            if row is None:
                raise no_store(public_id)
            if row["expired"]:
                raise expired_store(public_id)
            label = Label(**{**{name: row[name] for name in Label.__slots__}, **changes})
            await connection.execute(
                statement("stores", "change_store"), {**place, **_columns(label), "store": row["id"]}
            )
            return await self._describe(connection, public_id)

    async def delete(self, public_id: str) -> None:
        """Remove a store and all that it holds, also what only others may read; uploaded files stay.

        Raises:
            NotFoundError: There is none in this tenant.
        """
        async with self._database.transaction(self._asker) as connection:
            store = await shut_store(connection, self._asker, public_id)
            await empty_store(connection, self._asker, store)
            await connection.execute(statement("stores", "remove_store"), {**self._scope, "store": store.id})

    async def _describe(self, connection: AsyncConnection, public_id: str) -> StoredStore:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("stores", "describe_store"), {**self._scope, "store_id": _plain(public_id)})
        row = await cursor.fetchone()
        if row is None:
            raise no_store(public_id)
        return _stored_store(row)


def _columns(label: Label) -> dict[str, object]:
    return {
        "name": label.name,
        "description": label.description,
        "metadata": Jsonb(dict(label.metadata)),
        "days": label.expires_after_days,
    }


def _stored_store(row: Mapping[str, Any]) -> StoredStore:
    return StoredStore(
        id=row["id"],
        public_id=row["public_id"],
        label=Label(row["name"], row["description"], row["metadata"], row["expires_after_days"]),
        language=row["language"],
        created_at=row["created_at"],
        last_active_at=row["last_active_at"],
        counts=Counts(row["in_progress"], row["completed"], row["failed"], row["cancelled"]),
        usage_bytes=row["usage_bytes"],
        expired=row["expired"],
    )


def _plain(public_id: str) -> str:
    return public_id.replace("\0", " ")
