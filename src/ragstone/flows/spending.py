"""What an answer may cost is reserved before it is made, and what it did cost is settled behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ragstone.answer.tally import Tally
from ragstone.domain import Question, Strategy, Usage
from ragstone.flows.kit import Kit
from ragstone.retrieve.rewrite import needs_rewriting

# Calls of each strategy, as docs/howto/strategies.md counts them: reserved at most, settled as they were.
_CALLS = {
    Strategy.DIRECT: 1,
    Strategy.FEW_SHOT: 1,
    Strategy.CHAIN_OF_THOUGHT: 1,
    Strategy.SELF_CONSISTENCY: 5,
    Strategy.DIVIDE_AND_CONQUER: 5,
    Strategy.REACT: 5,
}
_PROMPT_TOKENS = 3000  # of a call: ten passages of 200 tokens, and the words around them


@asynccontextmanager
async def spending(question: Question, kit: Kit) -> AsyncIterator[Tally]:
    """A tally for what is spent inside; it is settled also when the asker leaves.

    Raises:
        RateLimitedError: A limit of the asker's would be passed.
    """
    tally = Tally()
    if kit.meter is None:
        yield tally
        return
    reservation = await kit.meter.reserve(_estimate(question, kit))
    try:
        yield tally
    finally:
        # A cancelled request has cost what it has: the settlement is not cancelled with it.
        await asyncio.shield(kit.meter.settle(reservation, tally.usage))


def _estimate(question: Question, kit: Kit) -> Usage:
    assert kit.llm is not None
    options = question.options
    calls = 1 if options.strategy is None else _CALLS[options.strategy]
    calls += needs_rewriting(question)
    read, written = calls * _PROMPT_TOKENS, calls * (options.max_tokens or 0)
    return Usage(read, written, calls=calls, cost=kit.llm.price(read, written))
