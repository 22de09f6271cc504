"""Trouble with the database that one tenant has to itself is the trouble of that tenant alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from places import OPERATOR, databases_with, superuser

from ragstone.bootstrap import House, everything
from ragstone.bootstrap.session import Session
from ragstone.domain import Tenant
from ragstone.errors import DatabaseUnavailableError
from ragstone.settings import Settings
from ragstone.storage.catalog.files import PostgresFiles
from ragstone.storage.catalog.uploading import Particulars
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.tenancy.moving import Mover
from ragstone.storage.tenancy.placement import Placement
from ragstone.storage.work.queue import Claim, Kind
from ragstone.worker.housekeeping import Housekeeping
from ragstone.worker.loop import Pace, Worker
from ragstone.worker.run import common_chores

pytestmark = pytest.mark.anyio


@pytest.fixture
async def databases(anyio_backend: str, server: EmbeddedServer, database: Database) -> AsyncIterator[Databases]:
    async with databases_with(server, database, "guests") as opened:
        yield opened


async def test_a_worker_waits_for_a_schema_that_is_being_restored(
    databases: Databases, server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    guests = databases.named("guests")
    guest = await guests.tenant("guest")
    begun, stop = asyncio.Event(), asyncio.Event()

    async def handle(_: Claim) -> str:
        begun.set()
        return "done"

    def warnings() -> list[str]:
        return [record.message for record in caplog.records if "no work" in record.message]

    worker = Worker(guests, {Kind.INGEST: handle}, Pace(), Housekeeping([], []))
    running = asyncio.create_task(worker.run(stop))
    with superuser(server, "guests") as own:

        async def wake_until(event: asyncio.Event) -> None:
            async with asyncio.timeout(10):
                while not event.is_set() and not running.done():
                    own.execute("NOTIFY ragstone_task")
                    await asyncio.sleep(0.02)

        own.execute("INSERT INTO ragstone.task (tenant_id, kind, subject_id) VALUES (%s, 'ingest', -1)", (guest.id,))
        await wake_until(begun)
        own.execute("ALTER SCHEMA ragstone RENAME TO away")
        async with asyncio.timeout(10):
            while not warnings() and not running.done():
                own.execute("NOTIFY ragstone_task")
                await asyncio.sleep(0.02)
        for _ in range(10):
            own.execute("NOTIFY ragstone_task")
            await asyncio.sleep(0.02)
        assert not running.done()
        with pytest.raises(DatabaseUnavailableError, match="schema of this release"):
            await guests.tenant("guest")
        own.execute("ALTER SCHEMA away RENAME TO ragstone")
        begun.clear()
        own.execute("INSERT INTO ragstone.task (tenant_id, kind, subject_id) VALUES (%s, 'ingest', -2)", (guest.id,))
        await wake_until(begun)
    stop.set()
    await running
    assert len(warnings()) == len(set(warnings()))  # not one for every attempt


async def test_a_database_that_is_away_stops_the_chores_of_no_other(
    databases: Databases, server: EmbeddedServer, tenant: Tenant
) -> None:
    guest = (await Mover(databases, OPERATOR, grace=0).move(tenant.name, Placement(database="guests"))).tenant
    asker = everything(guest, "test")
    own = databases.of(guest)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async with PostgresFiles(own, asker, Session(own, asker).places).upload("a.txt") as upload:
        await upload.write(pieces())
        await upload.finish(Particulars(lifetime=timedelta(0)))

    urls = {"away": "host=/nowhere dbname=away", "guests": server.dsn("guests")}
    everywhere = Databases(databases.main, urls, admin_urls={"guests": server.admin_dsn("guests")})
    house = House(Settings(), databases.main)
    house.__dict__["databases"] = everywhere
    troubled = set()
    for database in everywhere.all():
        for chore in common_chores(house, database):
            try:
                await chore()
            except DatabaseUnavailableError:
                troubled.add(database)
    await everywhere.close()
    assert troubled == {everywhere.named("away")}
    with superuser(server, "guests") as admin:
        files = admin.execute("SELECT count(*) FROM ragstone.file WHERE tenant_id = %s", (guest.id,)).fetchone()
    assert files == (0,)
