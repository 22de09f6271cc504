"""Users of a tenant in PostgreSQL, in the installation's database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from ragstone.domain import Asker
from ragstone.errors import NotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement

_USERS = Listing("people", "list_users", "user_position")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom documents and keys can name."""

    name: str
    groups: tuple[str, ...]
    created_at: datetime


async def groups_of(database: Database, asker: Asker, user: str) -> tuple[str, ...]:
    """The groups of a user of the asker's tenant; none for somebody who is not known."""
    async with database.registry(asker) as connection:
        cursor = await connection.execute(statement("people", "groups_of"), {**scope(asker), "name": user})
        row = await cursor.fetchone()
    return tuple(row[0]) if row else ()


async def put_user(database: Database, asker: Asker, name: str, groups: Collection[str]) -> User:
    """A user of the asker's tenant with exactly these groups, made if there is none."""
    user = {**scope(asker), "name": name, "groups": sorted(set(groups))}
    async with database.registry(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("people", "put_user"), user)
        row = await cursor.fetchone()
    assert row is not None
    return _user(row)


async def list_users(database: Database, asker: Asker, excerpt: Excerpt) -> Page[User]:
    """The users of the asker's tenant, in the order in which they were made."""
    async with database.registry(asker) as connection:
        return await _USERS.page(connection, excerpt, scope(asker), _user)


async def remove_user(database: Database, asker: Asker, name: str) -> None:
    """Remove a user with all of their keys; documents that name them stay as they are.

    Raises:
        NotFoundError: There is none of that name.
    """
    async with database.registry(asker) as connection:
        cursor = await connection.execute(statement("people", "remove_user"), {**scope(asker), "name": name})
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError(f"There is no user {name}")


def _user(row: Mapping[str, Any]) -> User:
    return User(row["name"], tuple(row["groups"]), row["created_at"])
