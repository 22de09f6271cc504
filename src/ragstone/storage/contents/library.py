"""The writing side of the library in PostgreSQL."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, AsyncCursor
from psycopg.types.json import Jsonb

from ragstone.domain import Asker, Document, EmbeddingModel, IndexedChunk, Known, Store
from ragstone.errors import ModelError
from ragstone.storage.answers.remembered import settle_changes
from ragstone.storage.catalog.stores import DEFAULT_LANGUAGE, find_store, model_id
from ragstone.storage.contents.compaction import compact
from ragstone.storage.contents.versions import add_batch, add_version, supersede
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


class PostgresLibrary:
    """The documents of one tenant, from the writing side; see `ports.Library`."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Write on this asker's behalf."""
        self._database = database
        self._asker = asker
        self._scope = scope(asker)
        self._models: dict[EmbeddingModel, int] = {}

    async def open_store(self, name: str, model: EmbeddingModel) -> Store:
        """The store of that name; it is made if there is none.

        Raises:
            ModelError: The store exists with another model.
        """
        number = await self._model_id(model)
        async with self._database.transaction(self._asker) as connection:
            made = {
                **self._scope,
                "public_id": f"vs_{secrets.token_hex(12)}",
                "name": name,
                "model": number,
                "language": DEFAULT_LANGUAGE,
            }
            await connection.execute(statement("stores", "lock_store_name"), made)
            await connection.execute(statement("stores", "make_store"), made)
        store = await find_store(self._database, self._asker, name)
        if store.model.name != model.name:
            raise ModelError(
                f"The store {name} has vectors of {store.model.name}",
                why=f"this embedder is {model.name}",
                remedy="Ingest into another store, or with the embedder of this one",
            )
        return store

    async def known(self, store: Store) -> Mapping[str, Known]:
        """What the store holds, by source."""
        async with self._database.transaction(self._asker) as connection:
            cursor = await connection.execute(statement("library", "known"), {**self._scope, "store": store.id})
            return {row[0]: Known(row[1], row[2], row[3], tuple(row[4])) for row in await cursor.fetchall()}

    async def put(self, store: Store, document: Document, chunks: AsyncIterator[Sequence[IndexedChunk]]) -> str:
        """Store a document, replacing its source's former version; returns the public file id.

        All of it is one transaction, however many batches of chunks there are. Each batch is one lexical segment.
        """
        model = await self._model_id(store.model)
        # Most documents have one batch: waiting for it outside keeps their transaction short.
        batch = await anext(chunks, None)
        async with self._database.transaction(self._asker) as connection:
            await connection.execute(statement("stores", "stay"), {**self._scope, "store": store.id})
            version = await self._new_version(connection, store, document)
            while batch is not None:
                if batch:
                    await add_batch(connection, version.place, model, batch)
                batch = await anext(chunks, None)
            await supersede(connection, version.place, model, version.former)
        return version.file_id

    async def remove(self, store: Store, sources: Iterable[str]) -> int:
        """Remove documents; returns how many there were."""
        model = await self._model_id(store.model)
        place = {**self._scope, "store": store.id}
        wanted: dict[str, object] = {**place, "source_keys": [_key(source) for source in sources]}
        async with self._database.transaction(self._asker) as connection:
            await connection.execute(statement("stores", "stay"), place)
            cursor = await connection.execute(statement("library", "lock_files"), wanted)
            wanted["file_ids"] = [row[0] for row in await cursor.fetchall()]
            cursor = await connection.execute(statement("library", "lock_documents"), wanted)
            rows = await cursor.fetchall()
            for document_id, version_id in rows:
                gone = {**place, "document": document_id, "version": version_id}
                await connection.execute(statement("library", "remove_version", model), gone)
                await connection.execute(statement("library", "remove_document"), gone)
        return len(rows)

    async def tidy(self, store: Store) -> None:
        """Merge what single documents have added; cheap when there is little to do."""
        await compact(self._database, self._asker, store)
        await settle_changes(self._database)

    async def _model_id(self, model: EmbeddingModel) -> int:
        if model not in self._models:
            self._models[model] = await model_id(self._database, model)
        return self._models[model]

    async def _new_version(self, connection: AsyncConnection, store: Store, document: Document) -> _Version:
        cursor = await connection.execute(statement("library", "audience"), {"readers": list(document.readers)})
        (audience,) = await _row(cursor)
        key = _key(document.source)
        place = {**self._scope, "store": store.id, "audience": audience}
        for lock in ("lock_source", "lock_files"):
            await connection.execute(statement("library", lock), {**place, "source_key": key, "source_keys": [key]})
        cursor = await connection.execute(
            statement("library", "claim_document"),
            {
                **place,
                "public_id": f"file-{secrets.token_hex(12)}",
                "source": document.source,
                "source_key": key,
                "filename": document.filename,
                "attributes": Jsonb(dict(document.attributes)),
            },
        )
        document_id, public_id, former, file_id = await _row(cursor)
        place = {**place, "document": document_id, "file": public_id}
        file = {
            "filename": document.filename,
            "size": document.size,
            "media_type": document.reading.media_type,
            "content_hash": document.content_hash,
        }
        name = "add_source_file" if file_id is None else "change_source_file"
        await connection.execute(statement("library", name), {**place, **file})
        version_id = await add_version(connection, place, document)
        return _Version({**place, "version": version_id}, public_id, former)


@dataclass(frozen=True, slots=True)
class _Version:
    """A version that is being written."""

    place: Mapping[str, object]  # parameters that say whose, where and which
    file_id: str
    former: int | None  # the version that it replaces


async def _row(cursor: AsyncCursor) -> tuple[Any, ...]:
    row = await cursor.fetchone()
    assert row is not None
    return row


def _key(source: str) -> bytes:
    return hashlib.sha256(source.encode()).digest()
