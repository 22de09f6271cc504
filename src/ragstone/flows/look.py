"""Look: search for one question or several, without answering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from ragstone.domain import Question, Results
from ragstone.flows.kit import Kit
from ragstone.flows.quote import summed
from ragstone.flows.spending import spending
from ragstone.retrieve.find import find
from ragstone.retrieve.merge import merge
from ragstone.retrieve.rewrite import needs_rewriting


async def look(questions: Sequence[Question], kit: Kit) -> Results:
    """The passages that answer at least one of the questions best; `queries` names all that was searched for.

    Questions are rewritten as their options say, at the asker's expense.

    Raises:
        InvalidQuestionError: A question cannot be searched.
        RateLimitedError: The asker has spent what there is to spend.
        DatabaseError: The database went away.
    """
    found = [await _look(question, kit) for question in questions]
    limit = max(question.top_k for question in questions)
    return Results(
        hits=tuple(merge([results.hits for results in found])[:limit]),
        timings_ms=reduce(summed, (results.timings_ms for results in found)),
        queries=tuple(query for results in found for query in results.queries),
    )


async def _look(question: Question, kit: Kit) -> Results:
    """With the queries named also where they are the question alone."""
    if kit.llm is None or not needs_rewriting(question):
        results = await find(question, kit.finding)
    else:
        async with spending(question, kit) as tally:
            results = await find(question, kit.rewriting(tally))
    return replace(results, queries=results.queries or (question.text,))
