"""Tenants are kept apart by the database itself, whatever the application asks."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import count
from uuid import uuid4

import psycopg
import pytest
from contract.samples import MODEL, Piece, direction, document, indexed, one_by_one
from pgvector import HalfVector
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from ragstone.bootstrap import everything
from ragstone.domain import Asker, Tenant
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import ENTER, Database, entering
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.statements import statement, statements

pytestmark = pytest.mark.anyio

_names = count()

FILES = sorted(
    file.name.removesuffix(".sql") for file in resources.files("ragstone.storage").joinpath("queries").iterdir()
)
QUERIES = [(file, name) for file in FILES for name in statements(file)]


@dataclass(frozen=True)
class Victim:
    """A tenant with one document in one store."""

    tenant: Tenant
    store: int
    document: int
    version: int
    chunk: int
    segment: int
    model: int
    file: str
    file_row: int
    store_id: str
    batch: int
    batch_id: str
    task: int


@pytest.fixture
async def victim(
    anyio_backend: str, database: Database, tenant: Tenant, asker: Asker, admin: psycopg.Connection
) -> Victim:
    library = PostgresLibrary(database, asker)
    store = await library.open_store("secrets", MODEL)
    # Two versions, so that every table has a row: the first one's chunk is a tombstone now.
    for code in ("0000", "1111"):
        pieces = [Piece(f"the launch code is {code}", angle=0)]
        content = document("/secret.txt", pieces, {"level": "top"})
        file = await library.put(store, content, one_by_one(indexed(pieces)))
    async with database.transaction(asker) as connection:
        cursor = await connection.execute(
            "SELECT d.id, d.version_id, c.id, g.id, s.model_id, d.file_id FROM document d"
            " JOIN chunk c ON c.document_id = d.id JOIN segment g ON g.store_id = d.store_id"
            " JOIN store s ON s.id = d.store_id ORDER BY g.id DESC"
        )
        row = await cursor.fetchone()
    assert row is not None
    fill(admin, tenant.id)
    batch = admin.execute("SELECT id, public_id FROM ragstone.file_batch WHERE tenant_id = %s", (tenant.id,)).fetchone()
    assert batch is not None
    task = admin.execute(
        "UPDATE ragstone.task SET state = 'running', attempt = 1, worker = 'sample' WHERE tenant_id = %s RETURNING id",
        (tenant.id,),
    ).fetchone()
    assert task is not None
    document_id, version, chunk, segment, model, file_row = row
    return Victim(
        tenant, store.id, document_id, version, chunk, segment, model, file, file_row, store.public_id, *batch, *task
    )


@pytest.fixture
async def other(anyio_backend: str, database: Database) -> Tenant:
    return await database.tenant(f"attacker {next(_names)}")


def tables(admin: psycopg.Connection, *, partitions: bool = False) -> list[str]:
    """Tables with rows of tenants; a partition is reached through its parent alone."""
    rows = admin.execute(
        "SELECT c.oid::regclass::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ragstone'"
        " AND a.attname = 'tenant_id' AND a.attnum > 0 AND c.relkind IN ('r', 'p')"
        " AND (%s OR NOT c.relispartition) ORDER BY 1",
        (partitions,),
    ).fetchall()
    return [row[0] for row in rows]


@pytest.fixture
def admin(server: EmbeddedServer, database_name: str, database: Database) -> psycopg.Connection:
    return psycopg.connect(server.admin_dsn(database_name), autocommit=True)


@pytest.fixture(autouse=True)
async def _closing(anyio_backend: str, admin: psycopg.Connection) -> AsyncIterator[None]:
    yield
    admin.close()


def fill(admin: psycopg.Connection, tenant: int) -> None:
    """A row in every table that has none of this tenant yet, so that each has something to give away."""
    empty = [table for table, rows in contents(admin, tenant).items() if not rows and ".embedding_" not in table]
    # Tables refer to each other: a few rounds find an order.
    for _ in range(len(empty)):
        for table in list(empty):
            columns = admin.execute(_REQUIRED, (table,)).fetchall()
            values = [_value(admin, tenant, name, kind, constraints) for name, kind, constraints in columns]
            names = ", ".join(name for name, _, _ in columns)
            with contextlib.suppress(psycopg.errors.ForeignKeyViolation):
                admin.execute(
                    f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(values))})".encode(), values
                )
                empty.remove(table)


# Columns that have to be given, with their type and the checks of their table that name them.
_REQUIRED = """
SELECT a.attname, format_type(a.atttypid, NULL), COALESCE(
  (SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
   WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY(k.conkey)), '')
FROM pg_attribute a
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = '' AND a.attnotnull
  AND NOT a.atthasdef
"""


def _value(admin: psycopg.Connection, tenant: int, name: str, kind: str, checks: str) -> object:
    if name == "tenant_id":
        return tenant
    if name.endswith("_id") and name != "public_id":
        table = {"subject_id": "document", "batch_id": "file_batch"}.get(name, name.removesuffix("_id"))
        row = admin.execute(f"SELECT max(id) FROM ragstone.{table} WHERE tenant_id = %s".encode(), (tenant,)).fetchone()
        return row[0] if row and row[0] else 0
    allowed = re.findall(r"'([^']+)'::text", checks)
    samples: dict[str, object] = {
        "text": allowed[0] if allowed else "sample",
        "text[]": ["sample"],
        "bytea": secrets.token_bytes(8),
        "jsonb": Jsonb({}),
        "timestamp with time zone": datetime.now(UTC),
        "date": datetime.now(UTC).date(),
        "integer[]": [0],
        "bigint[]": [1],
        "uuid": uuid4(),
    }
    return samples.get(kind, 1)


def contents(admin: psycopg.Connection, tenant: int) -> dict[str, list[str]]:
    """Every row of a tenant in every table, seen by a superuser."""
    found = {}
    for table in tables(admin):
        rows = admin.execute(
            f"SELECT md5(t::text) FROM {table} t WHERE tenant_id = %s ORDER BY 1".encode(), (tenant,)
        ).fetchall()
        found[table] = [row[0] for row in rows]
    return found


async def act_for(connection: AsyncConnection, tenant: Tenant | None) -> None:
    # Even who reads everything reads it in one tenant.
    if tenant is not None:
        await connection.execute(ENTER, entering(everything(tenant, "test")))


async def test_every_table_with_a_tenant_is_shut_to_its_owner_too(admin: psycopg.Connection, victim: Victim) -> None:
    rows = admin.execute(
        "SELECT c.oid::regclass::text, relrowsecurity, relforcerowsecurity FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ragstone' AND c.relkind IN ('r', 'p')"
    ).fetchall()
    shut = {table for table, enabled, forced in rows if enabled and forced}
    assert set(tables(admin, partitions=True)) <= shut
    # Only what belongs to the installation is open.
    assert {table for table, _, _ in rows} - shut == {"ragstone.embedding_model", "ragstone.schema_migration"}


async def test_the_application_s_role_owns_nothing_and_cannot_bypass(admin: psycopg.Connection, victim: Victim) -> None:
    row = admin.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,"
        " (SELECT count(*) FROM pg_class WHERE relowner = r.oid), (SELECT count(*) FROM pg_proc WHERE proowner = r.oid)"
        " FROM pg_roles r WHERE rolname = 'ragstone_app'"
    ).fetchone()
    assert row == (False, False, False, False, 0, 0)


async def test_the_victim_has_a_row_in_every_table(admin: psycopg.Connection, victim: Victim) -> None:
    found = contents(admin, victim.tenant.id)
    other_models = {table for table in found if "embedding_" in table} - {f"ragstone.embedding_{victim.model}"}
    assert [table for table, rows in found.items() if not rows and table not in other_models] == []


def _writable(admin: psycopg.Connection, table: str) -> bool:
    row = admin.execute("SELECT has_table_privilege('ragstone_app', %s, 'INSERT')", (table,)).fetchone()
    assert row is not None
    return bool(row[0])


@pytest.mark.parametrize("acting", ["nobody", "another tenant"])
async def test_no_table_shows_or_takes_a_row(
    admin: psycopg.Connection, database: Database, victim: Victim, other: Tenant, acting: str
) -> None:
    before = contents(admin, victim.tenant.id)
    tenant = None if acting == "nobody" else other
    own_rows = contents(admin, other.id)

    for table in before:
        async with database.connection() as connection, connection.transaction(force_rollback=True):
            await act_for(connection, tenant)
            cursor = await connection.execute(
                f"SELECT 1 FROM {table} WHERE tenant_id = %s".encode(), (victim.tenant.id,)
            )
            assert await cursor.fetchall() == [], table
            cursor = await connection.execute(f"SELECT count(*) FROM {table}".encode())
            assert (await cursor.fetchone()) == ((len(own_rows[table]) if tenant else 0),), table
        column = "name" if table.endswith(".tenant") else "tenant_id"
        for write in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            async with database.connection() as connection, connection.transaction(force_rollback=True):
                await act_for(connection, tenant)
                if not _writable(admin, table):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        async with connection.transaction():
                            await connection.execute(write.encode())
                else:
                    cursor = await connection.execute(write.encode())
                    assert cursor.rowcount == 0, table
    assert contents(admin, victim.tenant.id) == before


@pytest.mark.parametrize("acting", ["nobody", "another tenant"])
async def test_no_table_takes_a_row_in_the_victim_s_name(
    admin: psycopg.Connection, database: Database, victim: Victim, other: Tenant, acting: str
) -> None:
    before = contents(admin, victim.tenant.id)
    for table in before:
        # A copy of the victim's own row is what every constraint but the policy would take.
        columns = admin.execute(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity <> 'a'",
            (table,),
        ).fetchone()
        assert columns is not None
        row = admin.execute(
            f"SELECT {columns[0]} FROM {table} WHERE tenant_id = %s LIMIT 1".encode(), (victim.tenant.id,)
        ).fetchone()
        if row is None or not _writable(admin, table):
            continue  # the table of a model that the victim does not use; no right to insert there at all
        # A vector comes back as its text here and goes in as one.
        values = [Jsonb(value) if isinstance(value, dict) or _nested(value) else value for value in row]
        places = ", ".join(["%s"] * len(values))
        async with database.connection() as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                async with connection.transaction():
                    await act_for(connection, None if acting == "nobody" else other)
                    await connection.execute(f"INSERT INTO {table} ({columns[0]}) VALUES ({places})".encode(), values)
    assert contents(admin, victim.tenant.id) == before


def _nested(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(inner, list) for inner in value)


def arguments(victim: Victim) -> dict[str, object]:
    """A value for every parameter of every query, pointing at the victim."""
    return {
        "tenant": victim.tenant.id,
        "shard": victim.tenant.shard,
        "audience": 0,
        "readers": [],
        "store": victim.store,
        "stores": [victim.store],
        "document": victim.document,
        "version": victim.version,
        "segment": victim.segment,
        "segments": [victim.segment],
        "merged": victim.segment,
        "file": victim.file,
        "name": "secrets",
        "public_id": "vs_attack",
        "model": victim.model,
        "language": "english",
        "source": "/secret.txt",
        "source_key": b"attack",
        "source_keys": [b"attack"],
        "filename": "secret.txt",
        "attributes": Jsonb({}),
        "content_hash": b"",
        "pipeline": "",
        "size": 0,
        "most": 2**20,
        "media_type": "text/plain",
        "title": "",
        "warnings": [],
        "body": "",
        "ordinals": [0],
        "starts": [0],
        "ends": [1],
        "pages": [1],
        "headings": [""],
        "turns": [Jsonb([])],
        "contexts": [""],
        "bodies": ["attack"],
        "term_counts": [1],
        "ids": [victim.chunk],
        "vector": HalfVector(direction(0)),
        "vectors": [HalfVector(direction(0))],
        "chunk_count": 1,
        "term_total": 1,
        "chunks": 1,
        "terms": ["launch"],
        "entries": [b""],
        "limit": 10,
        "scan_up_to": 1000,
        "start": 0,
        "length": 10,
        "lengths": [10],
        "number": 0,
        "content": b"attack",
        "files": [victim.file],
        "after_file": "",
        "first": 1,
        "count": 1,
        "actor": "sample",
        "key": "sample",
        "fingerprint": b"attack",
        "decided": b"attack",
        "question_key": b"attack",
        "question": "",
        "similarity": 0.0,
        "store_ids": [victim.store],
        "versions": [1],
        "keys": [b"attack"],
        "packed": [b"attack"],
        "lock": timedelta(0),
        "age": timedelta(0),
        "claimed": datetime.now(UTC),
        "file_id": victim.file_row,
        "store_id": victim.store_id,
        "batch_id": victim.batch_id,
        "batch": victim.batch,
        "cursor": victim.file,
        "former": victim.version,
        "file_ids": [victim.file_row],
        "documents": [victim.document],
        "audiences": [0],
        "attribute_sets": [Jsonb({})],
        "filenames": ["secret.txt"],
        "max_tokens": [None],
        "overlaps": [0],
        "place": "database",
        "places": ["database"],
        "purpose": "assistants",
        "patience": timedelta(hours=1),
        "lifetime": timedelta(days=1),
        "description": "",
        "metadata": Jsonb({}),
        "days": 1,
        "above": 0,
        "below": 2**62,
        "status": "completed",
        "status_code": 200,
        "answer": b"attack",
        "task": victim.task,
        "attempt": 1,
        "worker": "sample",
        "kind": "ingest",
        "subject": victim.document,
        "priority": 1,
        "seconds": 0,
        "code": "server_error",
        "reason": "attack",
        "response": "sample",
        "reads_all": True,
        "previous": None,
        "asked": "{}",
        "answered": "{}",
        "created_at": datetime.now(UTC),
        "completed_at": datetime.now(UTC),
        "model_name": MODEL.name,
        "user": "sample",
        "groups": ["sample"],
        "scopes": ["admin"],
        "hash": b"attack",
        "hint": "tack",
        "limits": Jsonb({"cost_per_month": 1}),
        "account": None,
        "since_day": datetime(1970, 1, 1, tzinfo=UTC).date(),
        "expires_at": datetime.now(UTC),
        "since": datetime(1970, 1, 1, tzinfo=UTC),
    }


@pytest.mark.parametrize(("file", "name"), QUERIES)
@pytest.mark.parametrize("acting", ["nobody", "another tenant"])
async def test_every_query_of_the_application_touches_nothing_of_another_tenant(
    admin: psycopg.Connection, database: Database, victim: Victim, other: Tenant, file: str, name: str, acting: str
) -> None:
    before = contents(admin, victim.tenant.id)
    query = statement(file, name, victim.model).replace(b"{condition}", b"true").replace(b"{direction}", b"DESC")
    values = arguments(victim)
    if name == "shrink_segment":
        values["terms"] = 1
    async with database.connection() as connection:
        try:
            async with connection.transaction():
                await act_for(connection, None if acting == "nobody" else other)
                cursor = await connection.execute(query, values)
                rows = await cursor.fetchall() if cursor.description else []
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.NotNullViolation):
            rows = []  # the policy, or a sum over rows that it hides
    seen = [value for row in rows for value in row if value not in (None, 0, [])]
    assert not seen or name.startswith("lock_"), f"{name} shows {seen}"
    assert contents(admin, victim.tenant.id) == before
