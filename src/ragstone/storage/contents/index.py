"""The reading side of the library in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from pgvector import HalfVector
from psycopg import AsyncConnection, AsyncCursor

from ragstone.domain import Asker, Filter, Lexical, Passage, Span, Store, Turn, Vector
from ragstone.storage.catalog.stores import find_store
from ragstone.storage.contents import filters, postings
from ragstone.storage.database import ENTER, Database, entering, scope
from ragstone.storage.statements import statement

# Up to this many chunks are compared one by one: docs/decisions/0002-storage.md has the figures.
SCAN_UP_TO = 4000

_LONG = 600_000  # bytes of postings: more take longer to unpack than others should wait, milliseconds

# Ids of models by their names. They never change in a database, and every search needs one.
_models: WeakKeyDictionary[Database, dict[str, int]] = WeakKeyDictionary()

_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class PostgresIndex:
    """The documents of one tenant, from the reading side; see `ports.Index`."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Show what this asker may read."""
        self._database = database
        self._asker = asker
        self._models = _models.setdefault(database, {})

    async def store(self, name_or_id: str) -> Store:
        """The store of that name or public id.

        Raises:
            StoreNotFoundError: There is none in this tenant.
        """
        return await find_store(self._database, self._asker, name_or_id)

    @asynccontextmanager
    async def snapshot(self, stores: Sequence[Store]) -> AsyncIterator[PostgresSnapshot]:
        """A consistent view of these stores, which share one embedding model."""
        model_id = await self._model_id(stores[0])
        async with self._database.connection() as connection:
            snapshot = PostgresSnapshot(connection, model_id, self._asker, [store.id for store in stores])
            try:
                yield snapshot
            finally:
                await snapshot.close()

    async def quotes(self, stores: Sequence[Store], spans: Sequence[Span]) -> Sequence[frozenset[str]]:
        """What the stored texts say at each span: a text for each of the stores that has the document."""
        wanted = {
            **scope(self._asker),
            "stores": [store.id for store in stores],
            "files": [span.file_id for span in spans],
            "starts": [span.start for span in spans],
            "lengths": [span.end - span.start for span in spans],
        }
        found: list[set[str]] = [set() for _ in spans]
        async with self._database.transaction(self._asker) as connection:
            cursor = await connection.execute(statement("index", "quotes"), wanted)
            for place, text in await cursor.fetchall():
                found[place - 1].add(text)
        return [frozenset(texts) for texts in found]

    async def _model_id(self, store: Store) -> int:
        if store.model.name not in self._models:
            async with self._database.connection() as connection:
                cursor = await connection.execute("SELECT id FROM embedding_model WHERE name = %s", (store.model.name,))
                row = await cursor.fetchone()
            assert row is not None
            self._models[store.model.name] = row[0]
        return self._models[store.model.name]


class PostgresSnapshot:
    """One state of the index, held by a repeatable-read transaction; see `ports.Snapshot`."""

    def __init__(self, connection: AsyncConnection, model_id: int, asker: Asker, store_ids: Sequence[int]) -> None:
        """The transaction begins with the first question, in the same round trip."""
        self._connection = connection
        self._model_id = model_id
        self._asker = asker
        self._scope = {**scope(asker), "stores": list(store_ids)}
        self._begun = False
        self._size: int | None = None  # chunks that can be seen, once they are counted
        self._passing: dict[Filter, list[int]] = {}  # ids of the chunks that pass a filter

    async def lexical(self, terms: Sequence[str], condition: Filter | None) -> Lexical:
        """The postings of the terms, the size of the collection, and which chunks pass the filter."""
        async with self._connection.pipeline():
            await self._begin()
            collection = await self._run("collection", {})
            found = await self._run("postings", {"terms": list(terms)})
        counts = await collection.fetchone()
        assert counts is not None
        chunk_count, total_length, dead = counts
        self._size = chunk_count
        rankable = None if condition is None else np.array(await self._rankable(condition), np.int64)
        rows = await found.fetchall()
        if sum(len(entries) for _, entries in rows) > _LONG:
            return Lexical(await asyncio.to_thread(postings.unpack, rows, dead), chunk_count, total_length, rankable)
        return Lexical(postings.unpack(rows, dead), chunk_count, total_length, rankable)

    async def dense(
        self, vector: Vector, limit: int, condition: Filter | None, others: Sequence[int] = ()
    ) -> Mapping[int, float]:
        """Inner products by chunk id: of the nearest `limit` chunks that pass the filter, and of the others."""
        values: dict[str, object] = {"vector": HalfVector(vector), "limit": limit, "scan_up_to": SCAN_UP_TO}
        name, where = "nearest", ""
        if condition is not None:
            ids = await self._rankable(condition)
            few = len(ids) <= SCAN_UP_TO
            name, where = ("nearest_of", "") if few else ("nearest_filtered", filters.condition(condition, values))
            values["ids"] = ids
        async with self._connection.pipeline():
            await self._begin()
            nearest = await self._run(name, values, where)
            rest = await self._run("inner_products", {"vector": values["vector"], "ids": list(others)})
        found = await nearest.fetchall()
        if len(found) < limit and name != "nearest_of":
            found = await self._fill(found, limit, values)
        return dict([*found, *await rest.fetchall()])

    async def passages(self, chunk_ids: Sequence[int]) -> Mapping[int, Passage]:
        """Bodies by chunk id; chunks that do not exist are absent."""
        await self._begin()
        cursor = await self._run("passages", {"ids": list(chunk_ids)})
        return {row[0]: _passage(row) for row in await cursor.fetchall()}

    async def close(self) -> None:
        """End the transaction."""
        if self._begun and not self._connection.closed:
            await self._connection.execute("ROLLBACK")

    async def _fill(self, found: list[Any], limit: int, values: Mapping[str, object]) -> list[Any]:
        """All of the nearest, when the approximate index gave up before it had seen enough that may be seen."""
        if "ids" in values:
            cursor = await self._run("nearest_of", values)
        elif self._size is None or len(found) < min(limit, self._size):
            cursor = await self._run("nearest_scanned", values)
        else:
            return found
        return await cursor.fetchall()

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._connection.execute(_BEGIN)
            await self._connection.execute(ENTER, entering(self._asker))

    async def _rankable(self, condition: Filter) -> list[int]:
        if condition not in self._passing:
            await self._begin()
            values: dict[str, object] = {}
            cursor = await self._run("rankable", values, filters.condition(condition, values))
            self._passing[condition] = [row[0] for row in await cursor.fetchall()]
        return self._passing[condition]

    async def _run(self, name: str, parameters: Mapping[str, object], condition: str = "") -> AsyncCursor:
        query = statement("index", name, self._model_id).replace(b"{condition}", condition.encode())
        cursor = self._connection.cursor(binary=True)
        return await cursor.execute(query, {**self._scope, **parameters})


def _passage(row: Sequence[Any]) -> Passage:
    return Passage(
        chunk_id=row[0],
        file_id=row[1],
        filename=row[2],
        source=row[3],
        attributes=json.loads(row[4]),
        page=row[5],
        heading=tuple(row[6]),
        turns=tuple(Turn(start, tuple(heading), page) for start, heading, page in json.loads(row[7] or "[]")),
        text=row[8],
        start=row[9],
        end=row[10],
    )
