"""Who may read: sets of principals become audiences, which the policies of the database know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from ragstone.domain import Asker
from ragstone.errors import InvalidRequestError
from ragstone.storage.statements import statement

_LEFT_OUT = "RS001"  # what the database says when somebody would hide a document from himself
_READ_ALL = b"SELECT set_config('ragstone.reads_all', %s, true)"


async def audience_of(connection: AsyncConnection, readers: Sequence[str]) -> int:
    """The id of these readers' audience, made if there is none; 0 for no readers: everybody in the tenant.

    Raises:
        InvalidRequestError: The one who names the readers is not among them.
    """
    if not readers:
        return 0
    try:
        cursor = await connection.execute(statement("library", "audience"), {"readers": list(readers)})
    except psycopg.DatabaseError as error:
        if error.sqlstate != _LEFT_OUT:
            raise
        raise InvalidRequestError(
            "The readers leave out the one who names them",
            why="you could not see what became of the file",
            remedy="Name yourself or one of your groups too, such as user:NAME",
            param="readers",
        ) from None
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def reading_all(connection: AsyncConnection, asker: Asker) -> AsyncIterator[None]:
    """Within it the transaction also reaches what the asker may not read: to lock or remove it, not to tell of it."""
    await connection.execute(_READ_ALL, ("on",))
    yield
    await connection.execute(_READ_ALL, ("on" if asker.reads_all else "off",))
