"""Stores as both sides of the library know them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import dict_row

from ragstone.domain import Asker, EmbeddingModel, Store
from ragstone.errors import StoreNotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """A store as it is listed."""

    public_id: str
    name: str
    model: str
    created_at: datetime
    documents: int
    chunks: int


async def find_store(database: Database, asker: Asker, name_or_id: str) -> Store:
    """The store of that name or public id.

    Raises:
        StoreNotFoundError: There is none in this tenant.
    """
    async with database.transaction(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("library", "find_store"), {**scope(asker), "name": name_or_id})
        row = await cursor.fetchone()
    if row is None:
        raise StoreNotFoundError(
            f"There is no store {name_or_id}",
            remedy="`ragstone status` lists the stores; `ragstone ingest PATH --store NAME` makes one",
        )
    model = EmbeddingModel(
        name=row["model"],
        dimension=row["dimension"],
        max_tokens=row["max_tokens"],
        query_prefix=row["query_prefix"],
        passage_prefix=row["passage_prefix"],
    )
    return Store(
        id=row["id"],
        public_id=row["public_id"],
        name=row["name"],
        model=model,
        language=row["language"],
        created_at=row["created_at"],
    )


async def list_stores(database: Database, asker: Asker) -> list[StoreSummary]:
    """All stores of the tenant by name, with their size."""
    async with database.transaction(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("library", "list_stores"), scope(asker))
        return [StoreSummary(**row) for row in await cursor.fetchall()]
