"""A team's own PostgreSQL, where the owner of the database is no superuser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from contract.samples import MODEL, QUESTION, Piece, document, indexed, one_by_one
from places import OPERATOR, counts, put
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from ragstone.bootstrap import everything
from ragstone.errors import DatabaseUnavailableError, DatabaseUnsuitableError
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.migrate import migrate, migrations
from ragstone.storage.tenancy.deletion import Remover
from ragstone.storage.tenancy.moving import Mover
from ragstone.storage.tenancy.placement import Placement

pytestmark = pytest.mark.anyio


@pytest.fixture
def admin(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A superuser, and a database of the team's own with a login that owns it and one that does not."""
    with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        for login in ("team CREATEROLE", "service"):
            connection.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'sesame'".encode())
        # The tests' other databases have made it already; another cluster would not have it yet.
        connection.execute("GRANT ragstone_app TO team WITH ADMIN TRUE, SET FALSE, INHERIT FALSE")
        connection.execute("CREATE DATABASE team_rag OWNER team")
        with psycopg.connect(server.admin_dsn("team_rag"), autocommit=True) as inside:
            inside.execute("CREATE EXTENSION IF NOT EXISTS vector")
        yield connection
        connection.execute("DROP DATABASE team_rag WITH (FORCE)")
        connection.execute("REVOKE ragstone_app FROM service")
        connection.execute("DROP ROLE team, service")


def login(server: EmbeddedServer, user: str, password: str = "sesame") -> str:
    return make_conninfo(server.admin_dsn("team_rag"), user=user, password=password)


async def test_an_owner_without_superuser_rights_migrates_ingests_and_searches(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    dsn = login(server, "team")
    assert await migrate(dsn) == [name for _, name, _ in migrations()]
    assert await migrate(dsn) == []
    database = Database(lambda: dsn, size=2)
    await database.open()
    asker = everything(await database.tenant("default"), "test")
    library = PostgresLibrary(database, asker)
    store = await library.open_store("docs", MODEL)
    pieces = [Piece("granite", angle=0)]
    await library.put(store, document("/a", pieces), one_by_one(indexed(pieces)))
    async with PostgresIndex(database, asker).snapshot([store]) as snapshot:
        assert len(await snapshot.dense(QUESTION, 5, None)) == 1
    # Not even the owner's login sees a row without a tenant: the security is forced.
    async with database.connection() as connection:
        await connection.execute("RESET ROLE")
        cursor = await connection.execute("SELECT count(*) FROM chunk")
        assert await cursor.fetchone() == (0,)
        await connection.execute("SET ROLE ragstone_app")
    await database.close()


async def test_a_login_that_may_not_act_for_the_application_is_told_what_to_grant(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    await migrate(login(server, "team"))
    database = Database(lambda: login(server, "service"), size=2)
    with pytest.raises(DatabaseUnsuitableError, match="GRANT ragstone_app"):
        await database.open()
    admin.execute("GRANT ragstone_app TO service")
    await database.open()
    assert (await database.tenant("default")).id > 0
    await database.close()


async def test_a_login_that_owns_nothing_moves_a_tenant_and_deletes_it(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    await migrate(login(server, "team"))
    admin.execute("GRANT ragstone_app TO service")
    database = Database(lambda: login(server, "service"), size=2)
    await database.open()
    databases = Databases(database, {})
    tenant = await database.tenant("acme")
    await put(database, everything(tenant, "test"), "/a", "granite")
    for placement in (Placement(own_partition=True), Placement()):
        assert (await Mover(databases, OPERATOR, grace=0).move("acme", placement)).placement == placement
    with psycopg.connect(server.admin_dsn("team_rag")) as inside:
        assert counts(inside, tenant)["vectors of contract"] == 1
        assert (await Remover(databases, OPERATOR).delete("acme")).complete
        inside.rollback()
        assert counts(inside, tenant) == {}
    await database.close()


async def test_a_login_that_may_not_migrate_is_told_who_may(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    with pytest.raises(DatabaseUnsuitableError, match="RAGSTONE_DATABASE_ADMIN_URL"):
        await migrate(login(server, "service"))


async def test_a_database_with_half_a_schema_is_told_apart_from_a_defect(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    with psycopg.connect(login(server, "team"), autocommit=True) as half:
        half.execute("CREATE SCHEMA ragstone CREATE TABLE tenant (tenant_id int)")
    with pytest.raises(DatabaseUnsuitableError, match="already exists"):
        await migrate(login(server, "team"))


async def test_the_role_that_another_database_of_the_cluster_makes_at_the_same_time_is_no_trouble(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    """A migration waits for nobody in another database, and roles are the cluster's."""
    (_, _, first), *_ = migrations()
    make_role = first[first.index("DO $$") : first.index("END $$;") + len("END $$;")].replace("ragstone_app", "late")
    waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
    async with await AsyncConnection.connect(server.admin_dsn("team_rag"), autocommit=True) as other:
        with admin.transaction():
            admin.execute(make_role.encode())
            making = asyncio.create_task(other.execute(make_role.encode()))
            async with asyncio.timeout(10):
                while admin.execute(waits, (other.info.backend_pid,)).fetchone() is None:
                    await asyncio.sleep(0.01)
        await making
    admin.execute("DROP ROLE late")


async def test_a_wrong_password_is_said_without_being_shown(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    with pytest.raises(DatabaseUnavailableError, match="password authentication failed") as raised:
        await migrate(login(server, "team", password="open-it"))
    assert "open-it" not in str(raised.value)


async def test_a_schema_of_a_newer_release_is_refused(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    dsn = login(server, "team")
    await migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO ragstone.schema_migration (version, name) VALUES (9999, 'later')")
    with pytest.raises(DatabaseUnsuitableError, match="newer Ragstone"):
        await migrate(dsn)
