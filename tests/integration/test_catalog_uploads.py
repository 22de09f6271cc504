"""Uploads that do not end as they should: their bytes stay nowhere, and what was finished is not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import psycopg
import pytest
from places import OPERATOR, databases_with, superuser
from psycopg import AsyncConnection

from ragstone.domain import Asker
from ragstone.errors import DatabaseUnavailableError, InvalidRequestError, TenantMovingError
from ragstone.fakes.objects import MemoryObjects
from ragstone.storage.catalog.expiry import remove_expired
from ragstone.storage.catalog.files import PostgresFiles
from ragstone.storage.catalog.uploading import Particulars
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.pages import Excerpt
from ragstone.storage.tenancy.deletion import Remover

pytestmark = pytest.mark.anyio


class Deaf(Database):
    """A database whose next answer to the end of a transaction gets lost, once it is asked to be so."""

    deaf = False

    @asynccontextmanager
    async def transaction(self, asker: Asker) -> AsyncIterator[AsyncConnection]:
        async with super().transaction(asker) as connection:
            yield connection
        if self.deaf:
            self.deaf = False
            raise DatabaseUnavailableError("The connection to the database broke")


@pytest.fixture
async def deaf(anyio_backend: str, server: EmbeddedServer, database_name: str) -> AsyncIterator[Deaf]:
    database = Deaf(lambda: server.dsn(database_name), size=2)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def bucket() -> MemoryObjects:
    return MemoryObjects()


async def held(bucket: MemoryObjects) -> list[str]:
    return [key async for key in bucket.keys("")]


async def upload(files: PostgresFiles, meanwhile: Awaitable[object]) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await meanwhile
        yield b"last"

    async with files.upload("slow.txt") as coming:
        await coming.write(pieces())
        return (await coming.finish(Particulars())).public_id


async def test_an_upload_that_ends_after_its_time_leaves_no_bytes(
    database: Database, asker: Asker, bucket: MemoryObjects, server: EmbeddedServer, database_name: str
) -> None:
    async def its_time_is_over() -> None:
        with superuser(server, database_name) as admin:
            expire(admin, asker)
        assert await remove_expired(database, asker, {"bucket": bucket}) == 1

    with pytest.raises(InvalidRequestError, match="took longer than 2:00:00"):
        await upload(PostgresFiles(database, asker, {"bucket": bucket}), its_time_is_over())
    assert await held(bucket) == []


def expire(admin: psycopg.Connection, asker: Asker) -> None:
    past = "UPDATE ragstone.file SET expires_at = now() - interval '1 second' WHERE tenant_id = %s"
    admin.execute(past, (asker.tenant.id,))


async def test_an_upload_that_ends_after_the_deletion_of_its_tenant_leaves_no_bytes(
    database: Database, asker: Asker, bucket: MemoryObjects, server: EmbeddedServer
) -> None:
    async with databases_with(server, database) as databases:

        async def deleted() -> None:
            assert (await Remover(databases, OPERATOR, bucket).delete(asker.tenant.name)).complete

        with pytest.raises(TenantMovingError):
            await upload(PostgresFiles(database, asker, {"bucket": bucket}), deleted())
    assert await held(bucket) == []


async def test_a_file_that_was_finished_stays_although_the_answer_was_lost(
    deaf: Deaf, asker: Asker, bucket: MemoryObjects
) -> None:
    files = PostgresFiles(deaf, asker, {"bucket": bucket})
    with pytest.raises(DatabaseUnavailableError):
        async with files.upload("a.txt") as coming:
            await coming.write(once(b"text"))
            deaf.deaf = True
            await coming.finish(Particulars())
    (file,) = (await files.page(Excerpt())).items
    assert await held(bucket) == [f"{asker.tenant.id}/{file.public_id}"]


async def test_an_upload_that_ends_after_its_time_leaves_no_bytes_although_the_answer_was_lost(
    deaf: Deaf, asker: Asker, bucket: MemoryObjects, server: EmbeddedServer, database_name: str
) -> None:
    files = PostgresFiles(deaf, asker, {"bucket": bucket})
    with pytest.raises(DatabaseUnavailableError):
        async with files.upload("a.txt") as coming:
            with superuser(server, database_name) as admin:
                expire(admin, asker)
            await remove_expired(deaf, asker, {"bucket": bucket})
            await coming.write(once(b"text"))
            deaf.deaf = True
            await coming.finish(Particulars())
    assert await held(bucket) == []


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content
