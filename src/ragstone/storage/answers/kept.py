"""Stored answers in PostgreSQL: each is seen by who asked for it and by nobody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.domain import Answer, Asker, Question
from ragstone.errors import InvalidRequestError, NotFoundError, PromptTooLongError
from ragstone.storage.answers.written import answer_of, answer_text, question_object
from ragstone.storage.database import Database, scope
from ragstone.storage.pages import Excerpt, Page
from ragstone.storage.statements import statement
from ragstone.storage.work.queue import Kind, enqueue

_FORGOTTEN_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A request for an answer: one turn of a conversation."""

    public_id: str  # resp_...
    created_at: datetime
    question: Question
    settings: Mapping[str, object]  # of the request, in JSON's types; every answer repeats them
    items: tuple[Mapping[str, object], ...]  # of its input, in JSON's types
    lifetime: timedelta  # for which it is kept
    previous: int | None = None  # id inside the database of the turn before it


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A request for an answer, and what became of it."""

    public_id: str
    created_at: datetime
    asked: str  # the question's own words
    settings: Mapping[str, object]
    status: str  # queued, in_progress, completed, cancelled or failed
    answer: Answer | None  # of a completed one
    completed_at: datetime | None
    error_code: str | None  # of a failed one, as is the next
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """A turn of a conversation, as far as the next one needs it."""

    id: int  # inside the database
    items: tuple[Mapping[str, object], ...]  # of its input
    answer: str | None  # its words, once it is there


@dataclass(frozen=True, slots=True)
class Item:
    """One of the items that an answer was made from."""

    public_id: str
    given: Mapping[str, object] | None  # as it was sent; None for what an answer put out
    source: StoredAnswer | None  # that answer, without its passages


class PostgresAnswers:
    """The answers of one asker."""

    def __init__(self, database: Database, asker: Asker) -> None:
        """Act for this asker."""
        self._database = database
        self._asker = asker
        self._scope = {
            **scope(asker),
            "actor": asker.actor,
            "readers": list(asker.readers),
            "reads_all": asker.reads_all,
        }

    async def keep(self, turn: Turn, answer: Answer, completed_at: datetime) -> None:
        """Store a finished answer."""
        async with self._database.transaction(self._asker) as connection:
            question = {"text": turn.question.text}  # what was said before it is in the turns before it
            await self._add(connection, turn, question, answer_text(answer), completed_at)

    async def queue(self, turn: Turn) -> None:
        """Have the answer made by a worker."""
        async with self._database.transaction(self._asker) as connection:
            number = await self._add(connection, turn, question_object(turn.question))
            await enqueue(connection, self._asker, Kind.ANSWER, number, self._asker.priority)

    async def find(self, public_id: str) -> StoredAnswer:
        """The answer of that id.

        Raises:
            NotFoundError: There is none that the asker may see.
        """
        found = await self._rows(statement("answers", "find_response"), self._named(public_id))
        if not found:
            raise _unknown(public_id)
        return _stored(found[0])

    async def status(self, public_id: str) -> str:
        """How far the answer of that id is.

        Raises:
            NotFoundError: There is none that the asker may see.
        """
        async with self._database.transaction(self._asker) as connection:
            cursor = await connection.execute(statement("answers", "response_status"), self._named(public_id))
            row = await cursor.fetchone()
        if row is None:
            raise _unknown(public_id)
        return str(row[0])

    async def conversation(self, public_id: str, most: int, *, cut: bool) -> list[Past]:
        """The turn of that id behind those that it goes on from.

        Args:
            public_id: Of the last turn.
            most: Bytes of the conversation, in JSON.
            cut: Leave out what is before these, instead of refusing; of the last turn at least the id is left.

        Raises:
            NotFoundError: There is none that the asker may see.
            PromptTooLongError: The conversation is longer.
        """
        rows = await self._rows(statement("answers", "conversation"), {**self._named(public_id), "most": most})
        if not rows:
            raise _unknown(public_id)
        if not cut and any(row["input"] is None for row in rows):
            raise PromptTooLongError(
                f"The conversation up to {public_id} has more than {most:,} bytes",
                remedy='Leave its oldest turns out with "truncation": "auto", or begin another one',
            )
        return [Past(row["id"], tuple(row["input"] or ()), row["answer"]) for row in rows]

    async def input_items(self, public_id: str, excerpt: Excerpt, most: int) -> Page[Item]:
        """What the answer of that id was made from, with as many bytes of the turns before its own.

        Raises:
            NotFoundError: There is none that the asker may see.
            InvalidRequestError: The page is to begin behind an item that is none of these.
        """
        behind = excerpt.after is not None
        query = statement("answers", "input_items")
        query = query.replace(b"{direction}", b"DESC" if excerpt.newest_first else b"ASC")
        cursor = excerpt.after and excerpt.after.replace("\0", " ")
        page = {"most": most, "cursor": cursor, "limit": excerpt.limit + 1 + behind}
        rows = await self._rows(query, {**self._named(public_id), **page})
        if not rows:
            await self.status(public_id)
            raise InvalidRequestError(
                f"There is no item {excerpt.after} to go on from",
                remedy="Take it from an answer of this list",
                param="after",
            )
        items = tuple(map(_item, rows[behind:]))
        return Page(items[: excerpt.limit], has_more=len(items) > excerpt.limit)

    async def cancel(self, public_id: str) -> StoredAnswer:
        """Call the answer off, if it is not there yet; returns what has become of it.

        Raises:
            NotFoundError: There is none that the asker may see.
        """
        async with self._database.transaction(self._asker) as connection:
            await connection.execute(statement("answers", "forget_answer_task"), self._named(public_id))
            await connection.execute(statement("answers", "cancel_response"), self._named(public_id))
        return await self.find(public_id)

    async def delete(self, public_id: str) -> None:
        """Remove the answer of that id; those that go on from it stay.

        Raises:
            NotFoundError: There is none that the asker may see.
        """
        async with self._database.transaction(self._asker) as connection:
            await connection.execute(statement("answers", "forget_answer_task"), self._named(public_id))
            cursor = await connection.execute(statement("answers", "remove_response"), self._named(public_id))
            if await cursor.fetchone() is None:
                raise _unknown(public_id)

    async def _add(
        self,
        connection: AsyncConnection,
        turn: Turn,
        question: Mapping[str, object],
        answered: str | None = None,
        completed_at: datetime | None = None,
    ) -> int:
        asked = {
            "settings": dict(turn.settings),
            "input": list(turn.items),
            "question": question,
            "key": self._asker.key_id,  # what a worker spends on it is counted there
        }
        row = {
            **self._scope,
            "public_id": turn.public_id,
            "previous": turn.previous,
            "status": "queued" if answered is None else "completed",
            "asked": json.dumps(asked),
            "answered": answered,
            "created_at": turn.created_at,
            "completed_at": completed_at,
            "lifetime": turn.lifetime,
        }
        cursor = await connection.execute(statement("answers", "add_response"), row)
        added = await cursor.fetchone()
        assert added is not None
        return int(added[0])

    async def _rows(self, query: bytes, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        async with self._database.transaction(self._asker) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(query, parameters)
            return await cursor.fetchall()

    def _named(self, public_id: str) -> dict[str, object]:
        # The database takes no NUL, and no id has one.
        return {**self._scope, "response": "" if "\0" in public_id else public_id}


async def forget_expired(database: Database) -> int:
    """Delete the answers of all tenants whose time is over; returns how many."""
    total = 0
    while True:
        async with database.connection() as connection:
            cursor = await connection.execute("SELECT forget_responses(%s)", (_FORGOTTEN_AT_ONCE,))
            row = await cursor.fetchone()
        gone: int = row[0] if row else 0
        total += gone
        if gone < _FORGOTTEN_AT_ONCE:
            return total


def _stored(row: Mapping[str, Any]) -> StoredAnswer:
    return StoredAnswer(
        public_id=row["public_id"],
        created_at=row["created_at"],
        asked=row["asked"],
        settings=row["settings"],
        status=row["status"],
        answer=None if row["body"] is None else answer_of(row["body"]),
        completed_at=row["completed_at"],
        error_code=row["error_code"],
        error_message=row["error_message"],
    )


def _item(row: Mapping[str, Any]) -> Item:
    given = row["item"]
    return Item(row["item_id"], given, None if given is not None else _stored(row))


def _unknown(public_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no response {public_id}", remedy="It may have been deleted, have expired, or not have been stored"
    )
