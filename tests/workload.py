"""Uploaded files that wait to become documents, as the service leaves them to its workers."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import psycopg

from ragstone.domain import Asker, EmbeddingModel, Priority, Store
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.migrate import migrate
from ragstone.storage.objects.parts import PartsObjects
from ragstone.storage.work.queue import Kind, enqueue

_numbers = count()


@dataclass(frozen=True)
class Desk:
    """Where files of one tenant are handed in and looked after."""

    database: Database
    asker: Asker
    store: Store

    async def hand_in(self, name: str, content: bytes, priority: Priority = Priority.BATCH) -> int:
        """Upload a file and attach it; returns the id of the document to be."""
        document = await self.attach(await self.upload(name, content))
        await self.enqueue(document, priority)
        return document

    async def upload(self, name: str, content: bytes) -> str:
        """The public id of a file that lies in the database."""
        public_id = f"file-desk{next(_numbers)}"
        digest = hashlib.sha256(content).digest()
        await self._do(
            "INSERT INTO file (tenant_id, public_id, filename, size, content_hash, place, uploaded)"
            " VALUES (%s, %s, %s, %s, %s, 'database', true)",
            *(self.asker.tenant.id, public_id, name, len(content), digest),
        )

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        await PartsObjects(self.database, self.asker).write(f"{self.asker.tenant.id}/{public_id}", pieces())
        return public_id

    async def attach(self, file: str) -> int:
        """A document in progress, without a task."""
        rows = await self._do(
            "INSERT INTO document (tenant_id, store_id, public_id, source, source_key, filename, file_id, status)"
            " SELECT tenant_id, %s, public_id, 'upload:' || public_id, sha256(public_id::bytea), filename, id,"
            " 'in_progress' FROM file WHERE public_id = %s RETURNING id",
            *(self.store.id, file),
        )
        return int(str(rows[0][0]))

    async def enqueue(self, document: int, priority: Priority = Priority.BATCH) -> None:
        async with self.database.transaction(self.asker) as connection:
            await enqueue(connection, self.asker, Kind.INGEST, document, priority)

    async def status(self, document: int) -> tuple[str, str | None, str | None]:
        """Of a document, with the code and the message of its error."""
        rows = await self._do("SELECT status, error_code, error_message FROM document WHERE id = %s", document)
        status, code, message = rows[0]
        return str(status), code and str(code), message and str(message)  # type: ignore[return-value]

    async def statuses(self) -> list[str]:
        return [str(row[0]) for row in await self._do("SELECT status FROM document")]

    async def ordinals(self, document: int) -> list[int]:
        """Of all chunks that there are of a document, whatever its version."""
        rows = await self._do("SELECT ordinal FROM chunk WHERE document_id = %s ORDER BY ordinal", document)
        return [int(str(row[0])) for row in rows]

    async def tasks(self) -> list[tuple[object, ...]]:
        """State, attempt, failures, deaths and reason of each task."""
        return await self._do("SELECT state, attempt, failures, deaths, reason FROM task ORDER BY id")

    async def running(self) -> list[str]:
        """Who has the tasks that are in hand."""
        return [str(row[0]) for row in await self._do("SELECT worker FROM task WHERE state = 'running'")]

    async def versions(self, document: int) -> int:
        """How many there are of a document."""
        return len(await self._do("SELECT 1 FROM document_version WHERE document_id = %s", document))

    async def hurry(self) -> None:
        """Let no task wait for its time."""
        await self._do("UPDATE task SET run_after = created_at")

    async def count_deaths(self, deaths: int) -> None:
        """As if so many workers had died of its tasks."""
        await self._do("UPDATE task SET deaths = %s", deaths)

    async def _do(self, query: str, *values: object) -> list[tuple[object, ...]]:
        async with self.database.transaction(self.asker) as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall() if cursor.description else []


async def open_desk(database: Database, asker: Asker, model: EmbeddingModel) -> Desk:
    return Desk(database, asker, await PostgresLibrary(database, asker).open_store("desk", model))


def make_database(server: EmbeddedServer, name: str) -> None:
    """A database of its own: workers take the tasks of all tenants, also those that other tests left."""
    with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(server.admin_dsn(name)))).result()


def with_patience(admin: psycopg.Connection, patience: str) -> None:
    """Change for how long after a start of the database the free lock of a worker tells nothing."""
    row = admin.execute("SELECT pg_get_functiondef('free_tasks'::regproc)").fetchone()
    assert row is not None
    changed, found = re.subn(r"interval '[^']*'(?=;)", f"interval '{patience}'", row[0], count=1)
    assert found == 1
    admin.execute(changed.encode())
