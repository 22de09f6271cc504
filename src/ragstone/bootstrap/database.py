"""The database: the embedded one, or that of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.storage.database import Database
    from ragstone.storage.embedded import EmbeddedServer

DATABASE = "ragstone"  # its name on the embedded server


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database alone, migrated.

    Raises:
        DatabaseError: The server cannot be started or reached, or does not suit.
    """
    from ragstone.storage.database import Database
    from ragstone.storage.migrate import migrate

    async with AsyncExitStack() as stack:
        if settings.database_url:
            url = settings.database_url
            await migrate(settings.database_admin_url or url)
            database = Database(lambda: url, size=settings.database_pool)
        else:
            server = embedded_server(settings)
            stack.callback(server.stop)
            await asyncio.to_thread(server.start)
            await migrate(server.admin_dsn(DATABASE))
            database = Database(lambda: _revived(server), size=settings.database_pool)
        await database.open()
        stack.push_async_callback(database.close)
        yield database


def embedded_server(settings: Settings) -> EmbeddedServer:
    """The embedded server of the data folder, not started."""
    from ragstone.storage.embedded import EmbeddedServer

    return EmbeddedServer(settings.home, bindir=settings.postgres_bindir)


def _revived(server: EmbeddedServer) -> str:
    # Asked for each new connection: should the server have died, this starts it again.
    server.start()
    return server.dsn(DATABASE)
