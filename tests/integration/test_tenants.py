"""Tenants come and go: what is made is there, what is deleted leaves nothing but one line, and the log tells it all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import movers
import psycopg
import pytest
from integration.test_isolation import fill
from places import OPERATOR, counts, databases_with, put, rows_by_table, superuser

from ragstone.access.askers import person
from ragstone.access.grants import KeyRights
from ragstone.access.keys import new_key
from ragstone.bootstrap import everything
from ragstone.domain import Asker, Scope, Tenant
from ragstone.errors import (
    ConflictError,
    DatabaseError,
    InvalidRequestError,
    NotFoundError,
    ObjectsUnavailableError,
    PermissionDeniedError,
    TenantMovingError,
)
from ragstone.fakes.objects import MemoryObjects
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.migrate import migrations
from ragstone.storage.pages import Excerpt
from ragstone.storage.tenancy.audit import Line, audit_page
from ragstone.storage.tenancy.deletion import Remover, rows_of
from ragstone.storage.tenancy.keys import add_key, admit
from ragstone.storage.tenancy.moving import Mover, create, reopen_left
from ragstone.storage.tenancy.people import put_user, remove_user
from ragstone.storage.tenancy.placement import Placement, placement_of
from ragstone.storage.tenancy.tenants import find_tenant, list_tenants, tenant_page, tenant_record

pytestmark = pytest.mark.anyio

PLACEMENTS = ("shared", "own-partition", "own-database:guests")
ROUNDS = 5  # kills


@pytest.fixture
async def databases(anyio_backend: str, server: EmbeddedServer, database: Database) -> AsyncIterator[Databases]:
    async with databases_with(server, database, "guests") as opened:
        yield opened


async def lines_of(databases: Databases, asker: Asker) -> list[Line]:
    """The whole log, the oldest line first."""
    page = await audit_page(databases, asker, limit=1000)
    found = list(page.items)
    while page.has_more:
        page = await audit_page(databases, asker, after=found[-1].public_id, limit=1000)
        found.extend(page.items)
    return found[::-1]


def told(lines: list[Line]) -> list[tuple[str | None, str, str]]:
    return [(line.actor, line.action, line.subject) for line in lines]


async def objects_of(tenant: Tenant, count: int) -> MemoryObjects:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"content"

    objects = MemoryObjects()
    for number in range(count):
        await objects.write(f"{tenant.id}/file-{number}", pieces())
    await objects.write(f"{tenant.id}0/file-of-another", pieces())
    return objects


@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_a_deleted_tenant_leaves_no_row_anywhere_and_the_report_proves_it(
    databases: Databases, tenant: Tenant, admin: psycopg.Connection, server: EmbeddedServer, placement: str
) -> None:
    neighbour = everything(await databases.main.tenant(f"neighbour of {tenant.name}"), "test")
    await put(databases.main, neighbour, "/n", "granite")
    beside = rows_by_table(admin, neighbour.tenant)
    await put(databases.main, everything(tenant, "test"), "/a", "granite", "marble")
    fill(admin, tenant.id)
    await Mover(databases, OPERATOR, grace=0.05).move(tenant.name, placement_of(placement))
    rows = await rows_of(databases, everything(tenant, "test"))
    assert all(count for table, count in rows.items() if not table.startswith("embedding_"))
    objects = await objects_of(tenant, 3)

    operator = replace(OPERATOR, actor="user:root", request="req_1")
    report = await Remover(databases, operator, objects).delete(tenant.name)
    assert report.complete
    assert report.left.keys() == rows.keys()
    assert set(report.left.values()) == {0}
    assert (report.objects_removed, report.objects_left) == (3, 0)
    assert [key async for key in objects.keys("")] == [f"{tenant.id}0/file-of-another"]
    # Its tasks are taken away before the rest, so that no worker begins with one; the row is there in both databases.
    expected = {table: count for table, count in rows.items() if table != "task"}
    assert {table: report.removed[table] for table in expected} == expected
    assert counts(admin, tenant) == {}
    assert rows_by_table(admin, neighbour.tenant) == beside
    with superuser(server, "guests") as own:
        if own.execute("SELECT to_regclass('ragstone.tenant')").fetchone() != (None,):
            assert counts(own, tenant) == {}
            assert own.execute("SELECT count(*) FROM ragstone.audit").fetchone() == (0,)
    parts = admin.execute("SELECT count(*) FROM ragstone.unused_parts()").fetchone()
    assert parts == (0,)
    last = (await lines_of(databases, OPERATOR))[-1]
    assert (last.actor, last.request, last.action, last.subject) == (
        "user:root",
        "req_1",
        "tenant.deleted",
        tenant.name,
    )
    assert await find_tenant(databases.main, tenant.name) is None


async def test_a_deletion_that_is_killed_is_completed_by_the_next(
    databases: Databases, database_name: str, tenant: Tenant, admin: psycopg.Connection, server: EmbeddedServer
) -> None:
    asker = everything(tenant, "test")
    key = new_key()
    await add_key(databases.main, asker, key, KeyRights({Scope.READ}))
    for number in range(30):
        await put(databases.main, asker, f"/{number}", f"granite {number}")
    await Mover(databases, OPERATOR, grace=0.05).move(tenant.name, Placement(database="guests"))
    given = movers.task(server, database_name, "guests", tenant.name)
    for _ in range(ROUNDS):
        await asyncio.to_thread(movers.begin_and_kill, given)
        if not await list_tenants(databases.main, tenant.name):
            break  # the last thing that goes is the tenant's row
    else:
        assert (await Remover(databases, OPERATOR).delete(tenant.name)).complete
    assert await admit(databases.main, key.hash) is None
    assert counts(admin, tenant) == {}
    with superuser(server, "guests") as own:
        assert counts(own, tenant) == {}


async def test_a_move_that_is_killed_leaves_the_tenant_served_and_is_completed_by_the_next(
    databases: Databases, database_name: str, tenant: Tenant, admin: psycopg.Connection, server: EmbeddedServer
) -> None:
    for number in range(20):
        await put(databases.main, everything(tenant, "test"), f"/{number}", f"granite {number}")
    expected = {f"granite {number}" for number in range(20)}
    killed = 0
    for number, placement in enumerate(("own-partition", "own-database:guests", "shared", "own-partition") * 2):
        given = movers.task(server, database_name, "guests", tenant.name, to=placement)
        killed += await asyncio.to_thread(movers.begin_and_kill, given)
        # Read and written at once, wherever it is now.
        served = await find_tenant(databases.main, tenant.name)
        assert served is not None
        asker = everything(served, "test")
        async with databases.of(served).transaction(asker) as connection:
            cursor = await connection.execute(
                "SELECT body FROM chunk WHERE tenant_id = %s AND shard = %s", (served.id, served.shard)
            )
            assert {row[0] for row in await cursor.fetchall()} == expected
        text = f"written {number}"
        await put_until_it_is_taken(databases, tenant.name, text)
        expected.add(text)
        if number % 4 == 3:
            await Mover(databases, OPERATOR, grace=0.05).move(tenant.name, placement_of(placement))
            assert (await tenant_record(databases.main, tenant.name)).state == "ready"
    assert killed > 2
    moved = (await Mover(databases, OPERATOR, grace=0.05).move(tenant.name, Placement())).tenant
    assert moved == tenant
    everywhere = rows_by_table(admin, tenant)
    assert {row["body"] for row in everywhere["chunk"]} == expected
    assert len(everywhere["chunk"]) == len(everywhere["vectors of contract"]) == len(expected)
    with superuser(server, "guests") as own:
        assert counts(own, tenant) == {}
    assert admin.execute("SELECT count(*) FROM ragstone.unused_parts()").fetchone() == (0,)


async def put_until_it_is_taken(databases: Databases, name: str, text: str) -> None:
    async with asyncio.timeout(5):
        while True:
            served = await find_tenant(databases.main, name)
            assert served is not None
            try:
                await put(databases.of(served), everything(served, "test"), f"/{text}", text)
            except TenantMovingError:  # the server has not noticed yet that the mover is gone
                await asyncio.sleep(0.05)
                await reopen_left(databases)  # as workers do
            else:
                return


async def test_keys_of_a_tenant_are_dead_before_the_first_row_is_gone(databases: Databases, tenant: Tenant) -> None:
    asker = everything(tenant, "test")
    key = new_key()
    await add_key(databases.main, asker, key, KeyRights({Scope.READ}))
    store = await put(databases.main, asker, "/a", "granite")
    async with databases.main.transaction(asker) as connection:
        await connection.execute("UPDATE store SET description = '' WHERE tenant_id = %s", (tenant.id,))
        deleting = asyncio.create_task(Remover(databases, OPERATOR).delete(tenant.name))
        while await admit(databases.main, key.hash) is not None:
            await asyncio.sleep(0.01)
        assert (await tenant_record(databases.main, tenant.name)).state == "deleting"
        assert await find_tenant(databases.main, tenant.name) is None
        with pytest.raises(TenantMovingError):
            await databases.main.tenant(tenant.name)
        assert not deleting.done()  # it waits for the one that writes
        await connection.execute("UPDATE store SET name = 'x' WHERE tenant_id = %s AND id = %s", (tenant.id, store.id))
    assert (await deleting).complete
    with pytest.raises(TenantMovingError):
        await PostgresLibrary(databases.main, asker).known(store)


async def test_files_in_a_bucket_that_is_not_configured_stop_the_deletion(
    databases: Databases, tenant: Tenant, admin: psycopg.Connection
) -> None:
    admin.execute(
        "INSERT INTO ragstone.file (tenant_id, public_id, filename, size, place)"
        " VALUES (%s, 'file-b', 'b', 1, 'bucket')",
        (tenant.id,),
    )
    with pytest.raises(ObjectsUnavailableError, match="RAGSTONE_OBJECTS_URL"):
        await Remover(databases, OPERATOR).delete(tenant.name)
    objects = await objects_of(tenant, 1)
    report = await Remover(databases, OPERATOR, objects).delete(tenant.name)
    assert (report.complete, report.objects_removed) == (True, 1)


async def test_a_tenant_is_made_in_its_place(databases: Databases, tenant: Tenant) -> None:
    for placement in PLACEMENTS:
        name = f"{placement} beside {tenant.name}"
        record = await create(databases, OPERATOR, name, placement_of(placement))
        assert (record.placement.text, record.state) == (placement, "ready")
        await put(databases.of(record.tenant), everything(record.tenant, "test"), "/a", "granite")
        with pytest.raises(ConflictError, match="already"):
            await create(databases, OPERATOR, name, Placement())


async def test_a_name_is_free_again_after_the_deletion(databases: Databases, tenant: Tenant) -> None:
    await Remover(databases, OPERATOR).delete(tenant.name)
    again = (await create(databases, OPERATOR, tenant.name, Placement())).tenant
    assert again.id != tenant.id
    with pytest.raises(NotFoundError, match="tenants create"):
        await Remover(databases, OPERATOR).delete(f"not {tenant.name}")


async def test_pages_of_tenants_are_turned_by_names(databases: Databases, tenant: Tenant) -> None:
    names = [record.tenant.name for record in (await tenant_page(databases.main, Excerpt(limit=10_000))).items]
    assert names[0] == tenant.name  # the newest
    page = await tenant_page(databases.main, Excerpt(limit=1, after=names[0]))
    assert [record.tenant.name for record in page.items] == names[1:2]
    assert page.has_more == (len(names) > 2)
    page = await tenant_page(databases.main, Excerpt(limit=1, before=names[-1]))
    assert [record.tenant.name for record in page.items] == names[-2:-1]
    with pytest.raises(InvalidRequestError):
        await tenant_page(databases.main, Excerpt(after="never there"))


@pytest.mark.parametrize("placement", ["shared", "own-database:guests"])
async def test_the_log_tells_every_change_with_who_made_it_wherever_it_was_made(
    databases: Databases, tenant: Tenant, placement: str
) -> None:
    operator = replace(OPERATOR, actor="user:root", request="req_op")
    record = await create(databases, operator, f"audited {placement} {tenant.name}", placement_of(placement))
    whose = record.tenant
    admin = replace(everything(whose, "admin"), request="req_7")
    alice = replace(person(whose, "alice", ["hr"], frozenset({Scope.READ, Scope.WRITE})), request="req_8")
    await put_user(databases.main, admin, "alice", ["hr"])
    await add_key(databases.main, admin, new_key(), KeyRights({Scope.READ}, user="alice"))
    store = await put(databases.of(whose), alice, "/a", "granite")
    await PostgresLibrary(databases.of(whose), alice).remove(store, ["/a"])
    await remove_user(databases.main, admin, "alice")

    lines = await lines_of(databases, admin)
    changes = [(line.actor, line.request, line.action) for line in lines]
    expected = {
        ("admin", "req_7"): "user.created user.deleted key.created key.deleted",
        ("user:alice", "req_8"): "store.created document.created document.changed document.deleted"
        " file.created file.deleted",
    }
    assert set(changes) == {(*who, action) for who, actions in expected.items() for action in actions.split()}
    made = [line for line in await lines_of(databases, OPERATOR) if line.subject == whose.name]
    assert told(made)[0] == ("user:root", "tenant.created", whose.name)
    assert {line.request for line in made} == {"req_op"}
    assert [line.at for line in lines] == sorted(line.at for line in lines)


async def test_pages_of_the_log_are_stable_and_go_back_in_time(databases: Databases, tenant: Tenant) -> None:
    asker = everything(tenant, "test")
    for number in range(5):
        await put_user(databases.main, asker, f"user{number}", [])
    first = await audit_page(databases, asker, limit=2)
    await put_user(databases.main, asker, "one more", [])
    second = await audit_page(databases, asker, limit=2, after=first.items[-1].public_id)
    third = await audit_page(databases, asker, limit=2, after=second.items[-1].public_id)
    subjects = [line.subject for page in (first, second, third) for line in page.items]
    assert subjects == ["user4", "user3", "user2", "user1", "user0"]
    assert (first.has_more, second.has_more, third.has_more) == (True, True, False)
    now = datetime.now(UTC)
    assert (await audit_page(databases, asker, since=now)).items == ()
    assert len((await audit_page(databases, asker, since=now - timedelta(hours=1))).items) == 6
    for cursor in ("", "audit_", "audit_x", "audit_-1", "audit_٣", f"audit_{2**64}", "user4"):
        with pytest.raises(InvalidRequestError):
            await audit_page(databases, asker, after=cursor)


async def test_only_who_reads_everything_reads_the_log(databases: Databases, tenant: Tenant) -> None:
    alice = person(tenant, "alice", [], frozenset({Scope.ADMIN}))
    with pytest.raises(PermissionDeniedError, match="has no user"):
        await audit_page(databases, alice)


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"])
async def test_nobody_changes_the_log(
    databases: Databases, tenant: Tenant, admin: psycopg.Connection, change: str
) -> None:
    asker = everything(tenant, "test")
    await put_user(databases.main, asker, "alice", [])
    before = await lines_of(databases, asker)
    with pytest.raises(DatabaseError, match="permission denied"):
        async with databases.main.registry(asker) as connection:
            await connection.execute(change.encode())
    # Not even the owner, unless it is the tenant itself that goes.
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        admin.execute(f"SET search_path = ragstone; {change}".encode())
    assert await lines_of(databases, asker) == before


async def test_a_move_is_no_change_of_what_is_moved(databases: Databases, tenant: Tenant) -> None:
    asker = everything(tenant, "test")
    await put(databases.main, asker, "/a", "granite")
    before = await lines_of(databases, asker)
    mover = Mover(databases, OPERATOR, grace=0.05)
    for placement in (*PLACEMENTS, "shared"):
        moved = (await mover.move(tenant.name, placement_of(placement))).tenant
        assert await lines_of(databases, everything(moved, "test")) == before
    changes = [line.detail for line in await lines_of(databases, OPERATOR) if line.subject == tenant.name]
    assert [change.get("database", "") for change in changes[-2:]] == ["guests", None]


@pytest.mark.parametrize(("migration", "least"), [(5, 20), (9, 8)])
def test_the_migration_says_of_each_function_of_the_owner_why_it_is_safe(migration: int, least: int) -> None:
    (text,) = [sql for number, _, sql in migrations() if number == migration]
    head, _, _ = text.partition("\n\n")
    parts = re.split(r"^CREATE (?:OR REPLACE )?FUNCTION (\w+)", text, flags=re.MULTILINE)[1:]
    bodies = zip(parts[::2], parts[1::2], strict=True)
    owner_s = {name for name, body in bodies if "SECURITY DEFINER" in body.split("$$")[0]}
    assert len(owner_s) > least
    assert owner_s <= set(re.findall(r"\w+", head))


async def test_functions_of_the_owner_are_closed_and_bound_to_their_schema(admin: psycopg.Connection) -> None:
    """One that looked its names up elsewhere could be led to other tables by whoever calls it."""
    rows = admin.execute(
        "SELECT p.proname, p.proconfig,"
        " p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)"
        " FROM pg_proc p WHERE p.pronamespace = 'ragstone'::regnamespace AND p.prosecdef"
    ).fetchall()
    assert len(rows) > 20
    for name, configuration, is_public in rows:
        assert not is_public, name
        assert any(part.startswith("search_path=ragstone") and part.endswith("pg_temp") for part in configuration), name
