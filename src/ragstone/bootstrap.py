"""The only place that chooses implementations.

Libraries are imported where they are used: `ragstone --help` needs none of them, and the process that reads files
needs no database.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragstone.domain import Asker, Attributes, Chunking, Scope, Tenant
from ragstone.errors import NotFoundError, SettingsError
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.access.issuers import Issuers
    from ragstone.flows.ingest import Ingestion
    from ragstone.flows.work import Ingesting
    from ragstone.ingest.read import Limits
    from ragstone.ingest.sandbox import Sandbox
    from ragstone.models.minilm.embedder import MiniLM
    from ragstone.models.minilm.wordpieces import WordPieces
    from ragstone.ports import Objects
    from ragstone.storage.answers.kept import PostgresAnswers
    from ragstone.storage.catalog.batches import PostgresBatches
    from ragstone.storage.catalog.documents import PostgresDocuments
    from ragstone.storage.catalog.files import PostgresFiles
    from ragstone.storage.catalog.store_catalog import PostgresStores
    from ragstone.storage.contents.index import PostgresIndex
    from ragstone.storage.contents.library import PostgresLibrary
    from ragstone.storage.database import Database
    from ragstone.storage.databases import Databases
    from ragstone.storage.embedded import EmbeddedServer

READER_COMMAND = (sys.executable, "-m", "ragstone.worker.reader")
DATABASE = "ragstone"  # its name on the embedded server
TENANT = "default"  # for whom commands act when none is named
COMMAND_LINE = "command line"  # their name in the audit log


@dataclass(frozen=True)
class Session:
    """What one asker can reach: each part acts on its behalf."""

    database: Database
    asker: Asker
    bucket: Objects | None = None  # for uploaded files; None: they lie in the database

    @cached_property
    def places(self) -> Mapping[str, Objects]:
        """Where the bytes of uploaded files lie, by the names that their rows have for it."""
        from ragstone.storage.objects.parts import PartsObjects

        parts = PartsObjects(self.database, self.asker)
        return {"database": parts} if self.bucket is None else {"database": parts, "bucket": self.bucket}

    @cached_property
    def library(self) -> PostgresLibrary:
        """The writing side."""
        from ragstone.storage.contents.library import PostgresLibrary

        return PostgresLibrary(self.database, self.asker)

    @cached_property
    def index(self) -> PostgresIndex:
        """The reading side."""
        from ragstone.storage.contents.index import PostgresIndex

        return PostgresIndex(self.database, self.asker)

    @cached_property
    def answers(self) -> PostgresAnswers:
        """Answers that are kept."""
        from ragstone.storage.answers.kept import PostgresAnswers

        return PostgresAnswers(self.database, self.asker)

    @cached_property
    def files(self) -> PostgresFiles:
        """Uploaded files."""
        from ragstone.storage.catalog.files import PostgresFiles

        return PostgresFiles(self.database, self.asker, self.places)

    @cached_property
    def stores(self) -> PostgresStores:
        """Stores as they are made, listed and deleted."""
        from ragstone.storage.catalog.store_catalog import PostgresStores

        return PostgresStores(self.database, self.asker)

    @cached_property
    def documents(self) -> PostgresDocuments:
        """Files in stores."""
        from ragstone.storage.catalog.documents import PostgresDocuments

        return PostgresDocuments(self.database, self.asker)

    @cached_property
    def batches(self) -> PostgresBatches:
        """Files that are attached to a store together."""
        from ragstone.storage.catalog.batches import PostgresBatches

        return PostgresBatches(self.database, self.asker)


@dataclass(frozen=True)
class House:
    """Everything that is open."""

    settings: Settings
    database: Database
    issuers: Issuers | None = None  # of tokens, if any are configured

    @cached_property
    def databases(self) -> Databases:
        """With those that tenants have to themselves, which are opened when they are needed."""
        from ragstone.storage.databases import Databases

        given = self.settings
        return Databases(self.database, given.databases, admin_urls=given.databases_admin, size=given.database_pool)

    def session(self, asker: Asker) -> Session:
        """What this asker can reach.

        Raises:
            DatabaseUnavailableError: The tenant's own database is not in the settings.
        """
        return Session(self.databases.of(asker.tenant), asker, self.bucket)

    @cached_property
    def bucket(self) -> Objects | None:
        """Of the settings, if they name one.

        Raises:
            SettingsError: It does not fit, or ragstone[s3] is not installed.
        """
        return _bucket(self.settings) if self.settings.objects_url else None

    async def first_key(self) -> str | None:
        """A key with every scope if there is none at all yet; None if there is one."""
        from ragstone.access.grants import KeyRights
        from ragstone.access.keys import new_key
        from ragstone.storage.tenancy.keys import add_key, any_key

        if await any_key(self.database):
            return None
        key = new_key()
        await add_key(self.database, await self.own_asker(TENANT), key, KeyRights(frozenset(Scope), name="first key"))
        return key.text

    async def has_authentication(self) -> bool:
        """Whether anybody could show a key or a token that opens."""
        from ragstone.storage.tenancy.keys import any_key

        return bool(self.settings.oidc) or await any_key(self.database)

    async def own_asker(self, tenant: str) -> Asker:
        """The command line, from which this tenant hides nothing; the tenant `default` is made if there is none.

        Raises:
            NotFoundError: There is no such tenant.
        """
        from ragstone.storage.tenancy.tenants import find_tenant

        if tenant == TENANT:
            return everything(await self.database.tenant(tenant, COMMAND_LINE), COMMAND_LINE)
        found = await find_tenant(self.database, tenant)
        if found is None:
            raise NotFoundError(f"There is no tenant {tenant}", remedy=f"`ragstone tenants create {tenant}` makes it")
        return everything(found, COMMAND_LINE)

    async def own_session(self) -> Session:
        """What commands can reach: all of the tenant of the settings.

        Raises:
            NotFoundError: There is no such tenant.
        """
        return self.session(await self.own_asker(self.settings.tenant))

    async def remove_expired(self) -> None:
        """Remove uploads that broke off, and files and stores whose time is over.

        Raises:
            DatabaseError: A database cannot be reached.
        """
        from ragstone.storage.catalog.expiry import remove_all_expired

        for database in self.databases.all():
            await remove_all_expired(database, lambda database, asker: Session(database, asker, self.bucket).places)

    @cached_property
    def embedder(self) -> MiniLM:
        """For questions; loaded when it is first asked for, because `status` and `ingest` never do."""
        return embedder(self.settings.query_threads)


def everything(tenant: Tenant, actor: str) -> Asker:
    """An asker of the house itself, from whom a tenant hides nothing."""
    return Asker(tenant, actor, reads_all=True, scopes=frozenset(Scope))


def operator() -> Asker:
    """The command line as the installation's operator."""
    from ragstone.storage.tenancy.audit import INSTALLATION

    return everything(INSTALLATION, COMMAND_LINE)


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Start or reach the database and bring it to this release's schema.

    Raises:
        DatabaseError: The server cannot be started or reached, or does not suit.
    """
    async with AsyncExitStack() as stack:
        issuers = None
        if settings.oidc:
            issuers = _issuers(settings)
            stack.push_async_callback(issuers.close)
        database = await stack.enter_async_context(open_database(settings))
        house = House(settings, database, issuers)
        stack.push_async_callback(house.databases.close)
        yield house


def _issuers(settings: Settings) -> Issuers:
    from ragstone.access.config import IssuerConfig
    from ragstone.access.issuers import Issuers

    return Issuers([IssuerConfig(**issuer.model_dump()) for issuer in settings.oidc])


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
    settings: Settings,
    session: Session,
    store_name: str,
    attributes: Attributes,
    readers: tuple[str, ...] | None = None,
) -> AsyncIterator[Ingestion]:
    """An ingestion into a store, which is made if there is none, with its reading processes.

    Args:
        settings: How files are read.
        session: On whose behalf.
        store_name: Of the store.
        attributes: Given to every document.
        readers: Principals who may read the documents; None: who may already, everybody if they are new.

    Raises:
        ModelError: The store has vectors of another model.
    """
    from ragstone.flows.ingest import Ingestion
    from ragstone.ingest.recipe import Recipe

    model = embedder(settings.embedder_threads)
    store = await session.library.open_store(store_name, model.model)
    async with _sandboxes(settings) as sandboxes:
        yield Ingestion(
            library=session.library,
            embedder=model,
            readers=sandboxes,
            store=store,
            recipe=Recipe(
                attributes=attributes,
                readers=readers,
                chunking=Chunking(settings.chunk_tokens),
                max_bytes=settings.ingest_max_file_mb * 2**20,
                limits=_limits(settings),
            ),
        )


@asynccontextmanager
async def open_work(house: House) -> AsyncIterator[Ingesting]:
    """What a worker does with uploaded files, with its reading processes.

    Raises:
        ModelError: The embedding model is missing.
    """
    from ragstone.flows.work import Ingesting
    from ragstone.ingest.sandbox import Sandboxes

    settings = house.settings
    async with _sandboxes(settings) as readers:
        yield Ingesting(
            database=lambda asker: house.session(asker).database,
            places=lambda asker: house.session(asker).places,
            embedder=await asyncio.to_thread(embedder, settings.embedder_threads),
            sandboxes=Sandboxes(readers),
            chunking=Chunking(settings.chunk_tokens),
            max_bytes=settings.ingest_max_file_mb * 2**20,
            limits=_limits(settings),
        )


def _bucket(settings: Settings) -> Objects:
    try:
        from ragstone.storage.objects.bucket import Bucket, BucketObjects
    except ModuleNotFoundError:
        raise SettingsError(
            "Uploaded files cannot lie in a bucket",
            why="what speaks to buckets is not installed",
            remedy="pip install 'ragstone[s3]', or unset RAGSTONE_OBJECTS_URL",
        ) from None
    assert settings.objects_url is not None
    return BucketObjects(
        Bucket(
            settings.objects_url,
            endpoint=settings.objects_endpoint,
            region=settings.objects_region,
            credentials_file=settings.objects_credentials_file,
            path_style=settings.objects_path_style,
        )
    )


@asynccontextmanager
async def _sandboxes(settings: Settings) -> AsyncIterator[list[Sandbox]]:
    from ragstone.ingest.sandbox import sandbox

    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(sandbox(READER_COMMAND, seconds=settings.ingest_file_seconds))
            for _ in range(settings.ingest_readers)
        ]


def _limits(settings: Settings) -> Limits:
    from ragstone.ingest.read import Limits

    return Limits(expanded_bytes=settings.ingest_expanded_mb * 2**20, ocr=settings.ingest_ocr)
