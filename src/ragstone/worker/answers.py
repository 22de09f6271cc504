"""Answers that are made in the background, on behalf of whoever asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ragstone.bootstrap import House
from ragstone.errors import InvalidRequestError, NotFoundError
from ragstone.flows.ask import ask
from ragstone.storage.answers.making import begin, finish, give_up
from ragstone.storage.work.queue import Claim

_CODE = "invalid_prompt"  # as OpenAI's interface names what no further attempt would mend


class Answering:
    """How a claimed response gets its answer."""

    def __init__(self, house: House) -> None:
        """With the models of this house."""
        self._house = house

    async def __call__(self, claim: Claim) -> str:
        """Answer with what the asker may read, and end the task; returns a line that says what was done.

        Raises:
            ClaimLostError: The response was cancelled or deleted, or another worker has it.
            RagstoneError: What may be better at another time: the database, the model.
        """
        database = self._house.session(claim.asker).database
        wanted = await begin(database, claim)
        session = self._house.session(wanted.asker)
        embedder = await asyncio.to_thread(lambda: self._house.embedder)
        try:
            stores = [await session.index.store(public_id) for public_id in wanted.stores]
            answer = await ask(replace(wanted.question, stores=tuple(stores)), session.index, embedder)
        except (InvalidRequestError, NotFoundError) as error:
            await give_up(database, claim, _CODE, str(error))
            return f"a response that cannot be made: {error}"
        await finish(database, claim, answer)
        return f"a response: {answer.status}"
