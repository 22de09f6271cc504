"""Tenants that are moved, and eyes for what lies where."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from contract.samples import MODEL, Piece, document, indexed, one_by_one

from ragstone.bootstrap import everything
from ragstone.domain import Asker, Store, Tenant
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.tenancy.audit import INSTALLATION

OPERATOR = everything(INSTALLATION, "command line")

# What stays in the installation's database.
REGISTRY = {"tenant", "app_user", "api_key", "account", "reservation", "spending"}

# What differs between two places of the same row.
_BY_PLACE = ("shard", "model_id")


@contextmanager
def superuser(server: EmbeddedServer, name: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.admin_dsn(name), autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def databases_with(server: EmbeddedServer, database: Database, *names: str) -> AsyncIterator[Databases]:
    """The tests' database, and others that tenants may have to themselves."""
    with superuser(server, "postgres") as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}".encode())
    urls = {name: server.dsn(name) for name in names}
    databases = Databases(database, urls, admin_urls={name: server.admin_dsn(name) for name in names}, size=4)
    yield databases
    await databases.close()
    with superuser(server, "postgres") as admin:
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def tables(admin: psycopg.Connection) -> list[str]:
    """All that have rows of tenants."""
    rows = admin.execute("SELECT name FROM ragstone.tenant_tables()").fetchall()
    return [row[0] for row in rows] + sorted(REGISTRY)


def rows_by_table(admin: psycopg.Connection, tenant: Tenant) -> dict[str, list[dict[str, Any]]]:
    """Every row of a tenant as a superuser sees it, without what depends on its place; vectors by model."""
    models: dict[int, str] = dict(admin.execute("SELECT id, name FROM ragstone.embedding_model").fetchall())
    found = {}
    for table in tables(admin):
        query = f"SELECT to_jsonb(t) FROM ragstone.{table} t WHERE tenant_id = %s ORDER BY t::text"
        rows = [row[0] for row in admin.execute(query.encode(), (tenant.id,))]
        name = f"vectors of {models[int(table.rpartition('_')[2])]}" if table.startswith("embedding_") else table
        found[name] = sorted(
            ({key: value for key, value in row.items() if key not in _BY_PLACE} for row in rows), key=json.dumps
        )
    return found


def counts(admin: psycopg.Connection, tenant: Tenant) -> dict[str, int]:
    """Rows of a tenant by table, those without any left out."""
    return {table: len(rows) for table, rows in rows_by_table(admin, tenant).items() if rows}


async def put(database: Database, asker: Asker, source: str, *texts: str) -> Store:
    """A document of these chunks in the store `docs`."""
    library = PostgresLibrary(database, asker)
    store = await library.open_store("docs", MODEL)
    pieces = [Piece(text, angle=3 * number) for number, text in enumerate(texts)]
    await library.put(store, document(source, pieces), one_by_one(indexed(pieces)))
    return store
