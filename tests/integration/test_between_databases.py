"""A tenant is handed over from one database to another: nothing is in two hands, and nothing is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

import psycopg
import pytest
from keyed_writes import Work, client_of, replica
from places import OPERATOR, databases_with, put, superuser
from psycopg import AsyncConnection, AsyncCursor
from psycopg.abc import Params, QueryNoTemplate

from ragstone.bootstrap import House, everything
from ragstone.domain import Tenant
from ragstone.errors import TenantMovingError
from ragstone.settings import Settings
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.idempotency import Claim, IdempotencyKeys, Recorded
from ragstone.storage.tenancy.clearing import MOVING, lock
from ragstone.storage.tenancy.copying import Copy, Side, Stamps
from ragstone.storage.tenancy.deletion import Remover
from ragstone.storage.tenancy.moving import Mover, reopen_left
from ragstone.storage.tenancy.placement import Placement, Spot
from ragstone.storage.tenancy.tenants import add_tenant, tenant_record

pytestmark = pytest.mark.anyio

NAMES = (None, "guests", "others")
# From where to where, and the statement that a mover does not live to send.
DEATHS = (
    (None, "guests", "switch_tenant"),
    (None, "guests", "serve_here"),
    (None, "guests", "forget_shard"),
    ("guests", None, "leave_here"),
    ("guests", None, "switch_tenant"),
    ("guests", "others", "show_here"),
    ("guests", "others", "leave_here"),
    ("guests", "others", "switch_tenant"),
    ("guests", "others", "serve_here"),
)
HAND_IN = "INSERT INTO ragstone.task (tenant_id, kind, subject_id) SELECT %s, 'ingest', generate_series(-3, -1)"


class Killed(BaseException):
    pass


@pytest.fixture
async def databases(anyio_backend: str, server: EmbeddedServer, database: Database) -> AsyncIterator[Databases]:
    async with databases_with(server, database, "guests", "others") as opened:
        yield opened


@pytest.fixture
def mover(databases: Databases) -> Mover:
    return Mover(databases, OPERATOR, grace=0.01)


def dying_before(step: str) -> Callable[..., Awaitable[AsyncCursor]]:
    execute = AsyncConnection.execute

    async def send(self: AsyncConnection, query: QueryNoTemplate, params: Params | None = None) -> AsyncCursor:
        if f"SELECT {step}(" in str(query):
            raise Killed
        return await execute(self, query, params)

    return send


async def written_in(databases: Databases, tenant: Tenant) -> list[str | None]:
    """The names of all databases that take a write of the tenant."""
    taken = []
    for name in NAMES:
        asker = everything(replace(tenant, database=name), "test")
        try:
            async with databases.named(name).transaction(asker) as connection:
                await connection.execute("UPDATE store SET description = '' WHERE tenant_id = %s", (tenant.id,))
        except TenantMovingError:
            continue
        taken.append(name)
    return taken


async def read_texts(databases: Databases, tenant: Tenant) -> list[str]:
    async with databases.of(tenant).transaction(everything(tenant, "test")) as connection:
        cursor = await connection.execute("SELECT body FROM chunk WHERE tenant_id = %s", (tenant.id,))
        return [row[0] for row in await cursor.fetchall()]


def waiting_in(connections: Mapping[str | None, psycopg.Connection], tenant: Tenant) -> dict[str | None, int]:
    """How many tasks of the tenant a worker of each database would take."""
    query = "SELECT count(*) FROM ragstone.task WHERE tenant_id = %s AND state = 'waiting'"
    rows = {name: connection.execute(query, (tenant.id,)).fetchone() for name, connection in connections.items()}
    return {name: row[0] for name, row in rows.items() if row and row[0]}


async def test_wherever_a_mover_dies_one_database_serves_the_tenant_with_all_its_tasks(
    databases: Databases,
    mover: Mover,
    server: EmbeddedServer,
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await databases.prepare()
    with superuser(server, "guests") as guests, superuser(server, "others") as others:
        connections = {None: admin, "guests": guests, "others": others}
        for origin, to, step in DEATHS:
            case = f"from {origin} to {to}, dead before {step}"
            tenant = await add_tenant(databases.main, OPERATOR, case)
            await put(databases.main, everything(tenant, "test"), "/a", "granite")
            admin.execute(HAND_IN, (tenant.id,))
            await mover.move(case, Placement(database=origin))
            with monkeypatch.context() as patch, pytest.raises(Killed):
                patch.setattr(AsyncConnection, "execute", dying_before(step))
                await mover.move(case, Placement(database=to))

            served = (await tenant_record(databases.main, case)).tenant
            assert await read_texts(databases, served) == ["granite"], case  # at once
            assert await written_in(databases, tenant) in ([], [served.database]), case
            await reopen_left(databases)
            assert await written_in(databases, tenant) == [served.database], case
            assert waiting_in(connections, tenant) == {served.database: 3}, case

            completed = await mover.move(case, Placement(database=to))
            assert (completed.state, completed.tenant.database) == ("ready", to), case
            assert await read_texts(databases, completed.tenant) == ["granite"], case
            assert await written_in(databases, tenant) == [to], case
            assert waiting_in(connections, tenant) == {to: 3}, case


async def test_the_next_move_does_not_wait_for_a_worker_to_let_the_tenant_be_written(
    databases: Databases, mover: Mover, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(AsyncConnection, "execute", dying_before("serve_here"))
        await mover.move(tenant.name, Placement(database="guests"))
    assert await written_in(databases, tenant) == []
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(AsyncConnection, "execute", dying_before("forget_shard"))
        await mover.move(tenant.name, Placement(database="guests"))
    assert await written_in(databases, tenant) == ["guests"]


async def test_while_a_mover_is_alive_nobody_opens_what_it_has_shut(
    databases: Databases, mover: Mover, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    await mover.move(tenant.name, Placement(database="guests"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(AsyncConnection, "execute", dying_before("switch_tenant"))
        await mover.move(tenant.name, Placement())
    async with databases.main.alone() as main, lock(main, MOVING, tenant.id, patience=0):
        await reopen_left(databases)
        assert await written_in(databases, tenant) == []
    await reopen_left(databases)
    assert await written_in(databases, tenant) == ["guests"]


async def test_numbers_of_rows_that_are_gone_are_not_given_again(
    databases: Databases, mover: Mover, tenant: Tenant, admin: psycopg.Connection, server: EmbeddedServer
) -> None:
    asker = everything(tenant, "test")
    store = await put(databases.main, asker, "/kept", "granite")
    # Other tenants of the installation take numbers meanwhile.
    numbers = "pg_get_serial_sequence('ragstone.chunk', 'id')"
    admin.execute(f"SELECT setval({numbers}, nextval({numbers}) + 50000)".encode())
    await put(databases.main, asker, "/gone", "marble")
    await PostgresLibrary(databases.main, asker).remove(store, ["/gone"])
    query = "SELECT max(chunk_id) FROM ragstone.tombstone WHERE tenant_id = %s"
    (dead,) = admin.execute(query, (tenant.id,)).fetchone() or (0,)
    guest = (await mover.move(tenant.name, Placement(database="guests"))).tenant
    await put(databases.of(guest), everything(guest, "test"), "/new", "basalt")
    with superuser(server, "guests") as own:
        query = "SELECT id FROM ragstone.chunk WHERE tenant_id = %s AND body = 'basalt'"
        (new,) = own.execute(query, (tenant.id,)).fetchone() or (0,)
    assert new > dead > 50_000


async def test_a_document_that_is_replaced_during_a_move_arrives_with_its_size(
    databases: Databases, mover: Mover, tenant: Tenant, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(databases.main, everything(tenant, "test"), "/a", "granite")
    run = Copy.run

    async def run_and_replace(self: Copy, known: Mapping[str, Stamps] | None = None) -> dict[str, Stamps]:
        stamps = await run(self, known)
        if known is None:
            await put(databases.main, everything(tenant, "test"), "/a", "granite and marble")
        return stamps

    monkeypatch.setattr(Copy, "run", run_and_replace)
    await mover.move(tenant.name, Placement(database="guests"))
    with superuser(server, "guests") as own:
        query = "SELECT usage_bytes FROM ragstone.document WHERE tenant_id = %s"
        assert own.execute(query, (tenant.id,)).fetchall() == [(len("granite and marble"),)]


async def test_a_keyed_write_that_ends_while_its_tenant_moves_is_not_done_again_where_it_has_gone(
    databases: Databases, mover: Mover, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_out, refused = asyncio.Event(), asyncio.Event()
    switch, record = Mover._switch, IdempotencyKeys.record

    async def switch_when_one_was_refused(
        self: Mover, main: AsyncConnection, source: Side, target: Side, tenant: Tenant, spot: Spot
    ) -> None:
        kept_out.set()
        await asyncio.wait_for(refused.wait(), 10)
        await switch(self, main, source, target, tenant, spot)

    async def record_or_tell(self: IdempotencyKeys, claim: Claim, answer: Recorded) -> bool:
        try:
            return await record(self, claim, answer)
        except TenantMovingError:
            refused.set()
            raise

    monkeypatch.setattr(Mover, "_switch", switch_when_one_was_refused)
    monkeypatch.setattr(IdempotencyKeys, "record", record_or_tell)
    work, key = Work(), {"idempotency-key": "one write"}
    house = House(Settings(), databases.main)
    monkeypatch.setitem(house.__dict__, "databases", databases)
    async with client_of(replica(databases.main, everything(tenant, "test"), work, house)) as client:
        first = asyncio.create_task(client.post("/slow", headers=key))
        await work.begun.wait()
        moving = asyncio.create_task(mover.move(tenant.name, Placement(database="guests")))
        await kept_out.wait()
        work.go.set()
        answer = await first
    guest = (await moving).tenant
    async with client_of(replica(databases.main, everything(guest, "test"), work, house)) as client:
        again = await client.post("/slow", headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (answer.json(), "true")
    assert work.done == [b"slow"]


async def test_the_key_of_a_tenant_that_is_removed_meanwhile_is_not_waited_for(
    databases: Databases, tenant: Tenant
) -> None:
    work = Work()
    async with client_of(replica(databases.main, everything(tenant, "test"), work)) as client:
        first = asyncio.create_task(client.post("/slow", headers={"idempotency-key": "one write"}))
        await work.begun.wait()
        await Remover(databases, OPERATOR).delete(tenant.name)
        work.go.set()
        async with asyncio.timeout(5):
            assert (await first).status_code == 200
