"""The only place that chooses implementations.

Libraries are imported where they are used: `ragstone --help` needs none of them, and the process that reads files
needs no database.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragstone.domain import Asker, Attributes, Scope, Tenant
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.flows.ingest import Ingestion
    from ragstone.models.minilm.embedder import MiniLM
    from ragstone.models.minilm.wordpieces import WordPieces
    from ragstone.storage.database import Database
    from ragstone.storage.embedded import EmbeddedServer
    from ragstone.storage.index import PostgresIndex
    from ragstone.storage.library import PostgresLibrary

READER_COMMAND = (sys.executable, "-m", "ragstone.worker.reader")
DATABASE = "ragstone"  # its name on the embedded server
TENANT = "default"  # for whom commands act when none is named


@dataclass(frozen=True)
class Session:
    """What one asker can reach: each part acts on its behalf."""

    database: Database
    asker: Asker

    @cached_property
    def library(self) -> PostgresLibrary:
        """The writing side."""
        from ragstone.storage.library import PostgresLibrary

        return PostgresLibrary(self.database, self.asker)

    @cached_property
    def index(self) -> PostgresIndex:
        """The reading side."""
        from ragstone.storage.index import PostgresIndex

        return PostgresIndex(self.database, self.asker)


@dataclass(frozen=True)
class House:
    """Everything that is open."""

    settings: Settings
    database: Database

    def session(self, asker: Asker) -> Session:
        """What this asker can reach."""
        return Session(self.database, asker)

    async def first_key(self) -> str | None:
        """A key with every scope if there is none at all yet; None if there is one."""
        from ragstone.access.keys import new_key
        from ragstone.storage.keys import KeyRights, add_key, any_key

        if await any_key(self.database):
            return None
        session, key = await self.own_session(), new_key()
        await add_key(self.database, session.asker, key, KeyRights(frozenset(Scope), name="first key"))
        return key.text

    async def has_authentication(self) -> bool:
        """Whether anybody could show a key that opens."""
        from ragstone.storage.keys import any_key

        return await any_key(self.database)

    async def own_session(self, tenant: str = TENANT) -> Session:
        """What the command line can reach: all of a tenant, which is made if there is none."""
        return self.session(everything(await self.database.tenant(tenant), "command line"))

    @cached_property
    def embedder(self) -> MiniLM:
        """For questions; loaded when it is first asked for, because `status` and `ingest` never do."""
        return embedder(self.settings.query_threads)


def everything(tenant: Tenant, actor: str) -> Asker:
    """An asker of the house itself, from whom a tenant hides nothing."""
    return Asker(tenant, actor, reads_all=True, scopes=frozenset(Scope))


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Start or reach the database and bring it to this release's schema.

    Raises:
        DatabaseError: The server cannot be started or reached, or does not suit.
    """
    async with open_database(settings) as database:
        yield House(settings, database)


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


def embedder(threads: int) -> MiniLM:
    """The local embedding model."""
    from ragstone.models.minilm.embedder import MiniLM

    return MiniLM(threads=threads or os.cpu_count() or 1)


def tokenizer() -> WordPieces:
    """How the local embedding model counts."""
    from ragstone.models.minilm.wordpieces import WordPieces

    return WordPieces()


@asynccontextmanager
async def open_ingestion(
    settings: Settings, session: Session, store_name: str, attributes: Attributes
) -> AsyncIterator[Ingestion]:
    """An ingestion into a store, which is made if there is none, with its reading processes.

    Raises:
        ModelError: The store has vectors of another model.
    """
    from ragstone.flows.ingest import Ingestion
    from ragstone.ingest import read
    from ragstone.ingest.recipe import Recipe
    from ragstone.ingest.sandbox import sandbox

    model = embedder(settings.embedder_threads)
    store = await session.library.open_store(store_name, model.model)
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(sandbox(READER_COMMAND, seconds=settings.ingest_file_seconds))
            for _ in range(settings.ingest_readers)
        ]
        yield Ingestion(
            library=session.library,
            embedder=model,
            readers=readers,
            store=store,
            recipe=Recipe(
                attributes=attributes,
                chunk_tokens=settings.chunk_tokens,
                max_bytes=settings.ingest_max_file_mb * 2**20,
                limits=read.Limits(expanded_bytes=settings.ingest_expanded_mb * 2**20, ocr=settings.ingest_ocr),
            ),
        )
