"""Answers that are made in the background, from a worker's side."""

from __future__ import annotations

from dataclasses import dataclass

from ragstone.domain import Answer, Asker, Question
from ragstone.errors import ClaimLostError
from ragstone.storage.answers.written import answer_text, question_of
from ragstone.storage.database import Database
from ragstone.storage.statements import statement
from ragstone.storage.work.queue import Claim, end


@dataclass(frozen=True, slots=True)
class Wanted:
    """An answer that a worker is to make."""

    asker: Asker  # on whose behalf
    question: Question  # without its stores
    stores: tuple[str, ...]  # ids of these
    model: str | None  # that was asked for


async def begin(database: Database, claim: Claim) -> Wanted:
    """What is to be answered for this claim.

    Raises:
        ClaimLostError: It was cancelled or taken away, or the response is gone.
    """
    async with database.transaction(claim.asker) as connection:
        cursor = await connection.execute(statement("answers", "begin_response"), claim.scope)
        row = await cursor.fetchone()
    if row is None:
        raise ClaimLostError(f"Task {claim.id} was taken away", why="its response was cancelled or removed")
    actor, readers, reads_all, key_id, model, question = row
    asker = Asker(claim.tenant, actor, tuple(readers), reads_all=reads_all, key_id=key_id)
    return Wanted(asker, *question_of(question), model)


async def finish(database: Database, claim: Claim, answer: Answer) -> None:
    """Store the answer and end the task, both or neither.

    Raises:
        ClaimLostError: It was cancelled or taken away; nothing is stored.
    """
    answered = {**claim.scope, "answered": answer_text(answer)}
    async with database.transaction(claim.asker) as connection:
        # The response before its task, see catalog/stores.py; who has lost the claim takes it all back.
        await connection.execute(statement("answers", "complete_response"), answered)
        await end(connection, claim)


async def give_up(database: Database, claim: Claim, code: str, message: str) -> None:
    """End the task: there will be no answer, now or later.

    Raises:
        ClaimLostError: It was cancelled or taken away; nothing is stored.
    """
    async with database.transaction(claim.asker) as connection:
        failed = {**claim.scope, "code": code, "reason": message}
        await connection.execute(statement("answers", "give_response_up"), failed)
        await end(connection, claim)
