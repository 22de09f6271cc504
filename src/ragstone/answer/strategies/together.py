"""Several calls at the same time, of which not all have to succeed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

from ragstone.answer.task import Completion
from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError


async def together(calls: Sequence[Coroutine[None, None, Completion]]) -> list[Completion | None]:
    """What each call said, in their order; None for one that failed.

    Raises:
        ModelUnavailableError: All failed, the first of them so.
        PromptTooLongError: Likewise.
        PromptRefusedError: Likewise.
    """
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for failure in failures:
        if not isinstance(failure, (ModelUnavailableError, PromptRefusedError, PromptTooLongError)):
            raise failure
    if len(failures) == len(outcomes):
        raise failures[0]
    return [None if isinstance(outcome, BaseException) else outcome for outcome in outcomes]
