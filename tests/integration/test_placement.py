"""Tenants move between shared partitions, partitions of their own and databases of their own while they are used."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import psycopg
import pytest
from contract.samples import MODEL, QUESTION, look
from integration.test_isolation import fill
from places import OPERATOR, REGISTRY, databases_with, put, rows_by_table, superuser

from ragstone.bootstrap import everything
from ragstone.domain import Asker, EmbeddingModel, Tenant
from ragstone.errors import ConflictError, DatabaseUnavailableError, NotFoundError, TenantMovingError
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.tenancy.clearing import drop_part
from ragstone.storage.tenancy.moving import Mover
from ragstone.storage.tenancy.placement import Placement, placement_of
from ragstone.storage.tenancy.tenants import find_tenant, tenant_record

pytestmark = pytest.mark.anyio

_numbers = count()

EVERYWHERE = ("own-partition", "shared", "own-database:acme", "own-partition", "own-database:acme", "main")


@pytest.fixture
async def databases(anyio_backend: str, server: EmbeddedServer, database: Database) -> AsyncIterator[Databases]:
    async with databases_with(server, database, "acme") as opened:
        yield opened


@pytest.fixture
def mover(databases: Databases) -> Mover:
    return Mover(databases, OPERATOR, grace=0.05)


async def current(databases: Databases, name: str) -> Tenant:
    found = await find_tenant(databases.main, name)
    assert found is not None
    return found


async def found_texts(databases: Databases, tenant: Tenant, term: str) -> set[str]:
    """What a search for a term and for the question's direction finds: the same by both, or nothing is right."""
    database, asker = databases.of(tenant), everything(tenant, "test")
    index = PostgresIndex(database, asker)
    store = await index.store("docs")
    async with index.snapshot([store]) as snapshot:
        seen = await look(snapshot, [term], 1000)
        by_word = {int(chunk) for chunk in seen.lexical.postings[term].chunk_ids}
        passages = await snapshot.passages(sorted(by_word))
    assert by_word <= set(seen.dense)
    assert len(passages) == len(by_word)
    return {passage.text for passage in passages.values()}


async def test_every_row_of_every_table_arrives_wherever_a_tenant_goes(
    server: EmbeddedServer, databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection
) -> None:
    asker = everything(tenant, "test")
    neighbour = await databases.main.tenant(f"neighbour of {tenant.name}")
    await put(databases.main, everything(neighbour, "test"), "/n", "stays where it is")
    # The second version leaves a tombstone.
    for text in ("first words", "other words"):
        await put(databases.main, asker, "/a", text, "common words")
    fill(admin, tenant.id)
    before, beside = rows_by_table(admin, tenant), rows_by_table(admin, neighbour)
    assert all(rows for table, rows in before.items() if not table.startswith("vectors of "))

    with superuser(server, "acme") as own:
        for placement in EVERYWHERE:
            record = await mover.move(tenant.name, placement_of(placement))
            here, there = rows_by_table(admin, tenant), {}
            if record.tenant.database:
                there = rows_by_table(own, tenant)
                assert {table for table, rows in here.items() if rows} == REGISTRY | {"audit"}
            for table in before.keys() - {"tenant"}:
                arrived = here.get(table, []) + there.get(table, [])
                assert sorted(map(str, arrived)) == sorted(map(str, before[table])), (placement, table)
            assert rows_by_table(admin, neighbour) == beside
            # What is new gets numbers that nothing has.
            await put(databases.of(record.tenant), everything(record.tenant, "test"), f"/{next(_numbers)}", "new")
            before = rows_by_table(admin, tenant)
            for table, rows in (rows_by_table(own, tenant) if record.tenant.database else {}).items():
                before[table] = before.get(table, []) + rows
        assert rows_by_table(own, tenant) == {table: [] for table in rows_by_table(own, tenant)}


@pytest.mark.parametrize("path", [("own-partition", "shared"), ("own-database:acme", "main")], ids=" ".join)
async def test_a_move_under_load_changes_no_search_and_loses_no_write(
    databases: Databases, mover: Mover, tenant: Tenant, path: tuple[str, str]
) -> None:
    for number in range(40):
        await put(databases.main, everything(tenant, "test"), f"/{number}", f"constant number{number}")
    constant = {f"constant number{number}" for number in range(40)}
    moving = asyncio.create_task(asyncio.sleep(0))
    acknowledged: set[str] = set()
    refused = searches = 0

    async def search() -> None:
        nonlocal searches
        while not moving.done():
            # As a request does: the key tells where the tenant is, and several transactions follow.
            asked = await current(databases, tenant.name)
            await asyncio.sleep(random.uniform(0, 0.02))
            assert await found_texts(databases, asked, "constant") == constant
            searches += 1

    async def write(writer: int) -> None:
        nonlocal refused
        while not moving.done():
            text = f"written by{writer}x{next(_numbers)}"
            asked = await current(databases, tenant.name)
            try:
                await put(databases.of(asked), everything(asked, "test"), f"/{text}", text)
            except TenantMovingError:
                refused += 1
                await asyncio.sleep(0.01)
            else:
                acknowledged.add(text)

    async def move() -> None:
        for placement in path * 2:
            await asyncio.sleep(0.2)
            await replace(mover, grace=0.3).move(tenant.name, placement_of(placement))

    moving = asyncio.create_task(move())
    await asyncio.gather(moving, search(), search(), write(1), write(2))
    assert searches > 20
    assert len(acknowledged) > 20
    assert await found_texts(databases, await current(databases, tenant.name), "written") == acknowledged


async def test_who_knows_the_former_place_reads_there_for_a_while_and_never_writes(
    databases: Databases, mover: Mover, tenant: Tenant
) -> None:
    stale = everything(tenant, "test")
    await put(databases.main, stale, "/a", "granite")
    moving = asyncio.create_task(replace(mover, grace=1.0).move(tenant.name, Placement(own_partition=True)))
    while (await tenant_record(databases.main, tenant.name)).state != "clearing":
        await asyncio.sleep(0.01)
    assert await found_texts(databases, tenant, "granite") == {"granite"}
    with pytest.raises(TenantMovingError):
        await put(databases.main, stale, "/b", "marble")
    # What does not depend on the partition goes on, such as storing the answer that has just been given.
    await PostgresLibrary(databases.main, stale).open_store("another", MODEL)
    await moving
    with pytest.raises(TenantMovingError):
        await found_texts(databases, tenant, "granite")
    assert await found_texts(databases, await current(databases, tenant.name), "granite") == {"granite"}


async def test_a_write_in_flight_is_waited_for_and_others_are_sent_away_at_once(
    databases: Databases, mover: Mover, tenant: Tenant
) -> None:
    asker = everything(tenant, "test")
    store = await put(databases.main, asker, "/a", "granite")
    writing = "UPDATE store SET description = 'written' WHERE tenant_id = %s AND id = %s"
    async with databases.main.transaction(asker) as connection:
        await connection.execute(writing, (tenant.id, store.id))
        moving = asyncio.create_task(mover.move(tenant.name, Placement(database="acme")))
        while True:
            try:
                async with databases.main.transaction(asker) as other:
                    await other.execute(writing, (tenant.id, -1))
            except TenantMovingError:
                break
            await asyncio.sleep(0.01)
        assert not moving.done()
        await connection.execute(writing, (tenant.id, store.id))  # the one that has begun goes on
    moved = (await moving).tenant
    async with databases.of(moved).transaction(everything(moved, "test")) as connection:
        cursor = await connection.execute("SELECT description FROM store WHERE tenant_id = %s", (tenant.id,))
        assert await cursor.fetchall() == [("written",)]


async def test_two_movers_of_a_tenant_do_not_meet(databases: Databases, mover: Mover, tenant: Tenant) -> None:
    moving = asyncio.create_task(replace(mover, grace=1.0).move(tenant.name, Placement(own_partition=True)))
    while (await tenant_record(databases.main, tenant.name)).state == "ready":
        await asyncio.sleep(0.01)
    with pytest.raises(ConflictError, match="busy"):
        await mover.move(tenant.name, Placement())
    await moving


async def test_a_move_to_where_the_tenant_is_does_nothing(databases: Databases, mover: Mover, tenant: Tenant) -> None:
    assert (await mover.move(tenant.name, Placement())).tenant == tenant


async def test_a_move_of_nobody_or_to_nowhere_is_refused(mover: Mover, tenant: Tenant) -> None:
    with pytest.raises(NotFoundError):
        await mover.move("nobody", Placement())
    with pytest.raises(DatabaseUnavailableError, match="RAGSTONE_DATABASES"):
        await mover.move(tenant.name, Placement(database="unheard-of"))


async def test_an_interrupted_move_can_be_given_up(
    databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection, server: EmbeddedServer
) -> None:
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    before = rows_by_table(admin, tenant)
    moving = asyncio.create_task(mover.move(tenant.name, Placement(database="acme")))
    while (await tenant_record(databases.main, tenant.name)).state != "moving":
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    record = await mover.move(tenant.name, Placement())
    assert (record.state, record.tenant) == ("ready", tenant)
    after = rows_by_table(admin, tenant)
    for table in before.keys() - {"tenant"}:
        assert after[table] == before[table], table
    with superuser(server, "acme") as own:
        assert not any(rows_by_table(own, tenant).values())


async def test_partitions_come_while_others_read_and_write(
    databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection
) -> None:
    neighbour = everything(await databases.main.tenant(f"neighbour of {tenant.name}"), "test")
    store = await put(databases.main, neighbour, "/n", "granite")
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    index = PostgresIndex(databases.main, neighbour)
    async with databases.main.transaction(neighbour) as writer, index.snapshot([store]) as snapshot:
        await look(snapshot, ["granite"])
        await writer.execute("UPDATE chunk SET page = 1 WHERE tenant_id = %s", (neighbour.tenant.id,))
        async with asyncio.timeout(20):
            record = await mover.move(tenant.name, Placement(own_partition=True))
    parts = admin.execute(
        "SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid::regclass::text ~ %s ORDER BY 1",
        (f"_{record.tenant.shard}$",),
    ).fetchall()
    tables = admin.execute("SELECT s.oid::text FROM ragstone.sharded_tables() AS s (oid) ORDER BY 1").fetchall()
    assert parts == tables
    assert len(parts) >= 3


async def test_a_partition_that_is_in_use_is_not_waited_for(databases: Databases, mover: Mover, tenant: Tenant) -> None:
    neighbour = everything(await databases.main.tenant(f"neighbour of {tenant.name}"), "test")
    store = await put(databases.main, neighbour, "/n", "granite")
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    shard = (await mover.move(tenant.name, Placement(own_partition=True))).tenant.shard
    index = PostgresIndex(databases.main, neighbour)
    async with databases.main.alone() as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="in use"):
            await drop_part(connection, "chunk", shard)
        moving = asyncio.create_task(mover.move(tenant.name, Placement()))
        async with index.snapshot([store]) as snapshot:
            await look(snapshot, ["granite"])
            await snapshot.passages([1])
            while (await tenant_record(databases.main, tenant.name)).former is None:
                await asyncio.sleep(0.01)
            for _ in range(15):  # by then it has tried to drop the partition
                await asyncio.sleep(0.1)
                async with asyncio.timeout(1):  # nobody waits behind a mover
                    assert await found_texts(databases, neighbour.tenant, "granite") == {"granite"}
        await moving
        for table in ("chunk", "posting"):
            cursor = await connection.execute("SELECT to_regclass(%s)", (f"ragstone.{table}_{shard}",))
            assert await cursor.fetchone() == (None,)


async def test_a_new_model_has_vectors_in_partitions_of_their_own_too(
    databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection
) -> None:
    record = await mover.move(tenant.name, Placement(own_partition=True))
    asker = everything(record.tenant, "test")
    model = EmbeddingModel(name=f"model of {tenant.name}", dimension=384, max_tokens=256)
    await PostgresLibrary(databases.main, asker).open_store("new model", model)
    row = admin.execute("SELECT id FROM ragstone.embedding_model WHERE name = %s", (model.name,)).fetchone()
    assert row is not None
    assert admin.execute(
        "SELECT count(*) FROM pg_inherits WHERE inhrelid = %s::regclass",
        (f"ragstone.embedding_{row[0]}_{record.tenant.shard}",),
    ).fetchone() == (1,)


@pytest.mark.parametrize("to", [Placement(own_partition=True), Placement(database="acme")], ids=lambda to: to.text)
async def test_a_model_that_is_first_met_during_a_move_comes_along(
    databases: Databases, mover: Mover, tenant: Tenant, to: Placement
) -> None:
    asker = everything(tenant, "test")
    store = await put(databases.main, asker, "/a", "granite")
    async with databases.main.transaction(asker) as connection:
        await connection.execute("UPDATE store SET description = '' WHERE tenant_id = %s", (tenant.id,))
        moving = asyncio.create_task(mover.move(tenant.name, to))
        while True:
            try:
                await put(databases.main, asker, "/b", "marble")
            except TenantMovingError:  # the last pass is about to begin
                break
        async with databases.main.connection() as other:
            cursor = await other.execute("SELECT model_named(%s, 3, 8, '', '')", (f"late {tenant.name} {to.text}",))
            model = await cursor.fetchone()
        assert model is not None
        await connection.execute(
            f"INSERT INTO embedding_{model[0]} (shard, tenant_id, chunk_id, store_id, document_id, vector)"
            f" VALUES ({tenant.shard}, {tenant.id}, 1, {store.id}, 1, '[1,2,3]')".encode()
        )
    moved = (await moving).tenant
    async with databases.of(moved).transaction(everything(moved, "test")) as connection:
        cursor = await connection.execute(
            "SELECT id FROM embedding_model WHERE name = %s", (f"late {tenant.name} {to.text}",)
        )
        row = await cursor.fetchone()
        assert row is not None
        cursor = await connection.execute(f"SELECT vector::text FROM embedding_{row[0]}".encode())
        assert await cursor.fetchall() == [("[1,2,3]",)]


async def test_models_are_known_by_their_names_in_another_database(
    databases: Databases, mover: Mover, tenant: Tenant, server: EmbeddedServer
) -> None:
    # There, other models were met first.
    elsewhere = databases.named("acme")
    async with elsewhere.connection() as connection:
        for number in range(3):
            await connection.execute("SELECT model_named(%s, 8, 8, '', '')", (f"unrelated {number}",))
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    moved = (await mover.move(tenant.name, Placement(database="acme"))).tenant
    assert await found_texts(databases, moved, "granite") == {"granite"}


async def test_a_database_of_another_installation_is_not_taken_for_one_s_own(
    databases: Databases, mover: Mover, tenant: Tenant, server: EmbeddedServer
) -> None:
    await databases.named("acme").tenant("somebody else")
    with superuser(server, "acme") as own:
        own.execute("UPDATE ragstone.tenant SET name = %s", (tenant.name,))
    with pytest.raises(ConflictError, match="holds another tenant"):
        await mover.move(tenant.name, Placement(database="acme"))
    assert await current(databases, tenant.name) == tenant


async def test_a_dead_database_of_one_tenant_leaves_the_others_alone(
    server: EmbeddedServer, databases: Databases, mover: Mover, tenant: Tenant
) -> None:
    neighbour = await databases.main.tenant(f"neighbour of {tenant.name}")
    await put(databases.main, everything(neighbour, "test"), "/n", "granite")
    moved = (await mover.move(tenant.name, Placement(database="acme"))).tenant
    dead = Databases(databases.main, {"acme": "host=/nowhere dbname=acme"})
    started = asyncio.get_running_loop().time()
    for _ in range(5):
        with pytest.raises(DatabaseUnavailableError, match="The database acme cannot be used"):
            await found_texts(dead, moved, "granite")
    await dead.prepare()
    assert asyncio.get_running_loop().time() - started < 2
    assert await found_texts(dead, neighbour, "granite") == {"granite"}
    await dead.close()


async def test_the_application_cannot_pass_by_the_guard(
    databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection
) -> None:
    """The functions that copy and remove rows work only where the tenant is not served."""
    asker = everything(tenant, "test")
    await put(databases.main, asker, "/a", "granite")
    before = rows_by_table(admin, tenant)
    attempts = (
        b"SELECT import_rows('store', %(shard)s, '{}')",
        b"SELECT import_rows('chunk', %(shard)s, '{}')",
        b"SELECT discard_rows('document', %(shard)s, '[]')",
        b"SELECT discard_rows('chunk', %(shard)s, '[]')",
        b"SELECT remove_rows('audit', %(shard)s, 1000)",
        b"SELECT remove_rows('chunk', %(shard)s, 1000)",
        b"SELECT delete_tenant(%(tenant)s)",
    )
    for attempt in attempts:
        with pytest.raises(ConflictError):
            async with databases.main.transaction(asker) as connection:
                await connection.execute(attempt, {"tenant": tenant.id, "shard": tenant.shard})
    assert rows_by_table(admin, tenant) == before


async def test_import_takes_no_row_of_another_tenant(
    databases: Databases, tenant: Tenant, admin: psycopg.Connection
) -> None:
    victim = await databases.main.tenant(f"victim of {tenant.name}")
    await put(databases.main, everything(victim, "test"), "/v", "granite")
    before = rows_by_table(admin, victim)
    row = admin.execute("SELECT t::text FROM ragstone.chunk t WHERE tenant_id = %s", (victim.id,)).fetchone()
    assert row is not None
    async with databases.main.transaction(everything(tenant, "test")) as connection:
        # Another shared shard than the attacker's own, so that the place is not what stops it.
        await connection.execute("SELECT import_rows('chunk', %s, %b)", (victim.shard, [row[0]]))
        await connection.execute("SELECT discard_rows('chunk', %s, %s)", (victim.shard, '[{"id": 1}]'))
        await connection.execute("SELECT remove_rows('chunk', %s, 1000)", (victim.shard,))
    assert rows_by_table(admin, victim) == before


async def test_every_table_that_the_application_writes_is_guarded(admin: psycopg.Connection, tenant: Tenant) -> None:
    rows = admin.execute(
        "SELECT t.name FROM ragstone.tenant_tables() t"
        " WHERE has_table_privilege('ragstone_app', 'ragstone.' || t.name, 'INSERT')"
        " AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgname = 'guard' AND g.tgenabled = 'O'"
        "                 AND g.tgrelid = ('ragstone.' || t.name)::regclass)"
    ).fetchall()
    assert rows == []


async def test_a_write_on_an_old_snapshot_is_refused(databases: Databases, asker: Asker, tenant: Tenant) -> None:
    """It could not see that the tenant has moved."""
    await put(databases.main, asker, "/a", "granite")
    async with databases.main.connection() as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="read committed"):
            async with connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                await connection.execute("SELECT enter(%s, 'test', '{}', true, '', %s)", (tenant.id, tenant.shard))
                await connection.execute("DELETE FROM store WHERE tenant_id = %s", (tenant.id,))


async def test_vectors_are_found_by_the_index_of_the_new_partition(
    databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection
) -> None:
    await put(databases.main, everything(tenant, "test"), "/a", *[f"granite {number}" for number in range(50)])
    moved = (await mover.move(tenant.name, Placement(own_partition=True))).tenant
    definitions = admin.execute(
        "SELECT i.indexdef FROM pg_indexes i WHERE i.tablename ~ %s", (f"^embedding_[0-9]+_{moved.shard}$",)
    ).fetchall()
    assert any("hnsw" in definition for (definition,) in definitions)
    index = PostgresIndex(databases.main, everything(moved, "test"))
    async with index.snapshot([await index.store("docs")]) as snapshot:
        nearest = list(await snapshot.dense(QUESTION, 5, None))
        texts = await snapshot.passages(nearest)
    assert [texts[chunk].text for chunk in nearest] == [f"granite {number}" for number in range(5)]
    assert all(first < second for first, second in pairwise(np.array(nearest)))
