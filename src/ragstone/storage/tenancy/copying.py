"""Rows of a tenant on their way to another place: all of them, or what has changed since they were copied.

Each table's rows fall into buckets by their keys. The stamp of a bucket tells which versions of rows it has, by where
PostgreSQL keeps them and which transactions wrote them: quick to compute, and no change leaves it as it was. Only in
buckets whose stamp is another one are the rows of both sides compared.

Which tables there are, and how a row reads in its new place, is asked of the catalog (`tenant_tables` and
`moved_columns` in the migrations), so that a table that is new tomorrow moves as well.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TypeAlias

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from ragstone.domain import Asker
from ragstone.storage.database import ATTEND, entering

_ROWS = 500  # that travel at once
_BYTES = 4 * 2**20  # or as many as have this much text
_PAGE = 20_000  # digests that are read at once

Stamps: TypeAlias = Mapping[int, tuple[int, int]]
"""Number of rows and a digest of their versions, by bucket."""

# Texts of values have to come out the same on both sides.
_SESSION = b"SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of tenants."""

    name: str
    sharded: bool
    keys: tuple[str, ...]  # columns of the primary key
    parents: frozenset[str]  # tables that it refers to

    def rows(self, alias: str = "t") -> str:
        """The condition that finds a tenant's rows; lines about keys and users stay where those are."""
        parts = [f"{alias}.tenant_id = %(tenant)s"]
        if self.sharded:
            parts.append(f"{alias}.shard = %(shard)s")
        if self.name == "audit":
            parts.append(f"NOT ragstone.stays_with_keys({alias}.action)")
        return " AND ".join(parts)

    def bucket(self, alias: str = "t") -> str:
        """An expression for the bucket of a row, of 4,096; the same in every database."""
        keys = ", ".join(f"{alias}.{column}" for column in self.keys if column != "shard")
        return f"('x' || left(md5(ROW({keys})::text), 3))::bit(12)::int"


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a move: a connection to its database, and the shard there."""

    connection: AsyncConnection
    asker: Asker  # on whose behalf the tenant is moved; it reads all
    shard: int

    @property
    def place(self) -> dict[str, object]:
        """Parameters that find the rows."""
        return {"tenant": self.asker.tenant.id, "shard": self.shard}

    @asynccontextmanager
    async def transaction(self, *, frozen: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees the tenant's rows; if frozen, as they are at its beginning."""
        async with self.connection.transaction():
            if frozen:
                await self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await self.connection.execute(ATTEND, entering(self.asker))
            await self.connection.execute(_SESSION)
            yield self.connection


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done for a table to be the same on both sides; rows are named by their keys as JSON."""

    missing: Sequence[str] = ()  # or changed
    surplus: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A tenant's rows at both ends."""

    source: Side
    target: Side
    tables: Sequence[Table]  # each behind those that it refers to
    models: Mapping[int, int] = field(default_factory=dict)  # numbers of embedding models, from source to target

    async def run(self, known: Mapping[str, Stamps] | None = None) -> dict[str, Stamps]:
        """Make the target the same as the source is now; returns the stamps of the source, by table.

        `known` are those of an earlier run: only what has changed since is looked at. Without them, what the target has
        is compared and not sent again.
        """
        stamps: dict[str, Stamps] = {}
        differences: dict[str, Difference] = {}
        async with self.source.transaction(frozen=True):
            for table in reversed(self.tables):
                stamps[table.name] = await self._stamps(table)
                before = None if known is None else known.get(table.name)
                buckets = None if before is None else _changed(before, stamps[table.name])
                if buckets == [] or (known is None and await self._is_empty(table)):
                    continue
                differences[table.name] = await self._difference(table, buckets)
                await self._discard(table, differences[table.name].surplus)
            for table in self.tables:
                if known is None and table.name not in differences:
                    rows = self._all(table)
                else:
                    rows = self._some(table, differences.get(table.name, Difference()).missing)
                async for batch in rows:
                    await self._import(table, batch)
        return stamps

    async def follow_numbers(self) -> None:
        """Let the target give no number that the source has given, not even that of a row which is gone."""
        row = await (await self.source.connection.execute("SELECT numbers_given()")).fetchone()
        assert row is not None
        await self.target.connection.execute("SELECT follow_numbers(%s)", (Jsonb(row[0]),))

    async def _stamps(self, table: Table) -> Stamps:
        query = (
            f"SELECT {table.bucket()}, count(*), bit_xor(hashtextextended(t.ctid::text, t.xmin::text::bigint))"  # noqa: S608
            f" FROM ragstone.{table.name} t WHERE {table.rows()} GROUP BY 1"
        )
        cursor = await self.source.connection.execute(query.encode(), self.source.place)
        return {bucket: (rows, digest) for bucket, rows, digest in await cursor.fetchall()}

    async def _is_empty(self, table: Table) -> bool:
        async with self.target.transaction() as connection:
            query = f"SELECT EXISTS (SELECT FROM ragstone.{self._there(table)} t WHERE {table.rows()})"  # noqa: S608
            cursor = await connection.execute(query.encode(), self.target.place)
            row = await cursor.fetchone()
        return row == (False,)

    async def _difference(self, table: Table, buckets: Sequence[int] | None) -> Difference:
        """Both sides tell keys and digests in the order of the keys, and are walked through together."""
        missing: list[str] = []
        surplus: list[str] = []
        async with self.target.transaction():
            ours = self._digests(self.source, table.name, table, buckets)
            theirs = self._digests(self.target, self._there(table), table, buckets)
            here, there = await anext(ours, None), await anext(theirs, None)
            while here or there:
                if there is None or (here is not None and here[0] < there[0]):
                    assert here is not None
                    missing.append(here[0])
                    here = await anext(ours, None)
                elif here is None or there[0] < here[0]:
                    surplus.append(there[0])
                    there = await anext(theirs, None)
                else:
                    if here[1] != there[1]:
                        missing.append(here[0])
                    here, there = await anext(ours, None), await anext(theirs, None)
        return Difference(missing, surplus)

    async def _digests(
        self, side: Side, name: str, table: Table, buckets: Sequence[int] | None
    ) -> AsyncIterator[tuple[str, str]]:
        key = ", ".join(f"'{column}', t.{column}" for column in table.keys if column != "shard")
        columns = await self._columns(side, name, digest=True)
        query = (
            f'SELECT jsonb_build_object({key})::text COLLATE "C" AS key, md5(ROW({columns})::text)'  # noqa: S608
            f" FROM ragstone.{name} t WHERE {table.rows()}"
            f"{'' if buckets is None else f' AND {table.bucket()} = ANY (%(buckets)s)'} ORDER BY key"
        )
        async with side.connection.cursor(f"digests_{name}") as cursor:
            await cursor.execute(query.encode(), {**side.place, "buckets": buckets})
            while page := await cursor.fetchmany(_PAGE):
                for found in page:
                    yield found[0], found[1]

    async def _columns(self, side: Side, name: str, *, digest: bool) -> str:
        models = self.models if side is self.source else {}
        cursor = await side.connection.execute(
            "SELECT moved_columns(%s, %s, %s, %s)", (name, self.target.shard, json.dumps(models), digest)
        )
        row = await cursor.fetchone()
        assert row is not None
        return str(row[0]).replace("%", "%%")

    async def _all(self, table: Table) -> AsyncIterator[list[str]]:
        columns = await self._columns(self.source, table.name, digest=False)
        query = f"SELECT ROW({columns})::text FROM ragstone.{table.name} t WHERE {table.rows()}"  # noqa: S608
        async with self.source.connection.cursor(f"rows_{table.name}") as cursor:
            await cursor.execute(query.encode(), self.source.place)
            batch: list[str] = []
            size = 0
            # One after the other from the driver's point of view; it fetches a few at once.
            cursor.itersize = 20 if table.name == "file_part" else _ROWS
            async for (row,) in cursor:
                batch.append(row)
                size += len(row)
                if len(batch) == _ROWS or size > _BYTES:
                    yield batch
                    batch, size = [], 0
            if batch:
                yield batch

    async def _some(self, table: Table, keys: Sequence[str]) -> AsyncIterator[list[str]]:
        columns = await self._columns(self.source, table.name, digest=False)
        matches = " AND ".join(f"t.{column} = k.{column}" for column in table.keys if column != "shard")
        query = (
            f"SELECT ROW({columns})::text FROM jsonb_populate_recordset(NULL::ragstone.{table.name}, %(keys)s) k"  # noqa: S608
            f" JOIN ragstone.{table.name} t ON {matches} WHERE {table.rows()}"
        )
        step = 4 if table.name == "file_part" else _ROWS
        for first in range(0, len(keys), step):
            place = {**self.source.place, "keys": _array(keys[first : first + step])}
            cursor = await self.source.connection.execute(query.encode(), place)
            yield [row[0] for row in await cursor.fetchall()]

    async def _import(self, table: Table, rows: list[str]) -> None:
        async with self.target.transaction() as connection:
            await connection.execute("SELECT import_rows(%s, %s, %b)", (self._there(table), self.target.shard, rows))

    async def _discard(self, table: Table, keys: Sequence[str]) -> None:
        for first in range(0, len(keys), _ROWS):
            async with self.target.transaction() as connection:
                await connection.execute(
                    "SELECT discard_rows(%s, %s, %s)",
                    (self._there(table), self.target.shard, _array(keys[first : first + _ROWS])),
                )

    def _there(self, table: Table) -> str:
        """The name of the table in the target: that of a model's vectors has the model's number."""
        stem, _, number = table.name.rpartition("_")
        return f"{stem}_{self.models.get(int(number), int(number))}" if stem == "embedding" else table.name


def _changed(before: Stamps, after: Stamps) -> list[int]:
    return sorted(bucket for bucket in before.keys() | after.keys() if before.get(bucket) != after.get(bucket))


def _array(keys: Sequence[str]) -> str:
    return f"[{','.join(keys)}]"


async def tables_of(connection: AsyncConnection, *, sharded_only: bool = False) -> list[Table]:
    """The tables with rows of tenants, each behind those that it refers to."""
    cursor = await connection.execute("SELECT name, sharded, key_columns, parents FROM tenant_tables()")
    found = {row[0]: Table(row[0], row[1], tuple(row[2]), frozenset(row[3])) for row in await cursor.fetchall()}
    order = TopologicalSorter({table.name: table.parents & found.keys() for table in found.values()}).static_order()
    return [found[name] for name in order if found[name].sharded or not sharded_only]


async def models_between(source: AsyncConnection, target: AsyncConnection) -> dict[int, int]:
    """The numbers that the models of one database have in another, where they are made if they are new."""
    cursor = await source.execute(
        "SELECT id, name, dimension, max_tokens, query_prefix, passage_prefix FROM embedding_model ORDER BY id"
    )
    numbers = {}
    for number, *model in await cursor.fetchall():
        made = await target.execute("SELECT model_named(%s, %s, %s, %s, %s)", model)
        row = await made.fetchone()
        assert row is not None
        numbers[number] = row[0]
    return numbers


async def rows_left(side: Side, tables: Sequence[Table]) -> dict[str, int]:
    """How many rows a tenant has in each table, in all shards."""
    left = {}
    async with side.transaction() as connection:
        for table in tables:
            query = f"SELECT count(*) FROM ragstone.{table.name} WHERE tenant_id = %(tenant)s"  # noqa: S608
            cursor = await connection.execute(query.encode(), side.place)
            row = await cursor.fetchone()
            assert row is not None
            left[table.name] = int(row[0])
    return left
