from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from shelves import TEXTS, Shelf

from ragstone.domain import AnswerOptions, Message, Question, Results, Rewriting, Role
from ragstone.errors import InvalidQuestionError, ModelUnavailableError
from ragstone.fakes.chat import Reply, ScriptedChat
from ragstone.fakes.reranker import OverlapReranker
from ragstone.ports import ChatModel, Reranker
from ragstone.prompts import Prompts
from ragstone.retrieve.find import Finding, find
from ragstone.retrieve.search import search

pytestmark = pytest.mark.anyio

HALL = "When does the hall open?"
BRAKES = "How often are the brakes tested?"


class Finder(Shelf):
    """A shelf with all that a question is found with."""

    def finding(self, llm: ChatModel | None = None, reranker: Reranker | None = None, candidates: int = 30) -> Finding:
        return Finding(self.index, self.embedder, Prompts(), llm, reranker, candidates, seconds=20)

    async def question(
        self, text: str, way: Rewriting = Rewriting.NONE, *, top_k: int = 10, earlier: str = ""
    ) -> Question:
        history = (Message(Role.USER, earlier),) if earlier else ()
        store = await self.store(TEXTS)
        return Question(text, (store,), top_k=top_k, history=history, options=AnswerOptions(rewriting=way))


@pytest.fixture
def finder() -> Finder:
    return Finder()


def texts(results: Results) -> Sequence[str]:
    return [hit.passage.text for hit in results.hits]


async def test_a_question_alone_is_found_as_the_search_finds_it(finder: Finder) -> None:
    asked = await finder.question(HALL)
    found, searched = await find(asked, finder.finding()), await search(asked, finder.index, finder.embedder)
    assert found.hits == searched.hits
    assert found.queries == ()
    assert list(found.timings_ms) == list(searched.timings_ms)


async def test_a_follow_up_finds_what_it_means(finder: Finder) -> None:
    asked = await finder.question(
        "And the brakes, how often?", Rewriting.CONDENSE, top_k=1, earlier="When is oil changed?"
    )
    found = await find(asked, finder.finding(ScriptedChat(BRAKES)))
    assert texts(found) == [TEXTS[3]]
    assert found.queries == (BRAKES,)


async def test_several_queries_give_one_ranking_without_doubles(finder: Finder) -> None:
    asked = await finder.question(f"{HALL} {BRAKES}", Rewriting.DECOMPOSE, top_k=2)
    found = await find(asked, finder.finding(ScriptedChat(f"{HALL}\n{BRAKES}")))
    assert set(texts(found)) == {TEXTS[2], TEXTS[3]}
    assert found.queries == (HALL, BRAKES)
    fused = [hit.scores.fused for hit in found.hits]
    assert fused == sorted(fused, reverse=True)


async def test_a_part_that_is_found_easily_does_not_crowd_out_the_other(finder: Finder) -> None:
    asked = await finder.question(f"{HALL} {BRAKES}", Rewriting.DECOMPOSE, top_k=2)
    easy, hard = "oil paintings hang in the great hall", "nine"
    found = await find(asked, finder.finding(ScriptedChat(f"{easy}\n{hard} to five in the hall")))
    assert texts(found) == [TEXTS[1], TEXTS[2]]
    assert found.hits[0].scores.fused == found.hits[1].scores.fused


async def test_what_other_words_find_counts_less_than_what_the_question_finds(finder: Finder) -> None:
    asked = await finder.question(HALL, Rewriting.MULTI_QUERY, top_k=4)
    own, other = await find(asked, finder.finding()), "oil paintings hang in the great hall"
    found = await find(asked, finder.finding(ScriptedChat(other)))
    alone = await find(replace(asked, text=other), finder.finding())
    scores = {hit.passage.text: hit.scores.fused for hit in found.hits}
    assert scores[TEXTS[2]] == own.hits[0].scores.fused
    assert scores[TEXTS[1]] == pytest.approx(0.8 * alone.hits[0].scores.fused)


async def test_the_time_of_every_hop_is_told_and_the_total_comes_last(finder: Finder) -> None:
    asked = await finder.question(HALL, Rewriting.MULTI_QUERY)
    chat = ScriptedChat(Reply("opening of the hall\nhall hours", delay=0.01))
    hops = dict((await find(asked, finder.finding(chat, OverlapReranker()))).timings_ms)
    assert list(hops) == ["rewrite", "words", "embed", "dense", "passages", "fuse", "rerank", "total"]
    assert hops["rewrite"] > 10
    total = hops.pop("total")
    assert sum(hops.values()) == pytest.approx(total, rel=0.2)


async def test_reranked_hits_are_chosen_from_more_than_are_asked_for(finder: Finder) -> None:
    asked = await finder.question("hall", top_k=1)
    (plain,) = texts(await find(asked, finder.finding()))

    class Contrary(OverlapReranker):
        async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
            self.queries.append(query)
            return [0.1 if text == plain else 0.9 for text in texts]

    found = await find(asked, finder.finding(reranker=Contrary()))
    assert len(found.hits) == 1
    assert texts(found) != [plain]
    assert found.hits[0].scores.rerank == 0.9
    assert texts(await find(asked, finder.finding(reranker=Contrary(), candidates=1))) == [plain]


async def test_hits_beyond_the_candidates_are_reranked_when_they_are_asked_for(finder: Finder) -> None:
    asked = await finder.question("hall", top_k=4)
    found = await find(asked, finder.finding(reranker=OverlapReranker(), candidates=1))
    assert len(found.hits) == 4
    assert all(hit.scores.rerank is not None for hit in found.hits)


async def test_what_is_reranked_is_the_question_as_it_is_understood_alone(finder: Finder) -> None:
    reranker = OverlapReranker()
    asked = await finder.question("And the brakes?", Rewriting.CONDENSE, earlier="When is oil changed?")
    await find(asked, finder.finding(ScriptedChat(BRAKES), reranker))
    assert reranker.queries == [BRAKES]


async def test_with_every_model_down_the_hits_are_those_of_the_search(finder: Finder) -> None:
    down = ModelUnavailableError("down")
    asked = await finder.question(HALL, Rewriting.MULTI_QUERY)
    found = await find(asked, finder.finding(ScriptedChat(down), OverlapReranker(down)))
    assert found.hits == (await search(asked, finder.index, finder.embedder)).hits
    assert found.queries == ()


async def test_hits_below_the_threshold_of_every_query_are_left_out(finder: Finder) -> None:
    asked = await finder.question(HALL, Rewriting.MULTI_QUERY)
    finding = finder.finding(ScriptedChat(BRAKES + "\nbrakes of the hall"))
    everything = (await find(asked, finding)).hits
    second = everything[1].scores.fused
    assert (await find(replace(asked, score_threshold=second), finding)).hits == everything[:2]


async def test_a_question_that_cannot_be_searched_costs_nothing(finder: Finder) -> None:
    chat = ScriptedChat(HALL)
    with pytest.raises(InvalidQuestionError):
        await find(await finder.question(" ", Rewriting.MULTI_QUERY), finder.finding(chat))
    assert chat.requests == []


async def test_whoever_leaves_while_a_model_rewrites_is_not_waited_for(finder: Finder) -> None:
    chat = ScriptedChat(Reply("hall of opening", delay=30))
    finding = asyncio.ensure_future(find(await finder.question(HALL, Rewriting.MULTI_QUERY), finder.finding(chat)))
    while not chat.requests:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    finding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finding
    assert chat.left == 1
