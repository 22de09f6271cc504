"""API keys in PostgreSQL: who holds one, and the limit attached to it. They are in the installation's database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.access.askers import machine, person
from ragstone.access.grants import KeyRights, check_key
from ragstone.access.keys import NewKey, new_key
from ragstone.domain import Asker, Priority, Scope, Tenant
from ragstone.errors import ConflictError, NotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement

_KEYS = Listing("people", "list_keys", "key_position")


@dataclass(frozen=True, slots=True)
class Admission:
    """A key that opens, and how long its limit makes the holder wait."""

    asker: Asker
    wait_seconds: float  # 0: the request may pass


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is listed: all but the key itself, which nobody knows any more."""

    public_id: str  # key_...
    rights: KeyRights
    hint: str  # its last characters
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None  # to the minute

    def state(self, now: datetime) -> str:
        """One word: active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        ends = self.rights.expires_at
        return "active" if ends is None or ends > now else "expired"


async def admit(database: Database, key_hash: bytes) -> Admission | None:
    """Who holds the key of this hash; None when it is unknown, expired or revoked.

    Counts a request against the key's limit, for all replicas together.
    """
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT tenant_id, tenant, shard, database, key_id, person, groups, scopes, priority, wait_seconds"
            " FROM admit_key(%s)",
            (key_hash,),
        )
        row = await cursor.fetchone()
    if row is None:
        return None
    tenant, (key_id, user, groups, names, priority, wait) = Tenant(*row[:4]), row[4:]
    scopes = frozenset(map(Scope, names))
    return Admission(
        person(tenant, user, groups, scopes, key_id=key_id, priority=Priority(priority))
        if user is not None
        else machine(tenant, scopes, key_id=key_id, priority=Priority(priority)),
        wait,
    )


async def add_key(database: Database, asker: Asker, key: NewKey, rights: KeyRights) -> str:
    """Let the key open the asker's tenant from now on; returns its public id.

    Raises:
        PermissionDeniedError: Its holder could do something that the asker cannot.
        NotFoundError: There is no such user.
    """
    check_key(asker, rights)
    async with database.registry(asker) as connection:
        return await _add(connection, asker, key, rights)


async def list_keys(database: Database, asker: Asker, excerpt: Excerpt) -> Page[StoredKey]:
    """The keys of the asker's tenant, in the order in which they were made."""
    async with database.registry(asker) as connection:
        return await _KEYS.page(connection, excerpt, scope(asker), _stored_key)


async def revoke_key(database: Database, asker: Asker, public_id: str) -> None:
    """Let a key open nothing from the next request on; one that is revoked already stays so.

    Raises:
        NotFoundError: There is none of that id.
    """
    async with database.registry(asker) as connection:
        cursor = await connection.execute(
            statement("people", "revoke_key"), {**scope(asker), "public_id": _plain(public_id)}
        )
        row = await cursor.fetchone()
    if row is None:
        raise _no_key(public_id)


async def rotate_key(
    database: Database, asker: Asker, public_id: str, overlap: timedelta
) -> tuple[str, NewKey, KeyRights]:
    """A new key with the rights of another, which ends when the overlap does; returns its id, itself and its rights.

    The new one lasts as long as the other one was made for.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It opens nothing any more.
        PermissionDeniedError: Its holder can do something that the asker cannot.
    """
    now = datetime.now(UTC)
    async with database.registry(asker) as connection:
        former = await _find(connection, asker, public_id)
        check_key(asker, former.rights)
        if former.state(now) != "active":
            raise ConflictError(
                f"The key {public_id} is {former.state(now)}", remedy="Make a new one with `ragstone keys create`"
            )
        rights = _renewed(former, now)
        ending = {**scope(asker), "public_id": public_id, "expires_at": now + overlap}
        await connection.execute(statement("people", "end_key"), ending)
        key = new_key()
        return await _add(connection, asker, key, rights), key, rights


async def any_key(database: Database) -> bool:
    """Whether any key of any tenant opens anything."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT any_key()")
        row = await cursor.fetchone()
    return bool(row and row[0])


async def _add(connection: AsyncConnection, asker: Asker, key: NewKey, rights: KeyRights) -> str:
    public_id = f"key_{secrets.token_hex(12)}"
    cursor = await connection.execute(
        statement("people", "add_key"),
        {
            **scope(asker),
            "public_id": public_id,
            "name": rights.name,
            "user": rights.user,
            "scopes": sorted(rights.scopes),
            "hash": key.hash,
            "hint": key.hint,
            "priority": int(rights.priority),
            "requests_per_minute": rights.requests_per_minute,
            "expires_at": rights.expires_at,
        },
    )
    if await cursor.fetchone() is None:
        raise NotFoundError(
            f"There is no user {rights.user} in the tenant {asker.tenant.name}",
            remedy=f"`ragstone users set {rights.user} --tenant {asker.tenant.name}` makes one",
        )
    return public_id


async def _find(connection: AsyncConnection, asker: Asker, public_id: str) -> StoredKey:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("people", "find_key"), {**scope(asker), "public_id": _plain(public_id)})
    row = await cursor.fetchone()
    if row is None:
        raise _no_key(public_id)
    return _stored_key(row)


def _renewed(former: StoredKey, now: datetime) -> KeyRights:
    rights = former.rights
    lasts = None if rights.expires_at is None else now + (rights.expires_at - former.created_at)
    return KeyRights(rights.scopes, rights.name, rights.user, rights.priority, rights.requests_per_minute, lasts)


def _stored_key(row: Mapping[str, Any]) -> StoredKey:
    rights = KeyRights(
        scopes=tuple(map(Scope, row["scopes"])),
        name=row["name"],
        user=row["user"],
        priority=Priority(row["priority"]),
        requests_per_minute=row["requests_per_minute"],
        expires_at=row["expires_at"],
    )
    return StoredKey(row["public_id"], rights, row["hint"], row["created_at"], row["revoked_at"], row["last_used_at"])


def _plain(public_id: str) -> str:
    """No id of ours has a NUL, which the database cannot even compare."""
    return public_id.replace("\0", "")


def _no_key(public_id: str) -> NotFoundError:
    return NotFoundError(f"There is no key {public_id}")
