"""Users of a tenant in PostgreSQL."""

from __future__ import annotations

from ragstone.domain import Asker
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


async def groups_of(database: Database, asker: Asker, user: str) -> tuple[str, ...]:
    """The groups of a user of the asker's tenant; none for somebody who is not known."""
    async with database.transaction(asker) as connection:
        cursor = await connection.execute(statement("people", "groups_of"), {**scope(asker), "name": user})
        row = await cursor.fetchone()
    return tuple(row[0]) if row else ()
