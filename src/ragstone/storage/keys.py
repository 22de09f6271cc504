"""API keys in PostgreSQL: who holds one, and the limit attached to it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ragstone.access.askers import machine, person
from ragstone.access.keys import NewKey
from ragstone.domain import Asker, Priority, Scope, Tenant
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Admission:
    """A key that opens, and how long its limit makes the holder wait."""

    asker: Asker
    wait_seconds: float  # 0: the request may pass


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


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What a key may do, for whom, and for how long."""

    scopes: Collection[Scope]
    name: str = ""
    user_id: int | None = None  # None: it acts for the tenant itself
    priority: Priority = Priority.INTERACTIVE
    requests_per_minute: int | None = None
    expires_at: datetime | None = None


async def add_key(database: Database, asker: Asker, key: NewKey, rights: KeyRights) -> str:
    """Let the key open the asker's tenant from now on; returns its public id."""
    public_id = f"key_{secrets.token_hex(12)}"
    async with database.transaction(asker) as connection:
        await connection.execute(
            statement("people", "add_key"),
            {
                **scope(asker),
                "public_id": public_id,
                "name": rights.name,
                "user": rights.user_id,
                "scopes": sorted(rights.scopes),
                "hash": key.hash,
                "hint": key.hint,
                "priority": int(rights.priority),
                "requests_per_minute": rights.requests_per_minute,
                "expires_at": rights.expires_at,
            },
        )
    return public_id


async def any_key(database: Database) -> bool:
    """Whether any key of any tenant opens anything."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT any_key()")
        row = await cursor.fetchone()
    return bool(row and row[0])
