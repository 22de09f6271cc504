"""The queue of work in PostgreSQL, and what may become of a task that somebody has taken.

A taken task is a claim: it holds for one attempt of one worker. Whatever ends it names that attempt, so a worker that
was cancelled, or was silent for so long that another one has the task now, changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from psycopg import AsyncConnection

from ragstone.domain import Asker, Priority, Tenant
from ragstone.errors import ClaimLostError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


class Kind(StrEnum):
    """What is to be done with the subject of a task."""

    INGEST = "ingest"  # a document
    ANSWER = "answer"  # a response that is made in the background


@dataclass(frozen=True, slots=True)
class Claim:
    """A task in the hands of a worker."""

    tenant: Tenant
    id: int
    kind: Kind
    subject_id: int  # of the document or the response
    attempt: int  # counts the takings of the task
    failures: int  # of former attempts
    worker: str

    @property
    def asker(self) -> Asker:
        """On whose behalf it is done."""
        return Asker(self.tenant, "worker", reads_all=True)

    @property
    def scope(self) -> dict[str, object]:
        """Parameters of the statements that hold only while the claim does."""
        return {
            **scope(self.asker),
            "task": self.id,
            "subject": self.subject_id,
            "attempt": self.attempt,
            "worker": self.worker,
        }


@dataclass(frozen=True, slots=True)
class Depth:
    """How many tasks of a tenant are in one state."""

    tenant: str
    state: str  # waiting, running or dead
    tasks: int


async def enqueue(
    connection: AsyncConnection, asker: Asker, kind: Kind, subject_id: int, priority: Priority = Priority.BATCH
) -> None:
    """Have something done once the asker's transaction on this connection is committed; workers hear of it then.

    Asking again for the same subject starts over, also where it has been given up; who works on it now has lost it.
    """
    task = {**scope(asker), "kind": kind, "subject": subject_id, "priority": int(priority)}
    await connection.execute(statement("queue", "enqueue"), task)


async def cancel(connection: AsyncConnection, asker: Asker, document_ids: Sequence[int]) -> list[int]:
    """Cancel the documents that are not done yet, in the asker's transaction; returns the ids of those.

    Their workers stop within seconds, and store nothing once the transaction is committed.
    """
    documents = {**scope(asker), "documents": list(document_ids)}
    await connection.execute(statement("queue", "forget_tasks"), documents)
    cursor = await connection.execute(statement("queue", "cancel_documents"), documents)
    return [row[0] for row in await cursor.fetchall()]


async def requeue(database: Database, asker: Asker) -> int:
    """Give all documents that were given up another chance; returns how many there are."""
    async with database.transaction(asker) as connection:
        cursor = await connection.execute(statement("queue", "lock_dead"), scope(asker))
        dead = {**scope(asker), "documents": [row[0] for row in await cursor.fetchall()]}
        cursor = await connection.execute(statement("queue", "requeue"), dead)
        return len(await cursor.fetchall())


async def depths(database: Database) -> list[Depth]:
    """What is waiting, running and given up, of all tenants of the database."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT tenant, state, tasks FROM queue_depths()")
        return [Depth(*row) for row in await cursor.fetchall()]


async def end(connection: AsyncConnection, claim: Claim) -> None:
    """Remove the task in the transaction that writes what came of it.

    Raises:
        ClaimLostError: It was cancelled or taken away; nothing of the transaction may be committed.
    """
    await _held(connection, "end_claim", claim)


class Queue:
    """Tasks of all tenants of a database, from a worker's side."""

    def __init__(self, database: Database, worker: str, kinds: Iterable[Kind], *, lease: timedelta) -> None:
        """Take tasks of these kinds; each is another's again when nothing is heard of the worker for `lease`."""
        self._database = database
        self._worker = worker
        self._kinds = sorted(kinds)
        self._lease = lease

    async def take(self, count: int) -> list[Claim]:
        """Up to this many tasks that are due, fairly among tenants; those of workers that are gone are due again."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                "SELECT tenant_id, tenant, shard, database, id, kind, subject_id, attempt, failures"
                " FROM take_tasks(%s, %s, %s, %s)",
                (self._worker, self._kinds, count, self._lease),
            )
            rows = await cursor.fetchall()
        return [Claim(Tenant(*row[:4]), row[4], Kind(row[5]), row[6], row[7], row[8], self._worker) for row in rows]

    async def fail(self, claim: Claim, code: str, reason: str) -> None:
        """End the task: its subject failed, and trying again would not help.

        Raises:
            ClaimLostError: It was cancelled or taken away.
        """
        async with self._database.transaction(claim.asker) as connection:
            # The subject before its task, see catalog/stores.py; who has lost the claim takes it all back.
            await _tell(connection, claim, code, reason)
            await _held(connection, "end_claim", claim)

    async def retry(self, claim: Claim, reason: str, seconds: float) -> None:
        """Let it wait for this long and be tried again.

        Raises:
            ClaimLostError: It was cancelled or taken away.
        """
        async with self._database.transaction(claim.asker) as connection:
            await _held(connection, "retry_claim", claim, reason=reason, seconds=seconds)

    async def bury(self, claim: Claim, reason: str) -> None:
        """Give it up: its subject failed, and the task is kept with the reason until it is asked for again.

        Raises:
            ClaimLostError: It was cancelled or taken away.
        """
        async with self._database.transaction(claim.asker) as connection:
            await _tell(connection, claim, "server_error", reason)
            await _held(connection, "bury_claim", claim, reason=reason)

    async def hand_back(self, claim: Claim) -> None:
        """Let another worker have it at once, as if it had never been taken.

        Raises:
            ClaimLostError: It was cancelled or taken away.
        """
        async with self._database.transaction(claim.asker) as connection:
            await _held(connection, "hand_back_claim", claim)


async def _held(connection: AsyncConnection, name: str, claim: Claim, **more: object) -> None:
    cursor = await connection.execute(statement("queue", name), {**claim.scope, **more})
    if await cursor.fetchone() is None:
        raise ClaimLostError(
            f"Task {claim.id} was taken away", why="it was cancelled, or its worker was silent for too long"
        )


async def _tell(connection: AsyncConnection, claim: Claim, code: str, reason: str) -> None:
    name = "fail_document" if claim.kind is Kind.INGEST else "fail_response"
    await connection.execute(statement("queue", name), {**claim.scope, "code": code, "reason": reason})
