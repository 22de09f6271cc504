"""Caches in the database: what raises a store's version, what is swept away, and that nothing outdated is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

import psycopg
import pytest
from contract.samples import MODEL, Piece, direction, document, indexed, one_by_one
from places import OPERATOR, databases_with, superuser

from ragstone.domain import Answer, Asker, CacheOutcome, GroundingStatus, Span, Store, Tenant
from ragstone.fakes.models import HashingEmbedder
from ragstone.storage import migrate as migrate_module
from ragstone.storage.answers.remembered import PostgresAnswerCache, forget_cached, settle_changes
from ragstone.storage.answers.vectors import RememberingEmbedder
from ragstone.storage.catalog.attaching import Attachment
from ragstone.storage.catalog.documents import PostgresDocuments
from ragstone.storage.catalog.expiry import remove_all_expired
from ragstone.storage.catalog.removal import remove_file
from ragstone.storage.catalog.store_catalog import PostgresStores
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import ENTER, Database, entering
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.migrate import migrations
from ragstone.storage.tenancy.moving import Mover
from ragstone.storage.tenancy.placement import placement_of
from ragstone.storage.tenancy.tenants import find_tenant

pytestmark = pytest.mark.anyio

KEY, QUESTION = b"k" * 32, "What is the code?"


@pytest.fixture
def admin(server: EmbeddedServer, database_name: str) -> Iterator[psycopg.Connection]:
    with superuser(server, database_name) as connection:
        yield connection


@pytest.fixture
def library(database: Database, asker: Asker) -> PostgresLibrary:
    return PostgresLibrary(database, asker)


@pytest.fixture
async def store(anyio_backend: str, library: PostgresLibrary) -> Store:
    made = await library.open_store("docs", MODEL)
    await put(library, made, "/a", "first")
    return made


@pytest.fixture
def cache(database: Database, asker: Asker) -> PostgresAnswerCache:
    return PostgresAnswerCache(database, asker)


async def put(library: PostgresLibrary, store: Store, source: str, *texts: str, readers: Sequence[str] = ()) -> str:
    pieces = [Piece(text) for text in texts]
    made = replace(document(source, pieces), readers=tuple(readers))
    return await library.put(store, made, one_by_one(indexed(pieces)))


def answer(text: str) -> Answer:
    return Answer(text, GroundingStatus.SUPPORTED, (), (), {"total": 1.0})


async def kept(cache: PostgresAnswerCache, store: Store, text: str = "kept", question: str = QUESTION) -> None:
    found = await cache.find(KEY, [store], question, None)
    await cache.keep(KEY, found.versions, question, None, answer(text))
    assert await told(cache, store, question) == text


async def told(cache: PostgresAnswerCache, store: Store, question: str = QUESTION) -> str | None:
    found = await cache.find(KEY, [store], question, None)
    return None if found.answer is None else found.answer.text


def rows(admin: psycopg.Connection, table: str, tenant: Tenant) -> int:
    query = f"SELECT count(*) FROM ragstone.{table} WHERE tenant_id = %s"
    row = admin.execute(query.encode(), (tenant.id,)).fetchone()
    assert row is not None
    return int(row[0])


# ---------------------------------------------------------------- what raises a version


async def test_attributes_and_readers_are_changes(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store, cache: PostgresAnswerCache
) -> None:
    file = await put(library, store, "/b", "second")
    documents = PostgresDocuments(database, asker)
    changes: tuple[tuple[dict[str, str | float | bool] | None, list[str] | None], ...] = (
        ({"year": 2024}, None),
        ({"year": 2025}, None),
        (None, ["group:hr"]),
        (None, []),
    )
    for attributes, readers in changes:
        await kept(cache, store)
        await documents.change(store.public_id, file, attributes, readers)
        assert await told(cache, store) is None
    await kept(cache, store)
    await documents.change(store.public_id, file, {"year": 2025}, [])
    assert await told(cache, store) == "kept"  # nothing was changed


async def test_the_end_of_a_file_a_document_or_a_store_is_a_change(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store, cache: PostgresAnswerCache
) -> None:
    by_file, by_document = await put(library, store, "/b", "second"), await put(library, store, "/c", "third")
    await kept(cache, store)
    assert await remove_file(database, asker, {}, by_file)
    assert await told(cache, store) is None
    await kept(cache, store)
    await PostgresDocuments(database, asker).remove(store.public_id, by_document)
    assert await told(cache, store) is None
    await kept(cache, store)
    await PostgresStores(database, asker).delete(store.public_id)
    assert await told(cache, store) is None


async def test_a_store_that_expires_is_changed(
    database: Database, asker: Asker, store: Store, cache: PostgresAnswerCache, admin: psycopg.Connection
) -> None:
    await kept(cache, store)
    admin.execute(
        "UPDATE ragstone.store SET expires_after_days = 1, last_active_at = now() - interval '2 days' WHERE id = %s",
        (store.id,),
    )
    await remove_all_expired(database, lambda _database, _asker: {})
    assert await told(cache, store) is None


async def test_what_changes_nothing_that_can_be_found_is_no_change(
    database: Database,
    asker: Asker,
    library: PostgresLibrary,
    store: Store,
    cache: PostgresAnswerCache,
    admin: psycopg.Connection,
) -> None:
    other = await library.open_store("other", MODEL)
    file = await put(library, other, "/b", "second")
    admin.execute("UPDATE ragstone.file SET place = 'database' WHERE public_id = %s", (file,))
    for number in range(10):
        await put(library, store, f"/{number}", f"text {number}")
    await kept(cache, store)
    await PostgresStores(database, asker).change(store.public_id, {"name": "renamed"})
    await PostgresDocuments(database, asker).attach(store.public_id, Attachment(file))  # it waits to be read
    await library.tidy(store)
    await settle_changes(database)
    assert await told(cache, store) == "kept"


async def test_documents_that_were_there_before_this_release_count_as_changes(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()
    with superuser(server, "postgres") as admin:
        admin.execute("CREATE DATABASE before_caches")
    try:
        monkeypatch.setattr(migrate_module, "migrations", lambda: known[:7])
        await migrate_module.migrate(server.admin_dsn("before_caches"))
        former = Database(lambda: server.dsn("before_caches"), size=2)
        await former.open()
        asker = replace(OPERATOR, tenant=await former.tenant("old"))
        library = PostgresLibrary(former, asker)
        store = await library.open_store("docs", MODEL)
        await put(library, store, "/a", "first")
        await put(library, store, "/b", "second")
        monkeypatch.undo()
        await migrate_module.migrate(server.admin_dsn("before_caches"))
        found = await PostgresAnswerCache(former, asker).find(KEY, [store], QUESTION, None)
        await former.close()
    finally:
        with superuser(server, "postgres") as admin:
            admin.execute("DROP DATABASE before_caches WITH (FORCE)")
    assert found.versions == ((store.id, 2),)


# ---------------------------------------------------------------- who sees which version


async def test_who_reads_the_same_shares_and_what_others_read_changes_nothing(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store
) -> None:
    alice, bob, carol = (
        PostgresAnswerCache(database, replace(asker, reads_all=False, readers=readers))
        for readers in (("user:alice", "group:hr"), ("user:bob", "group:hr"), ("user:carol",))
    )
    everything = PostgresAnswerCache(database, asker)
    await kept(carol, store, "for all")
    assert [await told(who, store) for who in (alice, bob, everything)] == ["for all"] * 3
    await put(library, store, "/hr", "salaries", readers=["group:hr"])
    assert [await told(who, store) for who in (alice, bob, everything)] == [None] * 3
    assert await told(carol, store) == "for all"  # carol does not even learn that something happened
    await kept(alice, store, "for hr")
    assert [await told(who, store) for who in (bob, everything, carol)] == ["for hr", "for hr", "for all"]
    await put(library, store, "/carol", "diary", readers=["user:carol"])
    assert [await told(who, store) for who in (alice, everything, carol)] == ["for hr", None, None]


async def test_the_database_shows_no_answer_to_who_may_not_read_its_documents_whatever_is_asked(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store
) -> None:
    await put(library, store, "/hr", "salaries", readers=["group:hr"])
    await kept(PostgresAnswerCache(database, asker), store)
    shown = {}
    for readers in ((), ("user:carol",), ("group:hr",)):
        async with database.transaction(replace(asker, reads_all=False, readers=readers)) as connection:
            cursor = await connection.execute("SELECT count(*) FROM cached_answer")
            shown[readers] = await cursor.fetchone()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with connection.transaction():
                    await connection.execute("UPDATE store_change SET changes = 1")
    assert shown == {(): (0,), ("user:carol",): (0,), ("group:hr",): (1,)}


# ---------------------------------------------------------------- at the same time


async def test_a_change_that_is_committed_out_of_order_is_not_missed(
    database: Database, asker: Asker, store: Store, cache: PostgresAnswerCache
) -> None:
    """The later change is committed first: a highest number would not move any more with the earlier one."""
    rename = b"UPDATE document SET filename = filename || 'x' WHERE store_id = %s AND source = '/a'"
    await put(PostgresLibrary(database, asker), store, "/b", "second")
    async with database.alone() as slow, slow.transaction():
        await slow.execute(ENTER, entering(asker))
        await slow.execute(rename, (store.id,))
        await put(PostgresLibrary(database, asker), store, "/b", "third")
        await kept(cache, store)  # while the earlier one is not committed yet
    assert await told(cache, store) is None


async def test_a_change_between_looking_and_keeping_keeps_the_answer_out(
    database: Database, asker: Asker, store: Store, cache: PostgresAnswerCache, admin: psycopg.Connection
) -> None:
    async with database.alone() as writer, writer.transaction():
        await writer.execute(ENTER, entering(asker))
        await writer.execute(b"UPDATE document SET filename = 'x' WHERE store_id = %s", (store.id,))
        before = await cache.find(KEY, [store], QUESTION, None)
    await cache.keep(KEY, before.versions, QUESTION, None, answer("from the former text"))
    assert rows(admin, "cached_answer", asker.tenant) == 0
    assert await told(cache, store) is None


async def test_writers_of_one_store_do_not_wait_for_each_other(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store
) -> None:
    async with database.alone() as slow, slow.transaction():
        await slow.execute(ENTER, entering(asker))
        await slow.execute(b"UPDATE document SET filename = 'x' WHERE store_id = %s", (store.id,))
        async with asyncio.timeout(5):
            await put(library, store, "/b", "second")


async def test_no_answer_outlives_the_text_that_it_was_made_from(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store, cache: PostgresAnswerCache
) -> None:
    """People ask while the text changes all the time: nobody is told less than was confirmed before the question."""
    written = 0
    hits = misses = 0
    index = PostgresIndex(database, asker)
    file = await put(library, store, "/code", "0000")
    rng = random.Random(7)
    done = asyncio.Event()

    async def write() -> None:
        nonlocal written
        for number in range(1, 40):
            await put(library, store, "/code", f"{number:04}")
            written = number
            await asyncio.sleep(rng.uniform(0, 0.05))
        done.set()

    async def ask() -> None:
        nonlocal hits, misses
        while not done.is_set():
            known = written
            found = await cache.find(KEY, [store], QUESTION, None)
            if found.answer is not None:
                hits += 1
                assert int(found.answer.text) >= known
            else:
                misses += 1
                ((text,),) = await index.quotes([store], [Span(file, 0, 4)])
                await asyncio.sleep(rng.uniform(0, 0.01))
                await cache.keep(KEY, found.versions, QUESTION, None, answer(text))

    async def sweep() -> None:
        while not done.is_set():
            await settle_changes(database)
            await asyncio.sleep(0.02)

    await asyncio.gather(write(), ask(), ask(), sweep())
    assert hits
    assert misses
    assert await told(cache, store) in {None, "0039"}


# ---------------------------------------------------------------- housekeeping


async def test_sweeping_merges_changes_and_takes_away_what_nobody_finds_any_more(
    database: Database,
    asker: Asker,
    library: PostgresLibrary,
    store: Store,
    cache: PostgresAnswerCache,
    admin: psycopg.Connection,
) -> None:
    other = await library.open_store("other", MODEL)
    await put(library, other, "/x", "stays")
    await kept(cache, other, "of another store")
    await kept(cache, store, "outdated")
    for number in range(20):
        await put(library, store, f"/{number}", "text")
    await put(library, store, "/hr", "salaries", readers=["group:hr"])
    await kept(cache, store, "current")
    assert rows(admin, "store_change", asker.tenant) == 23
    assert rows(admin, "cached_answer", asker.tenant) == 3
    await settle_changes(database)
    assert rows(admin, "store_change", asker.tenant) == 3  # of two stores, one with two audiences
    assert rows(admin, "cached_answer", asker.tenant) == 2
    assert (await told(cache, store), await told(cache, other)) == ("current", "of another store")
    await settle_changes(database)
    assert rows(admin, "store_change", asker.tenant) == 3


async def test_tidying_a_store_adds_its_changes_up(
    asker: Asker, library: PostgresLibrary, store: Store, cache: PostgresAnswerCache, admin: psycopg.Connection
) -> None:
    for number in range(5):
        await put(library, store, f"/{number}", "text")
    await kept(cache, store)
    await library.tidy(store)
    assert rows(admin, "store_change", asker.tenant) == 1
    assert await told(cache, store) == "kept"


async def test_sweeping_keeps_an_answer_for_readers_whose_documents_did_not_change(
    database: Database, asker: Asker, library: PostgresLibrary, store: Store
) -> None:
    carol = PostgresAnswerCache(database, replace(asker, reads_all=False, readers=("user:carol",)))
    await kept(carol, store)
    for _ in range(3):
        await put(library, store, "/hr", "salaries", readers=["group:hr"])
    await settle_changes(database)
    assert await told(carol, store) == "kept"


async def test_answers_and_vectors_are_forgotten_when_their_time_is_over(
    database: Database, asker: Asker, store: Store, admin: psycopg.Connection
) -> None:
    brief = PostgresAnswerCache(database, asker, hours=0.2 / 3600)
    await kept(brief, store)
    embedder = RememberingEmbedder(HashingEmbedder(), database, asker, hours=0.2 / 3600)
    await embedder.embed_queries(["one", "two"])
    assert rows(admin, "cached_embedding", asker.tenant) == 2
    await asyncio.sleep(0.3)
    assert await told(brief, store) is None
    await forget_cached(database)
    assert rows(admin, "cached_answer", asker.tenant) == 0
    assert rows(admin, "cached_embedding", asker.tenant) == 0


async def test_of_too_many_the_newest_are_kept(
    database: Database, asker: Asker, store: Store, cache: PostgresAnswerCache, admin: psycopg.Connection
) -> None:
    for number in range(5):
        await kept(cache, store, question=f"question {number}")
    await RememberingEmbedder(HashingEmbedder(), database, asker).embed_queries([str(n) for n in range(4)])
    admin.execute("SELECT ragstone.forget_cached(100000, 3, 2)")  # with what other tests left of their tenants
    found = [await told(cache, store, f"question {number}") for number in range(5)]
    assert found == [None, None, "kept", "kept", "kept"]
    assert rows(admin, "cached_embedding", asker.tenant) <= 2


async def test_a_removed_store_takes_its_answers_along(
    database: Database, asker: Asker, store: Store, cache: PostgresAnswerCache, admin: psycopg.Connection
) -> None:
    await kept(cache, store)
    await PostgresStores(database, asker).delete(store.public_id)
    assert rows(admin, "cached_answer", asker.tenant) == 0
    assert rows(admin, "store_change", asker.tenant) == 0


# ---------------------------------------------------------------- tenants that move


@pytest.fixture
async def databases(anyio_backend: str, server: EmbeddedServer, database: Database) -> AsyncIterator[Databases]:
    async with databases_with(server, database, "cachemove") as opened:
        yield opened


async def test_answers_move_with_their_tenant_and_changes_count_on(
    databases: Databases, tenant: Tenant, library: PostgresLibrary, store: Store, cache: PostgresAnswerCache
) -> None:
    await put(library, store, "/b", "second")
    await kept(cache, store)
    for where in ("own-partition", "own-database:cachemove", "main"):
        await Mover(databases, OPERATOR, grace=0.05).move(tenant.name, placement_of(where))
        moved = await find_tenant(databases.main, tenant.name)
        assert moved is not None
        there = databases.of(moved)
        asker = replace(OPERATOR, tenant=moved)
        again = PostgresAnswerCache(there, asker)
        assert await told(again, store) == "kept", where
        await settle_changes(there)
        assert await told(again, store) == "kept", where
        await put(PostgresLibrary(there, asker), store, "/b", f"in {where}")
        assert await told(again, store) is None, where
        await kept(again, store)


async def test_a_vector_of_a_question_is_kept_beside_its_answer(database: Database, asker: Asker, store: Store) -> None:
    cache = PostgresAnswerCache(database, asker, similarity=0.9)
    question = "How long does the old key stay valid?"
    found = await cache.find(KEY, [store], question, direction(0))
    await cache.keep(KEY, found.versions, question, direction(0), answer("a week"))
    near = await cache.find(KEY, [store], "how long do old keys stay valid", direction(10))
    assert near.answer is not None
    assert near.answer.provenance.cache is CacheOutcome.SEMANTIC_HIT
