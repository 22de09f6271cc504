"""Removing a tenant with all that it has, and the proof that nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from ragstone.domain import Asker, Tenant
from ragstone.errors import ObjectsUnavailableError
from ragstone.ports import Objects
from ragstone.storage.databases import Databases
from ragstone.storage.tenancy.clearing import MOVING, WRITING, drop_unused_parts, is_known, lock, remove_rows
from ragstone.storage.tenancy.copying import Side, Table, rows_left, tables_of
from ragstone.storage.tenancy.placement import Spot, spot_of
from ragstone.storage.tenancy.tenants import TenantRecord, tenant_record

_PATIENCE = 120.0  # seconds to wait for those who write or read
_KEYS = 1000  # objects that are removed at once
_REGISTRY = tuple(
    Table(name, sharded=False, keys=(), parents=frozenset())
    for name in ("api_key", "app_user", "account", "reservation", "spending", "tenant")
)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was removed, and what was found when it was looked for afterwards."""

    tenant: str
    removed: Mapping[str, int]  # rows by table, of this run
    left: Mapping[str, int]  # rows by table: none, or the deletion has failed
    objects_removed: int
    objects_left: int

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return not any(self.left.values()) and self.objects_left == 0


@dataclass(slots=True)
class Remover:
    """Removes tenants on behalf of an operator."""

    databases: Databases
    operator: Asker  # the audit log names it
    bucket: Objects | None = None  # for uploaded files; None: there is none
    _removed: Counter[str] = field(default_factory=Counter)
    _left: Counter[str] = field(default_factory=Counter)

    async def delete(self, name: str) -> Deletion:
        """Remove a tenant; its keys open nothing from the beginning on.

        Interrupted at any point, the same again completes it.

        Raises:
            NotFoundError: There is no such tenant.
            ConflictError: It is being moved, or something reads or writes it for too long.
            DatabaseUnavailableError: A database that it is in cannot be reached.
            ObjectsUnavailableError: The place of uploaded files cannot be reached, or is not in the settings.
        """
        main_database = self.databases.main
        found = await tenant_record(main_database, name)
        async with main_database.alone() as main, lock(main, MOVING, found.tenant.id, patience=0):
            record = await tenant_record(main_database, name)
            asker = replace(self.operator, tenant=record.tenant, reads_all=True)
            self._removed, self._left = Counter(), Counter()
            await self._begin(Side(main, asker, record.tenant.shard))
            # The installation's last: its row of the tenant is what makes it possible to do this again.
            for database in sorted(_databases_of(record), key=lambda database: database is None):
                await self._clear(record, asker, database)
            objects_left = len(await self._objects(record.tenant))
            await drop_unused_parts(main)
        objects_removed = self._removed.pop("objects", 0)
        return Deletion(name, dict(self._removed), dict(self._left), objects_removed, objects_left)

    async def _begin(self, side: Side) -> None:
        async with side.transaction() as connection:
            cursor = await connection.execute("SELECT tab, removed FROM begin_deletion(%s)", (side.place["tenant"],))
            self._removed.update(dict(await cursor.fetchall()))

    async def _clear(self, record: TenantRecord, asker: Asker, database: str | None) -> None:
        """Shut the tenant in one database, and remove all of it there."""
        tenant = record.tenant
        spots = [spot for spot in _spots_of(record) if spot.database == database]
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self.databases.named(database).alone())
            await stack.enter_async_context(lock(connection, WRITING, tenant.id, patience=_PATIENCE))
            await connection.execute("SELECT close_tenant(%s)", (tenant.id,))
            for spot in spots:
                async with lock(connection, spot.shard, tenant.id, patience=_PATIENCE):
                    pass  # whoever entered before has left
            tables = await tables_of(connection)
            side = Side(connection, asker, tenant.shard)
            if self.bucket is None:
                await _insist_on_no_bucket(side)
            elif database is None:
                await self._remove_objects(tenant, self.bucket)
            if await is_known(side):
                for spot in spots or [Spot(tenant.shard, database)]:
                    self._removed.update(await remove_rows(replace(side, shard=spot.shard), tables))
                await self._remove_row(side)
            self._left.update(await rows_left(side, [*tables, *_REGISTRY]))

    async def _remove_row(self, side: Side) -> None:
        async with side.transaction() as connection:
            # A key may have been made by somebody who began before the deletion did.
            await connection.execute("SELECT begin_deletion(%s)", (side.place["tenant"],))
            await connection.execute("SELECT delete_tenant(%s)", (side.place["tenant"],))
        self._removed["tenant"] += 1

    async def _remove_objects(self, tenant: Tenant, bucket: Objects) -> None:
        keys = await self._objects(tenant)
        for first in range(0, len(keys), _KEYS):
            await bucket.delete(keys[first : first + _KEYS])
        self._removed["objects"] += len(keys)

    async def _objects(self, tenant: Tenant) -> list[str]:
        return [] if self.bucket is None else [key async for key in self.bucket.keys(str(tenant.id))]


async def rows_of(databases: Databases, asker: Asker) -> dict[str, int]:
    """How many rows the asker's tenant has in each table, in all databases that it may have some in."""
    record = await tenant_record(databases.main, asker.tenant.name)
    found: Counter[str] = Counter()
    for database in _databases_of(record):
        async with databases.named(database).alone() as connection:
            found.update(await rows_left(Side(connection, asker, 0), [*await tables_of(connection), *_REGISTRY]))
    return dict(sorted(found.items()))


async def _insist_on_no_bucket(side: Side) -> None:
    async with side.transaction() as connection:
        cursor = await connection.execute(
            "SELECT FROM file WHERE tenant_id = %(tenant)s AND place = 'bucket' LIMIT 1", side.place
        )
        if await cursor.fetchone() is not None:
            raise ObjectsUnavailableError(
                f"Files of the tenant {side.asker.tenant.name} lie in a bucket that is not in the settings",
                remedy="Set RAGSTONE_OBJECTS_URL, and run the same again",
            )


def _spots_of(record: TenantRecord) -> set[Spot]:
    return {spot for spot in (spot_of(record.tenant), record.moving_to, record.former) if spot is not None}


def _databases_of(record: TenantRecord) -> set[str | None]:
    return {None, *(spot.database for spot in _spots_of(record))}
