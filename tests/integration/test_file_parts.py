"""Uploaded files in the database: who sees them, what a broken upload leaves, and what a slow reader holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

import pytest

from ragstone.domain import Asker
from ragstone.errors import DatabaseUnavailableError, ObjectNotFoundError
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.objects.parts import PartsObjects

pytestmark = pytest.mark.anyio

MIB = 2**20
_numbers = count()


async def new_file(database: Database, asker: Asker, readers: tuple[str, ...] = ()) -> str:
    """The key of a file of which nothing is uploaded yet."""
    public_id = f"file-part-{next(_numbers)}"
    async with database.transaction(asker) as connection:
        await connection.execute(
            "INSERT INTO file (tenant_id, audience_id, public_id, filename, size, place)"
            " VALUES (%s, audience_of(%s::text[]), %s, 'a', 0, 'database')",
            (asker.tenant.id, list(readers), public_id),
        )
    return f"{asker.tenant.id}/{public_id}"


async def blocks(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"granite " * 2**17


async def whole(objects: PartsObjects, key: str) -> bytes:
    return b"".join([piece async for piece in objects.read(key)])


async def listed(objects: PartsObjects, prefix: str = "") -> list[str]:
    return [key async for key in objects.keys(prefix)]


async def sizes_of_parts(database: Database, asker: Asker) -> list[int]:
    async with database.transaction(asker) as connection:
        cursor = await connection.execute("SELECT octet_length(content) FROM file_part ORDER BY file_id, number")
        return [row[0] for row in await cursor.fetchall()]


@pytest.fixture
async def stranger(anyio_backend: str, database: Database, asker: Asker) -> Asker:
    return replace(asker, tenant=await database.tenant(f"stranger {next(_numbers)}"))


async def test_a_file_lies_in_parts_of_a_mebibyte_the_last_of_which_is_short(database: Database, asker: Asker) -> None:
    objects = PartsObjects(database, asker)
    await objects.write(await new_file(database, asker), blocks(2))
    assert await sizes_of_parts(database, asker) == [MIB, MIB, 0]


async def test_another_tenant_sees_and_removes_nothing(database: Database, asker: Asker, stranger: Asker) -> None:
    mine, others = PartsObjects(database, asker), PartsObjects(database, stranger)
    key = await new_file(database, asker)
    await mine.write(key, blocks(2))
    public_id = key.partition("/")[2]
    for wanted in (key, f"{stranger.tenant.id}/{public_id}", public_id, f"/{public_id}"):
        with pytest.raises(ObjectNotFoundError):
            await whole(others, wanted)
        with pytest.raises(ObjectNotFoundError):
            await others.write(wanted, blocks(1))
        await others.delete([wanted])
    assert await listed(others) == await listed(others, str(asker.tenant.id)) == []
    assert len(await whole(mine, key)) == 2 * MIB


async def test_a_file_is_closed_to_all_but_its_readers(database: Database, asker: Asker) -> None:
    alice = replace(asker, actor="user:alice", readers=("user:alice", "group:hr"), reads_all=False)
    bob = replace(asker, actor="user:bob", readers=("user:bob",), reads_all=False)
    key = await new_file(database, alice, ("group:hr",))
    await PartsObjects(database, alice).write(key, blocks(1))
    with pytest.raises(ObjectNotFoundError):
        await whole(PartsObjects(database, bob), key)
    await PartsObjects(database, bob).delete([key])
    assert await listed(PartsObjects(database, bob)) == []
    assert len(await whole(PartsObjects(database, alice), key)) == MIB


async def test_a_file_that_is_removed_while_it_is_uploaded_takes_its_parts_with_it(
    database: Database, asker: Asker
) -> None:
    key = await new_file(database, asker)

    async def removing() -> AsyncIterator[bytes]:
        async for block in blocks(2):
            yield block
        async with database.transaction(asker) as connection:
            await connection.execute("DELETE FROM file")
        async for block in blocks(2):
            yield block

    with pytest.raises(ObjectNotFoundError, match="removed while it was uploaded"):
        await PartsObjects(database, asker).write(key, removing())
    assert await sizes_of_parts(database, asker) == []


async def test_what_is_removed_while_it_is_read_is_told(database: Database, asker: Asker) -> None:
    objects = PartsObjects(database, asker)
    key = await new_file(database, asker)
    await objects.write(key, blocks(3))
    reading = objects.read(key)
    await anext(reading)
    await objects.delete([key])
    with pytest.raises(ObjectNotFoundError, match="removed while it was read"):
        await anext(reading)


async def test_what_a_killed_upload_left_is_listed_but_not_read(database: Database, asker: Asker) -> None:
    class Killed(PartsObjects):
        async def delete(self, keys: object) -> None:
            """A killed process does not tidy up."""

    async def broken() -> AsyncIterator[bytes]:
        async for block in blocks(2):
            yield block
        raise ConnectionResetError

    key = await new_file(database, asker)
    with pytest.raises(ConnectionResetError):
        await Killed(database, asker).write(key, broken())
    assert await sizes_of_parts(database, asker) == [MIB, MIB]
    objects = PartsObjects(database, asker)
    with pytest.raises(ObjectNotFoundError):
        await whole(objects, key)
    assert await listed(objects) == [key]
    await objects.write(key, blocks(1))
    assert len(await whole(objects, key)) == MIB


async def test_a_slow_reader_and_a_slow_uploader_hold_no_connection(
    anyio_backend: str, server: EmbeddedServer, database_name: str, database: Database, asker: Asker
) -> None:
    key, other = await new_file(database, asker), await new_file(database, asker)
    narrow = Database(lambda: server.dsn(database_name), size=1, timeout=2)
    await narrow.open()
    try:
        objects = PartsObjects(narrow, asker)
        await objects.write(key, blocks(3))
        reading = objects.read(key)
        await anext(reading)

        async def slow() -> AsyncIterator[bytes]:
            async for block in blocks(2):
                yield block
                await objects.check()

        await objects.write(other, slow())
        assert len(b"".join([piece async for piece in reading])) == 2 * MIB
    finally:
        await narrow.close()


async def test_a_database_that_takes_no_writes_is_told(
    anyio_backend: str, server: EmbeddedServer, database_name: str, asker: Asker
) -> None:
    standby = Database(lambda: f"{server.dsn(database_name)} options='-c default_transaction_read_only=on'", size=1)
    await standby.open()
    try:
        with pytest.raises(DatabaseUnavailableError, match="takes no writes"):
            await PartsObjects(standby, asker).check()
    finally:
        await standby.close()
