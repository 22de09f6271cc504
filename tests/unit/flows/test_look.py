"""Searching without an answer, at the asker's expense."""

from __future__ import annotations

import pytest
from shelves import TEXTS, Shelf

from ragstone.domain import AnswerOptions, Question, Results, Rewriting, Usage
from ragstone.errors import RateLimitedError
from ragstone.fakes.chat import ScriptedChat
from ragstone.fakes.models import WordTokenizer
from ragstone.fakes.reranker import OverlapReranker
from ragstone.flows.kit import Kit
from ragstone.flows.look import look
from ragstone.ports import ChatModel, Meter, Reranker

pytestmark = pytest.mark.anyio

HALL = "When does the hall open?"
BRAKES = "How often are the brakes tested?"


class Purse:
    """A meter with so many calls left."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.settled: list[Usage] = []

    async def reserve(self, estimate: Usage) -> object:
        if estimate.calls > self.calls:
            raise RateLimitedError("spent")
        return estimate

    async def settle(self, reservation: object, spent: Usage) -> None:
        assert isinstance(reservation, Usage)
        self.calls -= spent.calls
        self.settled.append(spent)


async def looked(
    *texts: str,
    way: Rewriting = Rewriting.NONE,
    top_k: int = 10,
    llm: ChatModel | None = None,
    reranker: Reranker | None = None,
    meter: Meter | None = None,
) -> Results:
    shelf = Shelf()
    store = await shelf.store(TEXTS)
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), llm=llm, reranker=reranker, meter=meter)
    options = AnswerOptions(rewriting=way)
    return await look([Question(text, (store,), top_k=top_k, options=options) for text in texts], kit)


async def test_several_questions_give_one_ranking_of_the_usual_length() -> None:
    found = await looked(HALL, BRAKES, top_k=2)
    assert {hit.passage.text for hit in found.hits} == {TEXTS[2], TEXTS[3]}
    assert found.queries == (HALL, BRAKES)
    assert list(found.timings_ms)[-1] == "total"


async def test_a_question_that_is_not_rewritten_names_itself_and_costs_nothing() -> None:
    purse = Purse(0)
    found = await looked(HALL, llm=ScriptedChat("never asked"), meter=purse)
    assert found.queries == (HALL,)
    assert purse.settled == []


async def test_rewriting_is_paid_for_by_the_asker() -> None:
    purse = Purse(3)
    found = await looked(HALL, way=Rewriting.MULTI_QUERY, llm=ScriptedChat("opening of the hall"), meter=purse)
    assert found.queries == (HALL, "opening of the hall")
    assert [spent.calls for spent in purse.settled] == [1]


async def test_who_has_spent_everything_is_told_so() -> None:
    with pytest.raises(RateLimitedError):
        await looked(HALL, way=Rewriting.MULTI_QUERY, llm=ScriptedChat("hall"), meter=Purse(0))


async def test_without_a_language_model_questions_are_searched_as_they_are() -> None:
    assert (await looked(HALL, way=Rewriting.DECOMPOSE)).queries == (HALL,)


async def test_several_questions_that_are_reranked_are_ordered_by_that() -> None:
    found = await looked(HALL, BRAKES, reranker=OverlapReranker())
    relevance = [hit.scores.rerank or 0.0 for hit in found.hits]
    assert relevance == sorted(relevance, reverse=True)
    assert len({hit.passage.chunk_id for hit in found.hits}) == len(found.hits) == len(TEXTS)
