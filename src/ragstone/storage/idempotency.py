"""Writes that were made under a key of their client, with their answers, for all replicas together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ragstone.domain import Asker
from ragstone.errors import DatabaseError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

LOCK = timedelta(seconds=30)  # a process that says nothing for so long has died, and its key is free
AGE = timedelta(hours=24)  # for which an answer is kept

_SWEPT_AT_ONCE = 1000
_ROUNDS = 10  # a key is free, or held, or answered; only one that changes hands all the time is looked at so often


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is held while its request is worked on."""

    key: str
    since: datetime  # tells this holder from one that took the key over


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known of the request that was first made under a key."""

    fingerprint: bytes
    status: int | None  # of its answer; None while it is worked on
    media_type: str | None
    body: bytes | None  # None: the answer is not kept; of a stream, where what it made is found, if that is known


class IdempotencyKeys:
    """The keys of one asker's writes."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Act for this asker; nobody else sees these keys."""
        self._database = database
        self._asker = asker

    async def claim(self, key: str, fingerprint: bytes) -> Claim | Recorded:
        """Hold the key if it is free; else what is known of the one that has it.

        Raises:
            DatabaseError: The key changes hands faster than it can be looked at, or the database is not there.
        """
        free = {"fingerprint": fingerprint, "lock": LOCK, "age": AGE}
        for _ in range(_ROUNDS):
            async with self._database.transaction(self._asker) as connection:
                cursor = await connection.execute(statement("idempotency", "claim_key"), self._named(key, **free))
                row = await cursor.fetchone()
                if row is not None:
                    return Claim(key, row[0])
                cursor = await connection.execute(statement("idempotency", "known_key"), self._named(key))
                row = await cursor.fetchone()
                if row is not None:
                    return Recorded(*row)
        raise DatabaseError("The Idempotency-Key is in use by many at once", remedy="Use a new key for each write")

    async def hold(self, claim: Claim) -> bool:
        """Keep the key for longer; False when it has been lost."""
        return await self._change("hold_key", claim, lock=LOCK)

    async def record(self, claim: Claim, answer: Recorded) -> bool:
        """Answer repetitions from now on; False when the key has been lost."""
        return await self._change(
            "record_answer",
            claim,
            fingerprint=answer.fingerprint,
            status_code=answer.status,
            media_type=answer.media_type,
            answer=answer.body,
        )

    async def free(self, claim: Claim) -> bool:
        """Let the next request have the key; False when it has been lost."""
        return await self._change("free_key", claim)

    async def _change(self, name: str, claim: Claim, **values: object) -> bool:
        named = self._named(claim.key, claimed=claim.since, **values)
        async with self._database.transaction(self._asker) as connection:
            cursor = await connection.execute(statement("idempotency", name), named)
        return cursor.rowcount == 1

    def _named(self, key: str, **values: object) -> dict[str, object]:
        return {**scope(self._asker), "actor": self._asker.actor, "key": key, **values}


async def sweep(database: Database) -> int:
    """Forget the keys of all tenants that are older than a day; returns how many."""
    total = 0
    while True:
        async with database.connection() as connection:
            cursor = await connection.execute("SELECT forget_idempotency(%s, %s)", (AGE, _SWEPT_AT_ONCE))
            row = await cursor.fetchone()
        gone: int = row[0] if row else 0
        total += gone
        if gone < _SWEPT_AT_ONCE:
            return total
