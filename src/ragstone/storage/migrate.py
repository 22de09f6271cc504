"""Brings a database to the schema of this release."""

from __future__ import annotations

import re
from importlib import resources

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from ragstone.errors import DatabaseUnavailableError, DatabaseUnsuitableError

MINIMUM_POSTGRESQL = 16
MINIMUM_PGVECTOR = (0, 8, 5)

_LOCK = 0x7261677374  # "ragst": processes that start together migrate one after the other

_PREPARE = """
CREATE SCHEMA IF NOT EXISTS ragstone;
CREATE TABLE IF NOT EXISTS ragstone.schema_migration (
  version int PRIMARY KEY,
  name text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
"""


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of every migration, ascending."""
    folder = resources.files(__package__).joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(int(f.name[:4]), f.name.removesuffix(".sql"), f.read_text(encoding="utf-8")) for f in files]


async def migrate(dsn: str) -> list[str]:
    """Apply what is missing, each migration in its own transaction; returns the names of those applied.

    Raises:
        DatabaseUnavailableError: The server cannot be reached or refuses the login.
        DatabaseUnsuitableError: The server or pgvector is too old, the schema too new or not whole, or a privilege is
            missing.
    """
    try:
        connection = await AsyncConnection.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise unavailable(error, dsn) from None
    async with connection:
        await check_server(connection)
        try:
            return await _apply(connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseUnsuitableError(
                "The database cannot be migrated",
                why=str(error).splitlines()[0],
                remedy="Let RAGSTONE_DATABASE_ADMIN_URL name the owner of the database, with CREATEROLE, "
                "and a superuser run CREATE EXTENSION vector in it once",
            ) from None
        except psycopg.OperationalError as error:
            raise unavailable(error, dsn) from None
        except psycopg.DatabaseError as error:
            raise DatabaseUnsuitableError(
                "The database cannot be migrated",
                why=str(error).splitlines()[0],
                remedy="Let it be empty, or as a release of Ragstone left it: restore it from a backup as a whole",
            ) from error


def unavailable(error: psycopg.Error, dsn: str) -> DatabaseUnavailableError:
    """The error of a connection, with the server that was meant."""
    parts = conninfo_to_dict(dsn)
    where = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    return DatabaseUnavailableError(
        f"The database at {where} cannot be reached",
        why=re.sub(r"\s+", " ", str(error)).strip(),
        remedy="Check RAGSTONE_DATABASE_URL and that the server runs; `ragstone doctor` looks closer",
    )


async def check_server(connection: AsyncConnection) -> str:
    """Say which server and pgvector these are, such as `PostgreSQL 18.4, pgvector 0.8.5`.

    Raises:
        DatabaseUnsuitableError: One of them is too old or missing.
    """
    version = connection.info.server_version
    shown = f"{version // 10000}.{version % 10000}"
    if version // 10000 < MINIMUM_POSTGRESQL:
        raise DatabaseUnsuitableError(
            f"PostgreSQL {shown} is too old", remedy=f"Use PostgreSQL {MINIMUM_POSTGRESQL} or newer"
        )
    cursor = await connection.execute(
        "SELECT COALESCE(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
    )
    row = await cursor.fetchone()
    wanted = ".".join(map(str, MINIMUM_PGVECTOR))
    if row is None:
        raise DatabaseUnsuitableError(
            "The extension pgvector is missing on the server", remedy=f"Install pgvector {wanted} or newer there"
        )
    if tuple(int(n) for n in re.findall(r"\d+", row[0])) < MINIMUM_PGVECTOR:
        raise DatabaseUnsuitableError(
            f"pgvector {row[0]} is too old",
            remedy=f"Install pgvector {wanted} or newer, then run ALTER EXTENSION vector UPDATE",
        )
    return f"PostgreSQL {shown}, pgvector {row[0]}"


async def _apply(connection: AsyncConnection) -> list[str]:
    known = migrations()
    await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        if not await _prepared(connection):
            await connection.execute(_PREPARE)
        cursor = await connection.execute("SELECT COALESCE(max(version), 0) FROM ragstone.schema_migration")
        row = await cursor.fetchone()
        current: int = row[0] if row else 0
        if current > known[-1][0]:
            raise DatabaseUnsuitableError(
                f"The database has schema {current}, this release knows {known[-1][0]}", remedy="Use a newer Ragstone"
            )
        missing = [m for m in known if m[0] > current]
        for version, name, sql in missing:
            async with connection.transaction():
                await connection.execute("SET LOCAL search_path = ragstone, public")
                await connection.execute(sql.encode())
                await connection.execute(
                    "INSERT INTO ragstone.schema_migration (version, name) VALUES (%s, %s)", (version, name)
                )
        if missing:
            await _let_owner_act(connection)
        return [name for _, name, _ in missing]
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _prepared(connection: AsyncConnection) -> bool:
    cursor = await connection.execute("SELECT to_regclass('ragstone.schema_migration') IS NOT NULL")
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _let_owner_act(connection: AsyncConnection) -> None:
    # With one login for everything the application steps down to ragstone_app on every connection.
    await connection.execute(
        """DO $$ BEGIN
             IF NOT pg_has_role(current_user, 'ragstone_app', 'SET') THEN
               EXECUTE format('GRANT ragstone_app TO %I WITH INHERIT FALSE, SET TRUE', current_user);
             END IF;
           END $$"""
    )
