"""Locks are taken in one order, so that nobody waits in a circle: any two of these would, if one went another way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import psycopg
import pytest
from contract.samples import MODEL, Piece, document, indexed, one_by_one
from meetings import Crossing
from places import superuser
from psycopg.types.json import Jsonb

from ragstone.access.askers import person
from ragstone.domain import Asker, Scope, Store, Tenant
from ragstone.errors import ClaimLostError, ConcurrentChangeError, NotFoundError
from ragstone.storage.answers.kept import PostgresAnswers
from ragstone.storage.answers.making import begin, give_up
from ragstone.storage.catalog.attaching import Attachment
from ragstone.storage.catalog.documents import PostgresDocuments
from ragstone.storage.catalog.expiry import remove_expired
from ragstone.storage.catalog.files import PostgresFiles
from ragstone.storage.catalog.store_catalog import Label, PostgresStores
from ragstone.storage.catalog.stores import locate_store
from ragstone.storage.catalog.uploading import Particulars
from ragstone.storage.contents.compaction import FANOUT, compact
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.contents.versions import add_version, supersede
from ragstone.storage.database import Database, scope
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.objects.parts import PartsObjects
from ragstone.storage.work.assignments import assignment, fulfil
from ragstone.storage.work.queue import Claim, Kind, Queue, requeue

pytestmark = pytest.mark.anyio

PIECES = [Piece("granite is hard")]
HR = ("group:hr",)


@pytest.fixture
def admin(server: EmbeddedServer, database_name: str) -> Iterator[psycopg.Connection]:
    with superuser(server, database_name) as connection:
        connection.execute("SET search_path = ragstone, public")
        yield connection


@pytest.fixture
def crossing(server: EmbeddedServer, database_name: str, admin: psycopg.Connection) -> Crossing:
    return Crossing(server, database_name, admin)


@pytest.fixture
def alice(tenant: Tenant) -> Asker:
    return person(tenant, "alice", (), frozenset(Scope) - {Scope.ADMIN})


@pytest.fixture
def bob(tenant: Tenant) -> Asker:
    return person(tenant, "bob", ["hr"], frozenset(Scope) - {Scope.ADMIN})


async def put(database: Database, asker: Asker, source: str) -> tuple[Store, str]:
    """A document from a folder: its store and its file."""
    library = PostgresLibrary(database, asker)
    store = await library.open_store("docs", MODEL)
    return store, await library.put(store, document(source, PIECES), one_by_one(indexed(PIECES)))


def files_of(database: Database, asker: Asker) -> PostgresFiles:
    return PostgresFiles(database, asker, {"database": PartsObjects(database, asker)})


async def upload(database: Database, asker: Asker, readers: tuple[str, ...] = ()) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"text"

    async with files_of(database, asker).upload("a.txt", readers) as coming:
        await coming.write(pieces())
        return (await coming.finish(Particulars(readers=readers))).public_id


async def attach(database: Database, asker: Asker, file: str, readers: tuple[str, ...] = ()) -> str:
    """The id of a new store that this file waits in."""
    files = [Attachment(file, readers=readers)]
    return (await PostgresStores(database, asker).create(Label(), MODEL, "english", files)).public_id


async def read(database: Database, asker: Asker, store: str, file: str) -> None:
    """A version of a document, without chunks."""
    found = await PostgresDocuments(database, asker).find(store, file)
    async with database.transaction(asker) as connection:
        cursor = await connection.execute("SELECT store_id, audience_id FROM document WHERE id = %s", (found.id,))
        row = await cursor.fetchone()
        assert row is not None
        place = {**scope(asker), "document": found.id, "store": row[0], "audience": row[1]}
        version = await add_version(connection, place, document(file, PIECES))
        await supersede(connection, {**place, "version": version}, 0, None)


def troubles(errors: list[BaseException], *expected: type[BaseException]) -> list[str]:
    """What is beside that one came too late."""
    return [f"{error!r}: {getattr(error, 'why', '')}" for error in errors if not isinstance(error, expected)]


# Files and their documents


async def test_sources_are_removed_while_the_file_of_one_is_deleted(
    crossing: Crossing, database: Database, asker: Asker
) -> None:
    store, file = await put(database, asker, "/0")
    errors = await crossing.errors(
        "library.lock_documents",
        lambda halting: PostgresLibrary(halting, asker).remove(store, ["/0"]),
        files_of(database, asker).delete(file),
    )
    assert troubles(errors, NotFoundError) == []


async def test_a_source_is_ingested_again_while_its_file_is_deleted(
    crossing: Crossing, database: Database, asker: Asker
) -> None:
    _, file = await put(database, asker, "/0")
    errors = await crossing.errors(
        "library.claim_document", lambda halting: put(halting, asker, "/0"), files_of(database, asker).delete(file)
    )
    assert troubles(errors) == []


async def test_a_source_is_taken_out_of_its_store_while_its_file_is_deleted(
    crossing: Crossing, database: Database, asker: Asker
) -> None:
    store, file = await put(database, asker, "/0")
    errors = await crossing.errors(
        "documents.lock_document",
        lambda halting: PostgresDocuments(halting, asker).remove(store.public_id, file),
        files_of(database, asker).delete(file),
    )
    assert troubles(errors, NotFoundError) == []


async def test_a_document_is_changed_by_who_does_not_see_its_file_while_that_is_deleted(
    crossing: Crossing, database: Database, asker: Asker, alice: Asker, bob: Asker
) -> None:
    file = await upload(database, alice, ("user:alice",))
    store = await attach(database, asker, file, HR)
    errors = await crossing.errors(
        "documents.set_attributes",
        lambda halting: PostgresDocuments(halting, bob).change(store, file, {"a": 1}, ()),
        files_of(database, alice).delete(file),
    )
    assert troubles(errors) == []


async def test_a_document_is_changed_twice_for_readers_that_are_new(
    crossing: Crossing, database: Database, asker: Asker
) -> None:
    file = await upload(database, asker)
    store = await attach(database, asker, file)
    errors = await crossing.errors(
        "documents.set_attributes",
        lambda halting: PostgresDocuments(halting, asker).change(store, file, {"a": 1}, HR),
        PostgresDocuments(database, asker).change(store, file, None, HR),
    )
    assert troubles(errors) == []


# Stores


async def test_a_store_is_deleted_while_a_file_is_that_others_have_in_it(
    crossing: Crossing, database: Database, asker: Asker, alice: Asker
) -> None:
    file = await upload(database, alice)
    store = await attach(database, asker, file, HR)
    await read(database, asker, store, file)
    errors = await crossing.errors(
        "stores.shut_store",
        lambda halting: PostgresStores(halting, asker).delete(store),
        files_of(database, alice).delete(file),
    )
    assert troubles(errors) == []


async def test_a_file_that_got_into_another_store_at_the_last_moment_is_not_half_deleted(
    crossing: Crossing, database: Database, asker: Asker
) -> None:
    file = await upload(database, asker)
    stores = [await attach(database, asker, file)]

    async def attach_again() -> None:
        stores.append(await attach(database, asker, file))

    errors = await crossing.errors(
        "files.hold_stores_of_file", lambda halting: files_of(halting, asker).delete(file), attach_again()
    )
    assert [str(error) for error in errors] == [f"The file {file} was attached at the same moment. Delete it again"]
    for store in stores:
        await PostgresDocuments(database, asker).find(store, file)
    await files_of(database, asker).delete(file)
    with pytest.raises(NotFoundError):
        await PostgresDocuments(database, asker).find(stores[1], file)


async def test_a_file_that_the_asker_does_not_see_is_not_deleted(
    database: Database, asker: Asker, alice: Asker, bob: Asker
) -> None:
    file = await upload(database, alice, ("user:alice",))
    store = await attach(database, asker, file, HR)
    with pytest.raises(NotFoundError):
        await files_of(database, bob).delete(file)
    await PostgresDocuments(database, bob).find(store, file)


async def test_a_store_that_is_used_when_its_time_comes_keeps_what_it_holds(
    crossing: Crossing, database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    store = await PostgresStores(database, asker).create(Label(expires_after_days=1), MODEL, "english")
    admin.execute("UPDATE store SET last_active_at = now() - interval '2 days' WHERE id = %s", (store.id,))

    async def use(halting: Database) -> None:
        async with halting.transaction(asker) as connection:
            # By somebody who has found it alive the moment before.
            await connection.execute("UPDATE store SET last_active_at = now() WHERE id = %s", (store.id,))
            await locate_store(connection, asker, store.public_id, hold=True)

    assert await crossing.errors("stores.hold_store", use, remove_expired(database, asker, {})) == []
    assert not (await PostgresStores(database, asker).find(store.public_id)).expired


@pytest.mark.parametrize("deleting_first", [True, False])
async def test_a_store_is_deleted_while_its_segments_are_merged(
    crossing: Crossing, database: Database, asker: Asker, *, deleting_first: bool
) -> None:
    for number in range(FANOUT):
        store, _ = await put(database, asker, f"/{number}")
    errors = await (
        crossing.errors(
            "stores.shut_store",
            lambda halting: PostgresStores(halting, asker).delete(store.public_id),
            compact(database, asker, store),
        )
        if deleting_first
        else crossing.errors(
            "compaction.segments",
            lambda halting: compact(halting, asker, store),
            PostgresStores(database, asker).delete(store.public_id),
        )
    )
    assert troubles(errors) == []


# Tasks


async def test_a_document_is_attached_again_while_dead_ones_are_asked_for(
    crossing: Crossing, database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    file = await upload(database, asker)
    store = await attach(database, asker, file)
    admin.execute("UPDATE task SET state = 'dead' WHERE tenant_id = %s", (asker.tenant.id,))
    admin.execute("UPDATE document SET status = 'failed' WHERE tenant_id = %s", (asker.tenant.id,))
    errors = await crossing.errors(
        "documents.lock_attached",
        lambda halting: PostgresDocuments(halting, asker).attach(store, Attachment(file)),
        requeue(database, asker),
    )
    assert troubles(errors) == []


async def test_a_document_is_completed_while_its_file_is_deleted(
    crossing: Crossing, database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    file = await upload(database, asker)
    await attach(database, asker, file)
    row = admin.execute(
        "UPDATE task SET state = 'running', attempt = 1, worker = 'clerk', lease_until = now() + interval '1 minute'"
        " WHERE tenant_id = %s RETURNING id, subject_id",
        (asker.tenant.id,),
    ).fetchone()
    assert row is not None
    claim = Claim(asker.tenant, row[0], Kind.INGEST, row[1], 1, 0, "clerk")
    wanted = await assignment(database, claim)
    errors = await crossing.errors(
        "documents.stay",
        lambda halting: fulfil(halting, claim, wanted, document(file, PIECES), one_by_one(indexed(PIECES))),
        files_of(database, asker).delete(file),
    )
    assert [type(error) for error in errors] == [ConcurrentChangeError]


async def test_a_task_that_somebody_takes_away_keeps_no_other_lease_from_being_extended(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    whose = asker.tenant.id
    tasks = admin.execute(
        "INSERT INTO task (tenant_id, kind, subject_id, state, attempt, worker, lease_until)"
        " SELECT %s, 'ingest', -n, 'running', 1, 'clerk', now() FROM generate_series(1, 2) n RETURNING id",
        (whose,),
    ).fetchall()
    ids = [task[0] for task in tasks]
    async with asyncio.timeout(10), database.connection() as connection:
        with admin.transaction():
            admin.execute("SELECT FROM task WHERE tenant_id = %s AND id = %s FOR UPDATE", (whose, ids[0]))
            query = "SELECT id FROM extend_leases('clerk', %s, %s, '{1,1}', '1 hour')"
            kept = await (await connection.execute(query, ([whose, whose], ids))).fetchall()
    gone = "DELETE FROM task WHERE tenant_id = %s RETURNING id, lease_until > now()"
    extended = admin.execute(gone, (whose,)).fetchall()
    assert (sorted(kept), sorted(extended)) == (sorted(tasks), [(ids[0], False), (ids[1], True)])


@pytest.fixture
def answering(admin: psycopg.Connection, asker: Asker) -> Claim:
    """The claim of the response `resp_1`."""
    row = admin.execute(
        "WITH r AS (INSERT INTO response (tenant_id, public_id, actor, status, request, expires_at)"
        " VALUES (%s, 'resp_1', %s, 'queued', %s, now() + interval '1 day') RETURNING tenant_id, id)"
        " INSERT INTO task (tenant_id, kind, subject_id, state, attempt, worker, lease_until)"
        " SELECT tenant_id, 'answer', id, 'running', 1, 'clerk', now() + interval '1 minute' FROM r"
        " RETURNING id, subject_id",
        (asker.tenant.id, asker.actor, Jsonb({"settings": {}, "input": [], "question": {"text": "Why?"}})),
    ).fetchone()
    assert row is not None
    return Claim(asker.tenant, row[0], Kind.ANSWER, row[1], 1, 0, "clerk")


@pytest.mark.parametrize("way", ["cancel", "delete"])
@pytest.mark.parametrize("end", ["bury", "give up"])
async def test_an_answer_is_called_off_while_its_worker_gives_it_up(
    crossing: Crossing, database: Database, asker: Asker, answering: Claim, way: str, end: str
) -> None:
    async def called_off(halting: Database) -> None:
        answers = PostgresAnswers(halting, asker)
        await (answers.cancel if way == "cancel" else answers.delete)("resp_1")

    errors = await crossing.errors(
        "answers.forget_answer_task",
        called_off,
        give_up(database, answering, "server_error", "why")
        if end == "give up"
        else Queue(database, "clerk", [Kind.ANSWER], lease=timedelta(seconds=30)).bury(answering, "why"),
    )
    assert troubles(errors, ClaimLostError, NotFoundError) == []


async def test_an_answer_that_is_cancelled_while_its_worker_begins_stays_cancelled(
    crossing: Crossing, database: Database, asker: Asker, answering: Claim
) -> None:
    errors = await crossing.errors(
        "answers.cancel_response",
        lambda halting: PostgresAnswers(halting, asker).cancel("resp_1"),
        begin(database, answering),
    )
    assert [type(error) for error in errors] == [ClaimLostError]
    assert await PostgresAnswers(database, asker).status("resp_1") == "cancelled"
