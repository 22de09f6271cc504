"""From a question to its hits: word it, search for each wording, merge, rerank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ragstone.domain import Hit, Question, Results
from ragstone.ports import ChatModel, Embedder, Index, Reranker
from ragstone.prompts import Prompts
from ragstone.retrieve.check import check
from ragstone.retrieve.clock import Clock
from ragstone.retrieve.merge import evening, merge
from ragstone.retrieve.rerank import rerank
from ragstone.retrieve.rewrite import Wording, needs_rewriting, rewrite
from ragstone.retrieve.search import search

_SHARE = 0.25  # of the time for an answer that rewriting may take at most, and reranking as well


@dataclass(frozen=True)
class Finding:
    """What the search is made with."""

    index: Index
    embedder: Embedder
    prompts: Prompts
    llm: ChatModel | None  # that rewrites questions; None: they are searched as they are
    reranker: Reranker | None
    candidates: int  # passages that are reranked
    seconds: float  # for the whole answer


async def find(question: Question, finding: Finding) -> Results:
    """The passages that answer the question best, after the rewriting that its options ask for.

    `timings_ms` sums the hops of all searches; `queries` are those that were searched for, unless it was the question
    alone. What is below the question's threshold for every one of them is left out.

    Raises:
        InvalidQuestionError: The question cannot be searched.
        DatabaseError: The database went away.
    """
    check(question, finding.embedder.model)  # before anything is paid for
    clock = Clock()
    wording = Wording((question.text,), question.text)
    if finding.llm is not None and needs_rewriting(question):
        wording = await rewrite(question, finding.llm, finding.prompts, finding.seconds * _SHARE)
        clock.lap("rewrite")
    wanted = question.top_k if finding.reranker is None else max(question.top_k, finding.candidates)
    found = [
        await search(replace(question, text=query, top_k=wanted), finding.index, finding.embedder)
        for query in wording.queries
    ]
    clock.split(_hops([results.timings_ms for results in found]))
    hits = _merged(wording, [results.hits for results in found])[:wanted]
    if finding.reranker is not None:
        hits = await rerank(wording.whole, hits, finding.reranker, finding.seconds * _SHARE)
        clock.lap("rerank")
    queries = () if wording.queries == (question.text,) else wording.queries
    return Results(tuple(hits[: question.top_k]), clock.laps(), queries)


def _merged(wording: Wording, found: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One ranking of what all queries find."""
    if wording.parts:
        return merge(found, evening(found))
    return merge(found, [1.0, *[wording.weight] * (len(found) - 1)])


def _hops(timings: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """What each hop took in all searches together."""
    names = [name for name in timings[0] if name != "total"]
    return {name: sum(one[name] for one in timings) for name in names}
