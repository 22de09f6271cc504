"""Tenants in PostgreSQL: their rows, as the installation's database has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ragstone.access.limits import Reached
from ragstone.domain import Asker, Standing, Tenant
from ragstone.errors import ConflictError, InvalidRequestError, NotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Page
from ragstone.storage.statements import statement
from ragstone.storage.tenancy.placement import Placement, Spot, spot_of
from ragstone.storage.tenancy.spending import in_order, reached_of, standing_of, stored_limit


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A tenant with what is under way."""

    tenant: Tenant
    created_at: datetime
    moving_to: Spot | None = None
    former: Spot | None = None  # rows that nobody needs any more lie there
    deleting: bool = False

    @property
    def placement(self) -> Placement:
        """Where it is served from."""
        return spot_of(self.tenant).placement

    @property
    def state(self) -> str:
        """One word: ready, moving, clearing or deleting; all but the first come to an end by being asked for again."""
        if self.deleting:
            return "deleting"
        return "moving" if self.moving_to else "clearing" if self.former else "ready"


async def find_tenant(database: Database, name: str) -> Tenant | None:
    """The tenant of that name, if there is one that is not being deleted."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT tenant_id, name, shard, database FROM find_tenant(%s)", (name,))
        row = await cursor.fetchone()
    return Tenant(*row) if row else None


async def admit_tenant(database: Database, name: str) -> tuple[Tenant, Reached | None] | None:
    """The tenant of that name, and which of its limits makes whoever shows no key but a token wait.

    Counts a request, for all replicas together.
    """
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute("SELECT * FROM admit_tenant(%s)", (name,))
        row = await cursor.fetchone()
    if row is None:
        return None
    return Tenant(row["tenant_id"], row["tenant"], row["shard"], row["database"]), reached_of(row)


async def add_tenant(database: Database, asker: Asker, name: str) -> Tenant:
    """A new tenant, beside others in the installation's database.

    Raises:
        ConflictError: There is one of that name.
    """
    async with database.registry(asker) as connection:
        cursor = await connection.execute("SELECT tenant_id, name, shard, database FROM add_tenant(%s)", (name,))
        row = await cursor.fetchone()
    if row is None:
        raise ConflictError(f"There is a tenant {name} already", remedy="Choose another name")
    return Tenant(*row)


async def list_tenants(database: Database, name: str | None = None) -> list[TenantRecord]:
    """All tenants by name, or the one of that name."""
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(
            "SELECT tenant_id, name, shard, database, created_at, moving_shard, moving_database, former_shard,"
            " former_database, deleting FROM list_tenants(%s)",
            (name,),
        )
        return [
            TenantRecord(
                Tenant(row["tenant_id"], row["name"], row["shard"], row["database"]),
                row["created_at"],
                None if row["moving_shard"] is None else Spot(row["moving_shard"], row["moving_database"]),
                None if row["former_shard"] is None else Spot(row["former_shard"], row["former_database"]),
                row["deleting"],
            )
            for row in await cursor.fetchall()
        ]


async def tenant_page(database: Database, excerpt: Excerpt) -> Page[TenantRecord]:
    """Some of all tenants, in the order in which they were made; cursors are names.

    Raises:
        InvalidRequestError: There is no tenant of the name that a cursor is.
    """
    every = sorted(await list_tenants(database), key=lambda record: record.tenant.id, reverse=excerpt.newest_first)
    names = [record.tenant.name for record in every]
    first = 0 if excerpt.after is None else _position(names, "after", excerpt.after) + 1
    last = len(every) if excerpt.before is None else _position(names, "before", excerpt.before)
    rows = every[first:last]
    backwards = excerpt.after is None and excerpt.before is not None
    shown = rows[-excerpt.limit :] if backwards else rows[: excerpt.limit]
    return Page(tuple(shown), has_more=len(rows) > len(shown))


def _position(names: Sequence[str], name: str, cursor: str) -> int:
    if cursor not in names:
        raise InvalidRequestError(
            f"There is no tenant {cursor} to go on from",
            remedy=f"Take {name} from an answer of this list, or leave it out",
            param=name,
        )
    return names.index(cursor)


async def tenant_record(database: Database, name: str) -> TenantRecord:
    """The tenant of that name with what is under way.

    Raises:
        NotFoundError: There is none.
    """
    found = await list_tenants(database, name)
    if not found:
        raise NotFoundError(f"There is no tenant {name}", remedy=f"`ragstone tenants create {name}` makes it")
    return found[0]


async def limit_tenant(database: Database, operator: Asker, name: str, changes: Mapping[str, float | None]) -> None:
    """Change what a tenant may spend: limits by their names, None for any amount; the others stay.

    Raises:
        NotFoundError: There is no such tenant.
        TenantMovingError: It is being removed.
    """
    record = await tenant_record(database, name)
    written = {limit: None if value is None else stored_limit(limit, value) for limit, value in changes.items()}
    async with database.registry(operator) as connection:
        await connection.execute("SELECT limit_tenant(%s, %s)", (record.tenant.id, Jsonb(written)))


async def tenant_standings(database: Database, asker: Asker) -> tuple[Standing, ...]:
    """The limits of the asker's tenant as a whole, and how much of each is used."""
    async with database.registry(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("spending", "tenant_standings"), scope(asker))
        return in_order(map(standing_of, await cursor.fetchall()))
