"""What has run out is removed: uploads that broke off, files and stores whose time is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from ragstone.domain import Asker, Tenant
from ragstone.errors import NotFoundError, RagstoneError
from ragstone.ports import Objects
from ragstone.storage.catalog.removal import empty_store, remove_file
from ragstone.storage.catalog.stores import shut_store
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

_AT_ONCE = 1000

_log = logging.getLogger(__name__)


async def remove_all_expired(database: Database, places: Callable[[Database, Asker], Mapping[str, Objects]]) -> int:
    """Remove what has run out in all tenants of a database; returns how many files and stores that were.

    What cannot be done for one tenant, as while it is being moved, is left for the next time.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    removed = 0
    for tenant in await tenants_with_expired(database):
        asker = Asker(tenant, "worker", reads_all=True)
        try:
            removed += await remove_expired(database, asker, places(database, asker))
        except RagstoneError as error:
            _log.warning("what has expired of the tenant %s stays for now: %s", tenant.name, error)
    return removed


async def tenants_with_expired(database: Database) -> list[Tenant]:
    """Tenants of the database with something that has run out."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT tenant_id, name, shard, database FROM tenants_with_expired()")
        return [Tenant(*row) for row in await cursor.fetchall()]


async def remove_expired(database: Database, asker: Asker, places: Mapping[str, Objects]) -> int:
    """Remove what has run out in the asker's tenant; returns how many files and stores that were.

    Raises:
        DatabaseError: The database cannot be reached.
        ObjectsUnavailableError: The place of the bytes cannot be reached.
    """
    removed = 0
    async with database.transaction(asker) as connection:
        cursor = await connection.execute(statement("stores", "expired_stores"), scope(asker))
        stores = [row[0] for row in await cursor.fetchall()]
    for public_id in stores:
        # Somebody may have used it meanwhile, or deleted it.
        with suppress(NotFoundError):
            async with database.transaction(asker) as connection:
                store = await shut_store(connection, asker, public_id)
                if store.expired:
                    await empty_store(connection, asker, store)
                    await connection.execute(statement("stores", "set_expired"), {**scope(asker), "store": store.id})
                    removed += 1
    parameters = {**scope(asker), "limit": _AT_ONCE, "places": ["source", *places]}
    while True:
        async with database.transaction(asker) as connection:
            cursor = await connection.execute(statement("files", "expired_files"), parameters)
            files = [row[0] for row in await cursor.fetchall()]
        for public_id in files:
            await remove_file(database, asker, places, public_id, expired=True)
        removed += len(files)
        if len(files) < _AT_ONCE:
            return removed
