"""Answers that were given before, in PostgreSQL, for all replicas together.

An answer lies at a place: the digest of all that decides it, of the versions of its stores, and of the audiences whose
documents the asker reads there. Migration 0008 says why nothing outdated and nothing of others lies at one's own place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from pgvector import HalfVector
from psycopg import AsyncConnection

from ragstone.domain import Answer, Asker, CacheOutcome, Remembered, Store, Vector
from ragstone.storage.answers.written import answer_of, answer_text
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement
from ragstone.text.sameness import may_ask_the_same, plain

KEPT_ANSWERS = 10_000  # of a tenant, the newest
KEPT_VECTORS = 50_000  # of a tenant: 75 MB at 384 dimensions, 300 MB at 1,536
_CANDIDATES = 5  # questions that are near enough, and looked at whether they could mean something else
_AT_ONCE = 1000  # rows, or stores, that housekeeping takes in one transaction


class PostgresAnswerCache:
    """The answers that one asker may be given again; see `ports.AnswerCache`."""

    def __init__(
        self, database: Database, asker: Asker, *, hours: float = 24.0, similarity: float | None = None
    ) -> None:
        """Act for this asker.

        Args:
            database: The one that the asker's tenant is in.
            asker: On whose behalf.
            hours: For which an answer is kept.
            similarity: Cosine from which two questions may be the same; None: only equal ones are.
        """
        self._database = database
        self._asker = asker
        self._lifetime = timedelta(hours=hours)
        self._similarity = similarity

    async def find(self, key: bytes, stores: Sequence[Store], question: str, vector: Vector | None) -> Remembered:
        """The answer to this question, or with a vector to one that means the same, from the stores as they are now."""
        ids = _ids(stores)
        place = {**scope(self._asker), "decided": key, "stores": ids, "question_key": _digest(question)}
        async with self._database.transaction(self._asker) as connection:
            cursor = await connection.execute(statement("caches", "recall"), place)
            row = await cursor.fetchone()
            known, versions, answered = row or ([], [], None)
            outcome = CacheOutcome.HIT
            if answered is None and vector is not None and self._similarity is not None:
                outcome = CacheOutcome.SEMANTIC_HIT
                answered = await self._similar(connection, place, question, vector)
        found = dict(zip(known, versions, strict=True))
        now = tuple((number, found.get(number, 0)) for number in ids)
        return Remembered(None if answered is None else _marked(answer_of(answered), outcome), now)

    async def keep(
        self, key: bytes, versions: Sequence[tuple[int, int]], question: str, vector: Vector | None, answer: Answer
    ) -> None:
        """Let it be found from now on until it is too old, or one of the stores is not as it was before the search."""
        known = [(number, version) for number, version in versions if version]
        row = {
            **scope(self._asker),
            "decided": key,
            "stores": [number for number, _ in versions],
            "store_ids": [number for number, _ in known],
            "versions": [version for _, version in known],
            "question_key": _digest(question),
            "question": "" if vector is None else question.replace("\0", " "),
            "vector": None if vector is None else HalfVector(vector),
            "answered": answer_text(answer),
            "lifetime": self._lifetime,
        }
        async with self._database.transaction(self._asker) as connection:
            await connection.execute(statement("caches", "keep"), row)

    async def _similar(
        self, connection: AsyncConnection, place: dict[str, object], question: str, vector: Vector
    ) -> str | None:
        near = {**place, "vector": HalfVector(vector), "similarity": self._similarity, "limit": _CANDIDATES}
        cursor = await connection.execute(statement("caches", "recall_similar"), near)
        rows = await cursor.fetchall()
        return next((answered for asked, answered in rows if may_ask_the_same(question, asked)), None)


def _digest(question: str) -> bytes:
    return sha256(plain(question).encode("utf-8", "surrogatepass")).digest()


async def settle_changes(database: Database) -> None:
    """Add the changes of each store up, and delete the answers that they have outdated, of all tenants."""
    await _until_done(database, f"SELECT settle_changes({_AT_ONCE})")


async def forget_cached(database: Database) -> None:
    """Delete answers and vectors that are too old, or beyond the newest of their tenant, of all tenants."""
    await _until_done(database, f"SELECT forget_cached({_AT_ONCE}, {KEPT_ANSWERS}, {KEPT_VECTORS})")


async def _until_done(database: Database, query: str) -> None:
    done = _AT_ONCE
    while done >= _AT_ONCE:
        async with database.connection() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        done = int(row[0]) if row else 0


def _ids(stores: Sequence[Store]) -> list[int]:
    return sorted({store.id for store in stores})


def _marked(answer: Answer, outcome: CacheOutcome) -> Answer:
    return replace(answer, provenance=replace(answer.provenance, cache=outcome))
