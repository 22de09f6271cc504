"""Which servers are taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from psycopg import AsyncConnection

from ragstone.errors import DatabaseUnsuitableError
from ragstone.storage.migrate import check_server, migrations

pytestmark = pytest.mark.anyio


class Server:
    """A connection that knows its version and which pgvector there is."""

    def __init__(self, version: int, pgvector: str | None) -> None:
        self.info = SimpleNamespace(server_version=version)
        self._pgvector = pgvector

    async def execute(self, _: str) -> Server:
        return self

    async def fetchone(self) -> tuple[str] | None:
        return None if self._pgvector is None else (self._pgvector,)


async def check(version: int, pgvector: str | None) -> str:
    return await check_server(cast("AsyncConnection", Server(version, pgvector)))


@pytest.mark.parametrize(("version", "pgvector"), [(160000, "0.8.5"), (180004, "0.10.0"), (170002, "1.0")])
async def test_a_new_enough_server_is_taken(version: int, pgvector: str) -> None:
    assert pgvector in await check(version, pgvector)


@pytest.mark.parametrize(
    ("version", "pgvector", "message"),
    [
        (150018, "0.8.5", r"PostgreSQL 15\.18 is too old"),
        (180004, "0.8.4", r"pgvector 0\.8\.4 is too old"),
        (180004, "0.7.10", r"pgvector 0\.7\.10 is too old"),
        (180004, None, "pgvector is missing"),
    ],
)
async def test_an_old_server_is_refused_with_what_to_install(version: int, pgvector: str | None, message: str) -> None:
    with pytest.raises(DatabaseUnsuitableError, match=message) as raised:
        await check(version, pgvector)
    assert raised.value.remedy


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))
