"""Whatever is done to the same files and stores at once, nobody waits in a circle and nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable

import pytest
from clerks import Office
from contract.samples import MODEL

from ragstone.bootstrap import Session
from ragstone.domain import Asker, Tenant
from ragstone.errors import ClaimLostError, ConflictError, NotFoundError
from ragstone.storage.catalog.attaching import Attachment
from ragstone.storage.catalog.store_catalog import Label
from ragstone.storage.catalog.stores import DEFAULT_LANGUAGE
from ragstone.storage.catalog.uploading import Particulars
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer

pytestmark = pytest.mark.anyio

EXPECTED = (NotFoundError, ConflictError, ClaimLostError)
ROUNDS = 4
FILES = 8

# What there must be none of, however it came to an end.
LEFTOVERS = {
    "chunk of no document": "SELECT FROM chunk k WHERE NOT EXISTS (SELECT FROM document d WHERE d.id = k.document_id"
    " AND d.version_id = k.version_id AND d.audience_id = k.audience_id)",
    "version of no document": "SELECT FROM document_version v WHERE NOT EXISTS"
    " (SELECT FROM document d WHERE d.version_id = v.id)",
    "document without chunks": "SELECT FROM document d WHERE status = 'completed' AND NOT EXISTS"
    " (SELECT FROM chunk k WHERE k.version_id = d.version_id)",
    "chunk that is there twice": "SELECT FROM chunk GROUP BY document_id, ordinal HAVING count(*) > 1",
    "vector of no chunk": "SELECT FROM {embedding} e WHERE NOT EXISTS (SELECT FROM chunk k WHERE k.id = e.chunk_id)",
    "chunk without vector": "SELECT FROM chunk k WHERE NOT EXISTS (SELECT FROM {embedding} e WHERE e.chunk_id = k.id)",
    "posting of no segment": "SELECT FROM posting p WHERE NOT EXISTS (SELECT FROM segment s WHERE s.id = p.segment_id)",
    "task of no document": "SELECT FROM task t WHERE NOT EXISTS (SELECT FROM document d WHERE d.id = t.subject_id)",
    "file that nobody sees": "SELECT FROM file WHERE NOT uploaded",
    "wrong count": "SELECT FROM (SELECT (SELECT COALESCE(sum(chunk_count), 0) FROM segment)"
    " - (SELECT count(*) FROM tombstone) - (SELECT count(*) FROM chunk) AS off) AS counts WHERE off <> 0",
}


@pytest.fixture
async def database(anyio_backend: str, server: EmbeddedServer, database_name: str) -> AsyncIterator[Database]:
    pool = Database(lambda: server.dsn(database_name), size=12)
    await pool.open()
    yield pool
    await pool.close()


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_done_at_once_leaves_nothing_behind(
    database: Database, tenant: Tenant, asker: Asker, seed: int
) -> None:
    office, session, chance = Office(database, tenant), Session(database, asker), random.Random(seed)
    for _ in range(ROUNDS):
        files = [await put(session, f"{number}.txt") for number in range(FILES)]
        store = (await session.stores.create(Label(), MODEL, DEFAULT_LANGUAGE)).public_id
        batch = (await session.batches.create(store, [Attachment(file) for file in files])).public_id
        for file in files[::2]:
            await office.finish(store, file)
        done: list[Awaitable[object]] = [
            doing(chance, session, office, store, file) for file in files for _ in range(2)
        ]
        if chance.randrange(2):
            done.append(session.batches.cancel(store, batch))
        if chance.randrange(2):
            done.append(session.stores.delete(store))
        chance.shuffle(done)
        outcomes = await asyncio.gather(*done, return_exceptions=True)
        troubles = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert [str(error) for error in troubles if not isinstance(error, EXPECTED)] == []
    model = (await office.rows("SELECT id FROM embedding_model WHERE name = %s", MODEL.name))[0][0]
    for what, query in LEFTOVERS.items():
        assert await office.rows(query.replace("{embedding}", f"embedding_{model}")) == [], what


async def put(session: Session, name: str) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"text"

    async with session.files.upload(name) as coming:
        await coming.write(pieces())
        return (await coming.finish(Particulars())).public_id


def doing(chance: random.Random, session: Session, office: Office, store: str, file: str) -> Awaitable[object]:
    """Something that is done to a file of a store."""
    readers = chance.choice([(), ("user:a",), ("group:b",)])
    match chance.randrange(6):
        case 0:
            return session.files.delete(file)
        case 1:
            return session.documents.remove(store, file)
        case 2:
            return session.documents.change(store, file, {"a": 1}, readers)
        case 3:
            return session.documents.attach(store, Attachment(file, readers=readers))
        case 4:
            return session.batches.create(store, [Attachment(file)])
        case _:
            return office.finish(store, file)
