"""Stores as both sides of the library know them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.domain import Asker, EmbeddingModel, Store
from ragstone.errors import NotFoundError, StoreExpiredError, StoreNotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

DEFAULT_LANGUAGE = "english"  # of a store whose maker names none


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """A store as the command line lists it."""

    public_id: str
    name: str
    model: str
    created_at: datetime
    documents: int
    chunks: int


async def find_store(database: Database, asker: Asker, name_or_id: str) -> Store:
    """The store of that name or public id, which counts as active from now on.

    Raises:
        StoreNotFoundError: There is none in this tenant.
        StoreExpiredError: It has reached its end.
    """
    async with database.transaction(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("stores", "find_store"), {**scope(asker), "name": name_or_id.replace("\0", " ")})
        row = await cursor.fetchone()
        if row is not None and row["idle"] and not row["expired"]:
            # Once a minute at most. Nobody waits for the disk: what is lost is a minute of a store's life.
            await connection.execute("SELECT set_config('synchronous_commit', 'off', true)")
            await connection.execute(statement("stores", "touch_store"), {**scope(asker), "store": row["id"]})
    if row is None:
        raise StoreNotFoundError(
            f"There is no store {name_or_id}",
            remedy="`ragstone status` lists the stores; `ragstone ingest PATH --store NAME` makes one",
        )
    if row["expired"]:
        raise expired_store(name_or_id)
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
        metadata=row["metadata"],
    )


async def list_stores(database: Database, asker: Asker) -> list[StoreSummary]:
    """All stores of the tenant by name, with their size."""
    async with database.transaction(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("stores", "sizes"), scope(asker))
        return [StoreSummary(**row) for row in await cursor.fetchall()]


async def model_id(database: Database, model: EmbeddingModel) -> int:
    """The id of a model inside the database, which is made with its table if it is new."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT model_named(%s, %s, %s, %s, %s)",
            (model.name, model.dimension, model.max_tokens, model.query_prefix, model.passage_prefix),
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True)
class Located:
    """A store inside the database."""

    id: int
    model_id: int
    expired: bool


# Whoever needs several locks takes them in one order, so that nobody waits in a circle: stores, new audiences, sources
# that are ingested, files, documents or responses, tasks; several of a kind by their ids. What the asker may not read
# is locked as well. Some locks come by themselves: a row that is added, or is changed twice in a transaction, locks
# those that it refers to, and one that is removed those that go with it. Two go another way, and make nobody wait: a
# worker's last step gives way to everybody else, and what looks across tenants passes over what is locked.


async def locate_store(connection: AsyncConnection, asker: Asker, public_id: str, *, hold: bool = False) -> Located:
    """The store of that public id; with `hold` it does not vanish before the transaction ends.

    Raises:
        NotFoundError: There is none in this tenant.
    """
    return await _located(connection, asker, public_id, "hold_store" if hold else "locate_store")


async def shut_store(connection: AsyncConnection, asker: Asker, public_id: str) -> Located:
    """The store of that public id, which nobody else uses from now on until the transaction ends.

    Raises:
        NotFoundError: There is none in this tenant.
    """
    return await _located(connection, asker, public_id, "shut_store")


async def use_store(connection: AsyncConnection, asker: Asker, public_id: str) -> Located:
    """The store of that public id, which counts as active from now on and does not vanish before the transaction ends.

    Raises:
        NotFoundError: There is none in this tenant.
        StoreExpiredError: It has reached its end.
    """
    located = await locate_store(connection, asker, public_id, hold=True)
    if located.expired:
        raise expired_store(public_id)
    await connection.execute(statement("stores", "touch_store"), {**scope(asker), "store": located.id})
    return located


async def _located(connection: AsyncConnection, asker: Asker, public_id: str, name: str) -> Located:
    place = {**scope(asker), "store_id": public_id.replace("\0", " ")}
    row = await (await connection.execute(statement("stores", name), place)).fetchone()
    if row is None:
        raise no_store(public_id)
    return Located(*row)


def no_store(public_id: str) -> NotFoundError:
    """The error for an id that no store of the tenant has."""
    return NotFoundError(f"There is no vector store {public_id}", remedy="GET /v1/vector_stores lists them")


def expired_store(name_or_id: str) -> StoreExpiredError:
    """The error for a store that has reached its end."""
    return StoreExpiredError(
        f"The vector store {name_or_id} has expired",
        why="it was not used for as long as its expires_after says",
        remedy="Make another; the uploaded files are still there",
    )
