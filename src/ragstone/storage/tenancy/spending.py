"""What an asker may spend on language models, counted in PostgreSQL for all processes together.

Money is counted in whole millionths of the currency of the models' prices; parts of one are rounded up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import dict_row

from ragstone.access.limits import Reached
from ragstone.domain import LIMITS, Asker, SpendingLimits, Spent, Standing, Usage
from ragstone.errors import DatabaseError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

MILLIONTHS = 1_000_000  # of the currency; what money is counted in
KEPT_DAYS = 400  # for which it is known what was spent
_BILLIONTHS = 9  # digits behind which a cost is the rounding of binary numbers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was counted before it was spent."""

    id: UUID


class PostgresMeter:
    """What one asker may spend: the limits of the key and of the tenant; without a key the tenant's alone."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Act for this asker; `database` is the installation's, wherever the tenant's contents are."""
        self._database = database
        self._asker = asker

    async def reserve(self, estimate: Usage) -> Reservation:
        """Count what is about to be spent at most.

        Raises:
            RateLimitedError: A limit of the key or the tenant would be passed; it says which and when there is more.
        """
        reservation = Reservation(uuid4())
        tokens, cost = estimate.input_tokens + estimate.output_tokens, millionths(estimate.cost)
        try:
            row = await self._ask(_RESERVE, (self._asker.key_id or "", reservation.id, tokens, cost))
        except asyncio.CancelledError:
            # It may have been counted before whoever asked went away.
            await asyncio.shield(self.settle(reservation, Usage()))
            raise
        reached = reached_of(row)
        if reached is not None:
            raise reached.refusal(tokens if reached.standing.name.startswith("tokens") else estimate.cost)
        return reservation

    async def settle(self, reservation: object, spent: Usage) -> None:
        """Count what was spent instead. A second time changes nothing.

        What cannot be settled because the database is away stays counted as it was reserved: the answer is there.
        """
        assert isinstance(reservation, Reservation)
        cost = millionths(spent.cost)
        try:
            await self._ask(_SETTLE, (reservation.id, spent.input_tokens, spent.output_tokens, cost, spent.calls > 0))
        except DatabaseError as error:
            _log.warning("what an answer has cost could not be counted: %s", error)

    async def _ask(self, query: bytes, values: Sequence[object]) -> Mapping[str, Any]:
        async with self._database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(query, (self._asker.tenant.id, *values))
            row = await cursor.fetchone()
        assert row is not None
        return row


_RESERVE = b"SELECT whose, name, most, used, renews_at, wait_seconds, held FROM reserve_spending(%s, %s, %s, %s, %s)"
_SETTLE = b"SELECT settle_spending(%s, %s, %s, %s, %s, %s)"


def millionths(cost: float) -> int:
    """A cost as it is counted."""
    return ceil(round(cost * MILLIONTHS, _BILLIONTHS - 6))


def reached_of(row: Mapping[str, Any]) -> Reached | None:
    """The limit that a verdict of the database names; None: nothing stands in the way."""
    if row["name"] is None:
        return None
    return Reached(row["whose"], standing_of(row), row["wait_seconds"], row.get("held", 0) / _unit(row["name"]))


def standing_of(row: Mapping[str, Any]) -> Standing:
    """How much of a limit is used, out of columns of that name."""
    unit = _unit(row["name"])
    most, used = (row[name] if unit == 1 else row[name] / unit for name in ("most", "used"))
    return Standing(row["name"], most, used, row["renews_at"])


def _unit(name: str) -> int:
    return MILLIONTHS if name.startswith("cost") else 1


def in_order(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """As limits are listed everywhere."""
    return tuple(sorted(standings, key=lambda standing: LIMITS.index(standing.name)))


def stored_limit(name: str, value: float) -> int:
    """A limit as it is stored."""
    return millionths(value) if name.startswith("cost") else int(value)


def limits_object(limits: SpendingLimits) -> dict[str, int]:
    """Limits as they are stored."""
    return {name: stored_limit(name, value) for name, value in limits.given.items()}


def limits_of(stored: Mapping[str, int]) -> SpendingLimits:
    """The limits that were stored so."""
    return SpendingLimits.of(
        {name: value / MILLIONTHS if name.startswith("cost") else value for name, value in stored.items()}
    )


async def spent_with_keys(database: Database, asker: Asker, since: date) -> list[Spent]:
    """What the asker's tenant has spent on each day with each key, the oldest day first."""
    async with database.registry(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("spending", "spending"), {**scope(asker), "since_day": since})
        return [_spent(row) for row in await cursor.fetchall()]


async def spent_by_tenants(database: Database, since: date) -> list[Spent]:
    """What each tenant of the installation has spent on each day, the oldest day first."""
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(_BY_TENANTS, (since,))
        return [_spent(row) for row in await cursor.fetchall()]


async def forget_spending(database: Database) -> int:
    """Delete what neither limits nor reports need any more; returns how many rows."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT forget_spending(%s)", (KEPT_DAYS,))
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


_BY_TENANTS = b"""SELECT day, tenant AS subject, '' AS label, requests, answers, input_tokens, output_tokens, cost
  FROM installation_spending(%s)"""


def _spent(row: Mapping[str, Any]) -> Spent:
    return Spent(**{**row, "cost": row["cost"] / MILLIONTHS})
