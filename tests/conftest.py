"""A real PostgreSQL for all tests that store something: one server, a tenant for each test."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psycopg
import pytest
from folders import open_folder

from ragstone.bootstrap import everything
from ragstone.domain import Asker, Tenant
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.migrate import migrate

_numbers = count()

# What a shell starts in the background ignores SIGINT, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """The data folder of the tests' server."""
    folder = open_folder("ragstone-tests-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(home) as running:
        yield running


@pytest.fixture(scope="session")
def database_name(server: EmbeddedServer) -> str:
    """A database with the schema; tests keep apart by acting for tenants of their own."""
    with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        # What the tests store is thrown away, whatever the disk does.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE tests")
    # In a thread of its own: an asynchronous fixture may be what asks for this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(server.admin_dsn("tests")))).result()
    return "tests"


@pytest.fixture
async def database(anyio_backend: str, server: EmbeddedServer, database_name: str) -> AsyncIterator[Database]:
    """The application's pool."""
    pool = Database(lambda: server.dsn(database_name), size=4)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
async def tenant(anyio_backend: str, database: Database) -> Tenant:
    """A tenant that no other test knows."""
    return await database.tenant(f"tenant {next(_numbers)}")


@pytest.fixture
def asker(tenant: Tenant) -> Asker:
    """Somebody from whom the tenant hides nothing."""
    return everything(tenant, "test")
