"""What the database cannot take is told as the mistake of who sent it, not as a fault of the service."""

from __future__ import annotations

import secrets

import psycopg
import pytest

from ragstone.domain import Asker
from ragstone.errors import ConcurrentChangeError, InvalidRequestError
from ragstone.storage.catalog.stores import list_stores
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO app_user (tenant_id, name) VALUES (%s, %s)"


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT %s::text", "a\0b"),
        ("SELECT %s::text", "\ud800"),
        ("SELECT %s::text::jsonb", '"\\u0000"'),
        ("SELECT %s::text::jsonb", '"\\ud800"'),
        ("SELECT %s::numeric::bigint", 2**63),
        ("SELECT %s::text::bigint", "many"),
        ("SELECT now() + make_interval(secs => %s::float)", 1e300),
        ("SELECT 1 / %s::int", 0),
    ],
)
async def test_a_value_that_no_column_holds_is_an_invalid_request(
    database: Database, asker: Asker, query: str, value: object
) -> None:
    with pytest.raises(InvalidRequestError, match="The database cannot store or compare a value: "):
        async with database.transaction(asker) as connection:
            await connection.execute(query.encode(), (value,))
    assert await list_stores(database, asker) == []  # and the connection lives on


async def test_a_text_that_no_index_holds_is_an_invalid_request(database: Database, asker: Asker) -> None:
    name = secrets.token_hex(20_000)  # anything else is compressed until it fits
    with pytest.raises(InvalidRequestError, match="it is too long") as caught:
        async with database.transaction(asker) as connection:
            await connection.execute(INSERT, (asker.tenant.id, name))
    assert "btree" not in str(caught.value)


async def test_a_value_that_a_rule_of_its_table_excludes_is_an_invalid_request(
    database: Database, asker: Asker
) -> None:
    with pytest.raises(InvalidRequestError, match="app_user_name_check"):
        async with database.transaction(asker) as connection:
            await connection.execute(INSERT, (asker.tenant.id, ""))


async def test_two_who_make_the_same_thing_are_told_of_each_other(database: Database, asker: Asker) -> None:
    with pytest.raises(ConcurrentChangeError, match="app_user_tenant_id_name_key"):
        async with database.transaction(asker) as connection:
            for _ in range(2):
                await connection.execute(INSERT, (asker.tenant.id, "alice"))


async def test_a_missing_value_stays_a_mistake_of_the_program(database: Database, asker: Asker) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation):
        async with database.transaction(asker) as connection:
            await connection.execute(INSERT, (asker.tenant.id, None))
