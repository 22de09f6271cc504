"""Moving a tenant to another place while it is read, and nearly all the time written.

The rows are copied as they are at one moment, while everything goes on. Then writers are kept out for as long as it
takes to copy what has changed since, and the tenant's row is switched: who asks from then on is sent to the new place.
Those who asked before may finish at the old one. When they had their time, the old rows are removed.

Killed at any point, the tenant is served from one of the two places, and the same move, asked for again, goes on where
it was. Migration 0005 says how the database makes sure of that.

Between two databases no transaction spans both, so the former place is shut before the installation's row is switched,
and the new one opened for writing behind that: never is the tenant written, or one of its tasks begun, in two places.
A mover that dies in between leaves it read and not written. Wherever the row says that it is then, it is to be served:
workers see to that with `reopen_left` when no mover is alive, and so does the next move.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace

from psycopg import AsyncConnection

from ragstone.domain import Asker, Tenant
from ragstone.errors import ConflictError, DatabaseError, NotFoundError
from ragstone.storage.databases import Databases
from ragstone.storage.tenancy.clearing import MOVING, WRITING, drop_unused_parts, is_known, lock, remove_rows
from ragstone.storage.tenancy.copying import Copy, Side, models_between, tables_of
from ragstone.storage.tenancy.placement import SHARED_SHARDS, Placement, Spot, shared_shard, spot_of
from ragstone.storage.tenancy.tenants import TenantRecord, add_tenant, list_tenants, tenant_record

GRACE = 30.0  # seconds that requests which began before the switch have to finish
_SETTLING = 1.0  # seconds that a process may be between the beginning of a transaction and its lock
_PATIENCE = 120.0  # seconds to wait for those who write or read all the time
_GLANCE = 0.5  # seconds to wait for a worker that looks whether a mover is alive


async def create(databases: Databases, operator: Asker, name: str, placement: Placement) -> TenantRecord:
    """A new tenant in its place.

    Interrupted, it is there and perhaps not yet in its place; the same move completes that.

    Raises:
        ConflictError: There is one of that name.
        DatabaseUnavailableError: The database of its own is not in the settings, or cannot be reached.
    """
    databases.named(placement.database)
    await add_tenant(databases.main, operator, name)
    return await Mover(databases, operator, grace=0).move(name, placement)


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves tenants on behalf of an operator."""

    databases: Databases
    operator: Asker  # the audit log names it
    grace: float = GRACE

    async def move(self, name: str, to: Placement) -> TenantRecord:
        """Move a tenant; returns when nothing is left in its former place.

        Raises:
            NotFoundError: There is no such tenant.
            ConflictError: It is being moved or deleted by somebody else, or the other database does not suit.
            DatabaseUnavailableError: One of the databases cannot be reached.
        """
        self.databases.named(to.database)
        async with self._alone(name) as main:
            record = await self._settled(main, name)
            if record.moving_to and record.moving_to.placement != to:
                # Turn back from a move that was interrupted before its switch: the tenant stays where it is.
                await main.execute("SELECT give_up_move(%s)", (record.tenant.id,))
                record = await self._settled(main, name)
            if record.placement != to:
                await self._move(main, record, to)
                record = await self._settled(main, name)
            await drop_unused_parts(main)
            return record

    async def _settled(self, main: AsyncConnection, name: str) -> TenantRecord:
        """The tenant, served where it is, without remains of a move that was interrupted behind its switch."""
        record = await tenant_record(self.databases.main, name)
        if record.deleting:
            raise ConflictError(
                f"The tenant {name} is being deleted", remedy=f"`ragstone tenants delete {name} --yes` completes that"
            )
        if record.state != "ready":
            await _serve(self.databases, record)
        if record.former is not None:
            await asyncio.sleep(self.grace)
            await self._clear(record, record.former)
            await main.execute("SELECT end_move(%s)", (record.tenant.id,))
            record = await tenant_record(self.databases.main, name)
        return record

    async def _move(self, main: AsyncConnection, record: TenantRecord, to: Placement) -> None:
        tenant = record.tenant
        spot = record.moving_to or await self._plan(main, tenant, to)
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(self._side(tenant, spot_of(tenant)))
            target = await stack.enter_async_context(self._side(tenant, spot))
            copy = await self._prepared(source, target, tenant, spot)
            stamps = await copy.run()
            if spot.shard >= SHARED_SHARDS:
                await target.connection.execute("SELECT attach_shard(%s)", (spot.shard,))
            # Once more while everything goes on: both may have taken long.
            stamps = await copy.run(stamps)
            async with lock(source.connection, WRITING, tenant.id, patience=_PATIENCE):
                # Prepared anew: a model may have been met for the first time, and has a table now.
                copy = await self._prepared(source, target, tenant, spot)
                await copy.run(stamps)
                await copy.follow_numbers()
                await self._switch(main, source, target, tenant, spot)

    async def _plan(self, main: AsyncConnection, tenant: Tenant, to: Placement) -> Spot:
        wanted = -1 if to.own_partition else shared_shard(tenant)
        cursor = await main.execute("SELECT plan_move(%s, %s, %s)", (tenant.id, wanted, to.database))
        row = await cursor.fetchone()
        assert row is not None
        return Spot(row[0], to.database)

    async def _prepared(self, source: Side, target: Side, tenant: Tenant, spot: Spot) -> Copy:
        if spot.shard >= SHARED_SHARDS:
            await target.connection.execute("SELECT prepare_shard(%s)", (spot.shard,))
        if spot.database == tenant.database:
            return Copy(source, target, await tables_of(source.connection, sharded_only=True))
        if spot.database is not None:
            await target.connection.execute(
                "SELECT receive_tenant(%s, %s, %s, %s)", (tenant.id, tenant.name, spot.shard, spot.database)
            )
        models = await models_between(source.connection, target.connection)
        return Copy(source, target, await tables_of(source.connection), models)

    async def _switch(self, main: AsyncConnection, source: Side, target: Side, tenant: Tenant, spot: Spot) -> None:
        """Leave, be known elsewhere, arrive: in this order, so that nothing can be written in two places."""
        if spot.database is not None:
            # Whoever is sent there by the switch can read at once.
            await target.connection.execute("SELECT show_here(%s, %s)", (tenant.id, spot.shard))
        if tenant.database is None:
            # The connection that keeps writers out: were it lost, so would be the switch.
            main = source.connection
        else:
            await source.connection.execute("SELECT leave_here(%s)", (tenant.id,))
        async with Side(main, source.asker, spot.shard).transaction() as connection:
            await connection.execute("SELECT switch_tenant(%s)", (tenant.id,))
        if spot.database is not None:
            await target.connection.execute("SELECT serve_here(%s, %s)", (tenant.id, spot.shard))

    async def _clear(self, record: TenantRecord, spot: Spot) -> None:
        """Remove all rows from a place where the tenant is not served any more."""
        tenant = record.tenant
        async with self._side(tenant, spot) as side:
            connection = side.connection
            if not await is_known(side):
                return  # the move had not come so far
            if spot.database != tenant.database:
                await connection.execute("SELECT leave_here(%s)", (tenant.id,))
            await connection.execute("SELECT forget_shard(%s, %s)", (tenant.id, spot.shard))
            await asyncio.sleep(min(_SETTLING, self.grace))
            async with lock(connection, spot.shard, tenant.id, patience=_PATIENCE):
                pass  # whoever entered before has left
            await remove_rows(side, await tables_of(connection, sharded_only=spot.database == tenant.database))
            if spot.database not in (None, tenant.database):
                async with side.transaction():
                    await connection.execute("SELECT delete_tenant(%s)", (tenant.id,))

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[AsyncConnection]:
        """A connection to the installation's database that keeps other movers of this tenant out."""
        record = await tenant_record(self.databases.main, name)
        async with self.databases.main.alone() as main, lock(main, MOVING, record.tenant.id, patience=_GLANCE):
            yield main

    @asynccontextmanager
    async def _side(self, tenant: Tenant, spot: Spot) -> AsyncIterator[Side]:
        mover = replace(self.operator, tenant=tenant, reads_all=True)
        async with self.databases.named(spot.database).alone() as connection:
            yield Side(connection, mover, spot.shard)


async def reopen_left(databases: Databases) -> None:
    """Let tenants be written again whose mover died between leaving one database and arriving in another.

    Raises:
        DatabaseUnavailableError: The installation's database cannot be reached.
    """
    for found in await list_tenants(databases.main):
        if found.tenant.database is None or found.state == "ready":
            continue  # the switch of the row is what opens and shuts the installation's own database
        tenant = found.tenant
        # A mover that is alive, or done by now; and a database that is away says so itself and holds up no other.
        with suppress(ConflictError, NotFoundError, DatabaseError):
            async with databases.main.alone() as main, lock(main, MOVING, tenant.id, patience=0):
                record = await tenant_record(databases.main, tenant.name)
                if record.tenant == tenant and record.state in ("moving", "clearing"):
                    await _serve(databases, record)


async def _serve(databases: Databases, record: TenantRecord) -> None:
    """Serve a tenant where the installation knows it to be; whoever does this keeps movers out."""
    tenant = record.tenant
    if tenant.database is not None:
        async with databases.of(tenant).alone() as connection:
            await connection.execute("SELECT serve_here(%s, %s)", (tenant.id, tenant.shard))
