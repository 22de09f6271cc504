"""API keys in PostgreSQL: who holds one, and the limits attached to it. They are in the installation's database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ragstone.access.askers import machine, person
from ragstone.access.grants import KeyRights, check_end, check_key
from ragstone.access.keys import NewKey, new_key
from ragstone.access.limits import Reached, check_limits
from ragstone.domain import Asker, Priority, Scope, SpendingLimits, Standing, Tenant
from ragstone.errors import ConflictError, NotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Listing, Page
from ragstone.storage.statements import statement
from ragstone.storage.tenancy.spending import in_order, limits_object, limits_of, reached_of, standing_of

_KEYS = Listing("people", "list_keys", "key_position")


@dataclass(frozen=True, slots=True)
class Admission:
    """A key that opens, and the limit that makes its holder wait."""

    asker: Asker
    reached: Reached | None  # None: the request may pass


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

    Counts a request against the limits of the key and its tenant, for all replicas together.
    """
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute("SELECT * FROM admit_key(%s)", (key_hash,))
        row = await cursor.fetchone()
    if row is None:
        return None
    tenant = Tenant(row["tenant_id"], row["tenant"], row["shard"], row["database"])
    scopes, key_id, priority = frozenset(map(Scope, row["scopes"])), row["key_id"], Priority(row["priority"])
    return Admission(
        person(tenant, row["person"], row["groups"], scopes, key_id=key_id, priority=priority)
        if row["person"] is not None
        else machine(tenant, scopes, key_id=key_id, priority=priority),
        reached_of(row),
    )


async def add_key(database: Database, asker: Asker, key: NewKey, rights: KeyRights) -> str:
    """Let the key open the asker's tenant from now on; returns its public id.

    Raises:
        PermissionDeniedError: Its holder could do something that the asker cannot, spend more at a time, or do it for
            longer.
        NotFoundError: There is no such user.
    """
    async with database.registry(asker) as connection:
        await _check(connection, asker, rights)
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

    The new one lasts as long as the other one was made for, and goes on with what is used of its limits.

    Raises:
        NotFoundError: There is none of that id.
        ConflictError: It opens nothing any more.
        PermissionDeniedError: Its holder can do something that the asker cannot, or could for longer.
    """
    now = datetime.now(UTC)
    async with database.registry(asker) as connection:
        former, account = await _find(connection, asker, public_id)
        rights = _renewed(former, now)
        await _check(connection, asker, rights)
        if former.state(now) != "active":
            raise ConflictError(
                f"The key {public_id} is {former.state(now)}", remedy="Make a new one with `ragstone keys create`"
            )
        ending = {**scope(asker), "public_id": public_id, "expires_at": now + overlap}
        await connection.execute(statement("people", "end_key"), ending)
        key = new_key()
        return await _add(connection, asker, key, rights, account), key, rights


async def limit_key(database: Database, asker: Asker, public_id: str, changes: Mapping[str, float | None]) -> None:
    """Change what the holder of a key may spend: limits by their names, None for any amount; the others stay.

    Raises:
        NotFoundError: There is none of that id.
        PermissionDeniedError: They would be higher than those of the asker's own key.
    """
    async with database.registry(asker) as connection:
        key, _ = await _find(connection, asker, public_id)
        limits = SpendingLimits.of({**key.rights.limits.given, **changes})
        own, _ = await _own(connection, asker)
        check_limits(own, limits)
        values = {**scope(asker), "public_id": public_id, "limits": Jsonb(limits_object(limits))}
        await connection.execute(statement("people", "limit_key"), values)


async def key_standings(database: Database, asker: Asker, public_id: str) -> tuple[Standing, ...]:
    """The limits of a key, and how much of each is used.

    Raises:
        NotFoundError: There is none of that id.
    """
    named = {**scope(asker), "public_id": _plain(public_id)}
    async with database.registry(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("people", "limits_and_end_of_key"), named)
        if await cursor.fetchone() is None:
            raise _no_key(public_id)
        await cursor.execute(statement("spending", "key_standings"), named)
        return in_order(map(standing_of, await cursor.fetchall()))


async def any_key(database: Database) -> bool:
    """Whether any key of any tenant opens anything."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT any_key()")
        row = await cursor.fetchone()
    return bool(row and row[0])


async def _add(
    connection: AsyncConnection, asker: Asker, key: NewKey, rights: KeyRights, account: int | None = None
) -> str:
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
            "limits": Jsonb(limits_object(rights.limits)),
            "account": account,
            "expires_at": rights.expires_at,
        },
    )
    if await cursor.fetchone() is None:
        raise NotFoundError(
            f"There is no user {rights.user} in the tenant {asker.tenant.name}",
            remedy=f"`ragstone users set {rights.user} --tenant {asker.tenant.name}` makes one",
        )
    return public_id


async def _check(connection: AsyncConnection, asker: Asker, rights: KeyRights) -> None:
    """Let the asker hand out a key with these rights only if they have as much themselves."""
    check_key(asker, rights)
    limits, end = await _own(connection, asker)
    check_limits(limits, rights.limits)
    check_end(end, rights.expires_at)


async def _own(connection: AsyncConnection, asker: Asker) -> tuple[SpendingLimits, datetime | None]:
    """The limits and the end of the key that the asker has shown."""
    named = {**scope(asker), "public_id": asker.key_id or ""}
    row = await (await connection.execute(statement("people", "limits_and_end_of_key"), named)).fetchone()
    return (limits_of(row[0]), row[1]) if row else (SpendingLimits(), None)


async def _find(connection: AsyncConnection, asker: Asker, public_id: str) -> tuple[StoredKey, int]:
    """The key, held until the end of the transaction, and the number of its account."""
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("people", "find_key"), {**scope(asker), "public_id": _plain(public_id)})
    row = await cursor.fetchone()
    if row is None:
        raise _no_key(public_id)
    return _stored_key(row), row["account"]


def _renewed(former: StoredKey, now: datetime) -> KeyRights:
    rights = former.rights
    lasts = None if rights.expires_at is None else now + (rights.expires_at - former.created_at)
    return replace(rights, expires_at=lasts)


def _stored_key(row: Mapping[str, Any]) -> StoredKey:
    rights = KeyRights(
        scopes=tuple(map(Scope, row["scopes"])),
        name=row["name"],
        user=row["user"],
        priority=Priority(row["priority"]),
        limits=limits_of(row["limits"]),
        expires_at=row["expires_at"],
    )
    return StoredKey(row["public_id"], rights, row["hint"], row["created_at"], row["revoked_at"], row["last_used_at"])


def _plain(public_id: str) -> str:
    """No id of ours has a NUL, which the database cannot even compare."""
    return public_id.replace("\0", "")


def _no_key(public_id: str) -> NotFoundError:
    return NotFoundError(f"There is no key {public_id}")
