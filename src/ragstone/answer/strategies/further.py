"""An answer whose way led over further searches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from ragstone.answer.task import Task
from ragstone.domain import Answer, AnswerEvent


async def after_searching(
    events: AsyncGenerator[AnswerEvent, None], task: Task, queries: Sequence[str]
) -> AsyncGenerator[AnswerEvent, None]:
    """The events, with these searches behind the first one in the Answer, and what several of them found once."""
    first = task.results.queries or (task.question.text,)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Answer) and queries:
                once = {hit.passage.chunk_id: hit for hit in event.nearest}
                yield replace(event, queries=tuple(dict.fromkeys((*first, *queries))), nearest=tuple(once.values()))
            else:
                yield event
