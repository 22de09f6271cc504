"""What a claimed document is to become, and its becoming that: all of it or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.domain import Chunking, Document, EmbeddingModel, IndexedChunk, Store
from ragstone.errors import ClaimLostError, ConcurrentChangeError
from ragstone.storage.contents.versions import add_batch, add_version, supersede
from ragstone.storage.database import Database
from ragstone.storage.statements import statement
from ragstone.storage.work.queue import Claim, end


@dataclass(frozen=True, slots=True)
class Assignment:
    """An uploaded file that is to become a document of a store."""

    document_id: int
    audience_id: int  # of those who may read it
    source: str
    filename: str
    file: str  # public id
    place: str  # where its bytes lie: database or bucket
    content_hash: bytes | None  # SHA-256, as it was uploaded
    chunking: Chunking | None  # None: chosen by the service
    store: Store
    model_id: int


async def assignment(database: Database, claim: Claim) -> Assignment:
    """What is to be done for this claim.

    Raises:
        ClaimLostError: It was cancelled or taken away, or the document is gone.
    """
    async with database.transaction(claim.asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("queue", "assignment"), claim.scope)
        row = await cursor.fetchone()
    if row is None:
        raise ClaimLostError(f"Task {claim.id} was taken away", why="its document was cancelled or removed")
    return Assignment(
        document_id=row["document"],
        audience_id=row["audience"],
        source=row["source"],
        filename=row["filename"],
        file=row["file"],
        place=row["place"],
        content_hash=row["content_hash"],
        chunking=Chunking(row["max_chunk_tokens"], row["chunk_overlap_tokens"]) if row["max_chunk_tokens"] else None,
        store=_store(row),
        model_id=row["model_id"],
    )


def _store(row: dict[str, Any]) -> Store:
    model = EmbeddingModel(
        row["model"], row["dimension"], row["max_tokens"], row["query_prefix"], row["passage_prefix"]
    )
    return Store(row["store"], row["public_id"], row["name"], model, row["language"], row["created_at"])


async def fulfil(
    database: Database,
    claim: Claim,
    wanted: Assignment,
    document: Document,
    chunks: AsyncIterator[Sequence[IndexedChunk]],
) -> None:
    """Store the document's new version, complete it and end the task, all in one transaction.

    The chunks should be at hand: who deletes the document waits for the transaction. Each batch is a lexical segment.

    Raises:
        ClaimLostError: The task was cancelled or taken away, or the document is gone; nothing is stored.
        ConcurrentChangeError: Its readers were changed meanwhile; nothing is stored, and it can be tried again.
    """
    place = {
        **claim.scope,
        "store": wanted.store.id,
        "document": wanted.document_id,
        "audience": wanted.audience_id,
    }
    async with database.transaction(claim.asker) as connection:
        await connection.execute(statement("queue", "give_way"))
        for lock in ("stores", "documents"):
            await connection.execute(statement(lock, "stay"), place)
        try:
            place["version"] = await add_version(connection, place, document)
        except (psycopg.errors.ForeignKeyViolation, psycopg.errors.UniqueViolation):
            why = "its document was removed, or completed by another worker"
            raise ClaimLostError(f"{wanted.filename} was taken away", why=why) from None
        async for batch in chunks:
            await add_batch(connection, place, wanted.model_id, batch)
        await _complete(connection, claim, place, wanted)


async def _complete(connection: AsyncConnection, claim: Claim, place: dict[str, object], wanted: Assignment) -> None:
    changed = ConcurrentChangeError(f"{wanted.filename} was changed while it was read", remedy="It is tried again")
    try:
        await connection.execute(statement("queue", "wait_little"))
        await end(connection, claim)
        cursor = await connection.execute(statement("queue", "complete_document"), place)
        row = await cursor.fetchone()
        if row is None:
            raise changed
        # Locks the file, as the second change of the document.
        await supersede(connection, place, wanted.model_id, row[0])
    except psycopg.errors.LockNotAvailable:
        raise changed from None
