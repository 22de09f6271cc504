"""Taking away a tenant's rows where nobody reads or writes them any more, a few at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from ragstone.errors import ConflictError
from ragstone.storage.tenancy.copying import Side, Table
from ragstone.storage.tenancy.placement import SHARED_SHARDS

WRITING = -1  # first number of the advisory lock that writing transactions share
MOVING = -2  # and of the one that keeps two movers apart

_ROWS = 2000  # deleted in one transaction
_LOCK_WAIT = 2.0  # seconds; whoever comes meanwhile is sent away, so it is given up soon and tried again
_PAUSE = 1.0  # seconds between two attempts
_DROP_PATIENCE = 30.0  # seconds; a partition that cannot be dropped by then is emptied


@asynccontextmanager
async def lock(connection: AsyncConnection, kind: int, tenant: int, *, patience: float) -> AsyncIterator[None]:
    """Hold an advisory lock of a tenant alone, until the end of this or of the connection.

    Raises:
        ConflictError: Somebody had it all the time; seconds of `patience`.
    """
    deadline = time.monotonic() + patience
    await connection.execute(f"SET lock_timeout = '{min(_LOCK_WAIT, max(patience, 0.01)):.3f}s'".encode())
    while True:
        try:
            await connection.execute("SELECT pg_advisory_lock(%s, %s)", (kind, tenant))
            break
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise ConflictError(
                    "The tenant is busy",
                    why="it is moved already, or something reads or writes it for too long",
                    remedy="Run the same again later; what is done so far is kept",
                ) from None
        await asyncio.sleep(_PAUSE)
    await connection.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s, %s)", (kind, tenant))


async def is_known(side: Side) -> bool:
    """Whether a database has a row of the tenant; a tenant's own has none before it comes and after it has left."""
    async with side.transaction() as connection:
        cursor = await connection.execute("SELECT FROM tenant WHERE tenant_id = %(tenant)s", side.place)
        return await cursor.fetchone() is not None


async def remove_rows(side: Side, tables: Sequence[Table]) -> dict[str, int]:
    """Delete a tenant's rows in a shard and, of tables without shards, all; returns how many by table.

    `tables` each stand behind those that they refer to. Partitions of its own are dropped instead.
    """
    removed: dict[str, int] = {}
    for table in reversed(tables):
        if table.sharded and side.shard >= SHARED_SHARDS:
            removed[table.name] = await _drop(side, table)
        else:
            removed[table.name] = await _delete(side, table)
    return removed


async def _delete(side: Side, table: Table) -> int:
    removed = 0
    while True:
        async with side.transaction() as connection:
            cursor = await connection.execute("SELECT remove_rows(%s, %s, %s)", (table.name, side.shard, _ROWS))
            row = await cursor.fetchone()
        assert row is not None
        removed += int(row[0])
        if row[0] == 0:
            return removed


async def _drop(side: Side, table: Table) -> int:
    """How many rows the partition had; where it is needed by others all the time, it is emptied and left."""
    async with side.transaction() as connection:
        query = f"SELECT count(*) FROM ragstone.{table.name} WHERE tenant_id = %(tenant)s AND shard = %(shard)s"  # noqa: S608
        row = await (await connection.execute(query.encode(), side.place)).fetchone()
    deadline = time.monotonic() + _DROP_PATIENCE
    while time.monotonic() < deadline:
        if await drop_part(side.connection, table.name, side.shard):
            return int(row[0]) if row else 0
        await asyncio.sleep(_PAUSE)
    return await _delete(side, table)


async def drop_part(connection: AsyncConnection, table: str, shard: int) -> bool:
    """Drop a partition that no tenant has; False when the table is in use just now."""
    try:
        await connection.execute("SELECT drop_part(%s, %s)", (table, shard))
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return False
    return True


async def drop_unused_parts(connection: AsyncConnection) -> None:
    """Drop what former movers could not, as far as that does not have to wait."""
    cursor = await connection.execute("SELECT tab, shard FROM unused_parts()")
    for table, shard in await cursor.fetchall():
        await drop_part(connection, table, shard)
