"""Answers that are made in the background, on behalf of whoever asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ragstone.bootstrap import House
from ragstone.domain import EXTRACTIVE
from ragstone.errors import InvalidRequestError, NotFoundError, RagstoneError, RateLimitedError
from ragstone.flows.ask import ask
from ragstone.flows.kit import Kit
from ragstone.observe.answers import count
from ragstone.storage.answers.making import Wanted, begin, finish, give_up
from ragstone.storage.work.queue import Claim

# As OpenAI's interface names what no further attempt would mend.
_INVALID = "invalid_prompt"
_SPENT = "rate_limit_exceeded"
_UNFIT = "server_error"

_WORTH_WAITING = 120  # seconds until there is more to spend: a limit by the minute, and none by the day


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
        try:
            stores = [await session.index.store(public_id) for public_id in wanted.stores]
            question = replace(wanted.question, stores=tuple(stores))
            answer = await ask(question, await self._kit(wanted))
        except (InvalidRequestError, NotFoundError, RateLimitedError) as error:
            if isinstance(error, RateLimitedError) and error.retry_after <= _WORTH_WAITING:
                raise
            await give_up(database, claim, _code(error), str(error))
            return f"a response that cannot be made: {error}"
        try:
            await finish(database, claim, answer)
        except InvalidRequestError as error:  # it is paid for: made again, it would be as unfit and cost as much
            await give_up(database, claim, _UNFIT, f"The answer cannot be stored: {error}")
            return f"a response that cannot be stored: {error}"
        count(answer)
        return f"a response: {answer.status}"

    async def _kit(self, wanted: Wanted) -> Kit:
        await asyncio.to_thread(lambda: self._house.embedder)  # loaded where nobody waits for it
        kit = self._house.kit(self._house.session(wanted.asker))
        return replace(kit, llm=None) if wanted.model == EXTRACTIVE else kit


def _code(error: RagstoneError) -> str:
    return _SPENT if isinstance(error, RateLimitedError) else _INVALID
