"""Tenants in PostgreSQL."""

from __future__ import annotations

from ragstone.domain import Tenant
from ragstone.storage.database import Database


async def find_tenant(database: Database, name: str) -> Tenant | None:
    """The tenant of that name, if there is one."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT tenant_id, name, shard, database FROM find_tenant(%s)", (name,))
        row = await cursor.fetchone()
    return Tenant(*row) if row else None
