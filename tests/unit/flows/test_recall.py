"""What is answered again, and under which circumstances."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.domain import (
    Answer,
    AnswerOptions,
    CacheOutcome,
    ChatEvent,
    ChatRequest,
    Comparison,
    Compound,
    Condition,
    EmbeddingModel,
    Filter,
    Finish,
    Fusion,
    GroundingStatus,
    Matrix,
    Message,
    Provenance,
    Question,
    Rewriting,
    Role,
    Store,
    Strategy,
    Unsupported,
    Usage,
)
from ragstone.errors import DatabaseUnavailableError
from ragstone.fakes.answer_cache import Answers, MemoryAnswerCache
from ragstone.fakes.memory import Memory, MemoryIndex
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows.kit import Kit
from ragstone.flows.recall import decided, recall
from ragstone.prompts import Prompts

pytestmark = pytest.mark.anyio

EMBEDDER = HashingEmbedder()
STORE = Store(1, "vs_1", "docs", EMBEDDER.model, "english", datetime(2026, 1, 1, tzinfo=UTC))
SPENT = Usage(100, 20, cost=0.5, calls=1)
ANSWER = Answer("A week.", GroundingStatus.SUPPORTED, (), (), {"total": 900.0}, provenance=Provenance("m", usage=SPENT))


@dataclass
class Named:
    """A language model or a reranker of which only the name matters."""

    identity: str
    context_tokens: int = 8192

    def price(self, input_tokens: int, output_tokens: int) -> float:
        raise NotImplementedError

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        raise NotImplementedError

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        raise NotImplementedError


def kit(**parts: object) -> Kit:
    given_cache = {"cache": MemoryAnswerCache(Answers(Memory()), similarity=0.8), **parts}
    made = Kit(MemoryIndex(Memory()), EMBEDDER, WordTokenizer())
    return replace(made, **given_cache)  # type: ignore[arg-type]  # each name with what belongs to it


def asked(text: str = "How long is the key valid?", **parts: object) -> Question:
    return Question(text, (STORE,), **parts)  # type: ignore[arg-type]  # as above


async def test_what_was_answered_is_answered_again_at_once_and_for_nothing() -> None:
    cached = kit()
    first = await recall(asked(), cached)
    assert first.answer is None
    told = await first.keep(ANSWER)
    assert told == replace(ANSWER, provenance=replace(ANSWER.provenance, cache=CacheOutcome.MISS))
    again = (await recall(asked(), cached)).answer
    assert again is not None
    assert again.text == "A week."
    assert again.provenance == Provenance("m", cache=CacheOutcome.HIT)
    assert list(again.timings_ms) == ["cache", "total"]


async def test_an_answer_is_found_under_the_name_that_its_model_told_meanwhile_and_never_under_anothers() -> None:
    llm = Named("pool-1")
    cached = kit(llm=llm)
    memory = await recall(asked(), cached)
    llm.identity = "pool-1.granite"
    await memory.keep(ANSWER)
    assert (await recall(asked(), cached)).answer is not None
    memory = await recall(asked("And the lock?"), cached)
    llm.identity = "pool-1.basalt"
    await memory.keep(ANSWER)  # nobody knows which of the two has answered
    for identity in ("pool-1", "pool-1.granite", "pool-1.basalt"):
        llm.identity = identity
        assert (await recall(asked("And the lock?"), cached)).answer is None


async def test_a_question_that_means_the_same_is_answered_where_that_is_wanted() -> None:
    cached = kit(similarity=0.8)
    await (await recall(asked(), cached)).keep(ANSWER)
    near = asked("Please tell me how long keys are valid")
    found = (await recall(near, replace(cached, embedder=Constant()))).answer
    assert found is None  # the other's vector was made by another embedder
    cached = kit(similarity=0.8, embedder=Constant())
    await (await recall(asked(), cached)).keep(ANSWER)
    found = (await recall(near, cached)).answer
    assert found is not None
    assert found.provenance.cache is CacheOutcome.SEMANTIC_HIT
    assert (await recall(near, replace(cached, similarity=None))).answer is None


async def test_a_question_that_is_known_word_by_word_is_not_embedded() -> None:
    cached = kit(similarity=0.8, embedder=Constant())
    await (await recall(asked(), cached)).keep(ANSWER)
    known = Constant()
    assert (await recall(asked(), replace(cached, embedder=known))).answer is not None
    assert known.asked == 0


async def test_who_wants_no_cache_gets_none_and_leaves_nothing_behind() -> None:
    cached = kit()
    refusing = asked(options=AnswerOptions(cached=False))
    memory = await recall(refusing, cached)
    assert await memory.keep(ANSWER) == ANSWER  # whose provenance says bypass
    assert (await recall(asked(), cached)).answer is None
    await (await recall(asked(), cached)).keep(ANSWER)
    assert (await recall(refusing, cached)).answer is None
    assert await (await recall(asked(), kit(cache=None))).keep(ANSWER) == ANSWER


@pytest.mark.parametrize(
    "flaw",
    [{"degraded": "every model is down"}, {"finish": Finish.LENGTH}, {"finish": Finish.FILTER}],
    ids=["degraded", "cut", "filtered"],
)
async def test_what_is_not_the_whole_answer_is_told_and_not_kept(flaw: dict[str, object]) -> None:
    cached = kit()
    flawed = replace(ANSWER, provenance=replace(ANSWER.provenance, **flaw))  # type: ignore[arg-type]
    told = await (await recall(asked(), cached)).keep(flawed)
    assert told.provenance.cache is CacheOutcome.MISS
    assert (await recall(asked(), cached)).answer is None


async def test_a_cache_that_is_away_costs_no_answer() -> None:
    memory = await recall(asked(), kit(cache=MemoryAnswerCache(Broken(looks=0))))
    assert memory.answer is None
    assert await memory.keep(ANSWER) == ANSWER
    memory = await recall(asked(), kit(cache=MemoryAnswerCache(Broken(looks=1))))
    assert (await memory.keep(ANSWER)).text == ANSWER.text


async def test_a_blank_question_is_left_to_the_search_to_refuse() -> None:
    assert (await recall(asked("  \n"), kit(cache=MemoryAnswerCache(Broken(looks=0))))).answer is None


# ---------------------------------------------------------------- what decides an answer

TEXTS = st.sampled_from(["", "short", "Be brief."])
SAID = st.lists(st.builds(Message, st.sampled_from(Role), TEXTS), max_size=2).map(tuple)
VALUES = [1, 1.0, True, "1", ("1",)]
CONDITIONS = st.builds(
    Condition,
    st.sampled_from(Comparison),
    st.sampled_from(["year", "team"]),
    st.sampled_from([1, 1.0, True, "1", ("1",)]),
)
FILTERS: st.SearchStrategy[Filter | None] = (
    st.none() | CONDITIONS | st.builds(Compound, st.booleans(), st.lists(CONDITIONS, min_size=1, max_size=2).map(tuple))
)
OPTIONS = st.builds(
    AnswerOptions,
    strategy=st.none() | st.sampled_from(Strategy),
    rewriting=st.none() | st.sampled_from(Rewriting),
    unsupported=st.none() | st.sampled_from(Unsupported),
    instructions=TEXTS,
    max_tokens=st.sampled_from([None, 16, 17]),
    temperature=st.sampled_from([None, 0.0, 1.0]),
)
STORES = st.sampled_from(
    [
        (STORE,),
        (replace(STORE, id=2),),
        (STORE, replace(STORE, id=2)),
        (replace(STORE, language="german"),),
        (replace(STORE, model=EmbeddingModel("other", 64, 256)),),
        (replace(STORE, model=replace(STORE.model, query_prefix="query: ")),),
    ]
)
ASKED = st.builds(
    Question,
    st.just("How long?"),
    STORES,
    top_k=st.sampled_from([5, 10]),
    filter=FILTERS,
    fusion=st.sampled_from([None, Fusion(0.5, 0.5), Fusion(1.0, 0.5)]),
    score_threshold=st.sampled_from([0.0, 0.5]),
    history=SAID,
    options=OPTIONS,
)
MODELS = st.sampled_from([None, Named("one"), Named("two")])


@dataclass(frozen=True)
class Made:
    """With what a question is answered."""

    llm: Named | None
    reranker: Named | None
    candidates: int
    own_prompt: str

    def kit(self, folder: Path) -> Kit:
        if not self.own_prompt:
            return kit(llm=self.llm, reranker=self.reranker, candidates=self.candidates)
        own = folder / self.own_prompt
        own.mkdir(exist_ok=True)
        text = f"version: 1\n# user\n{self.own_prompt} $question\n"
        (own / "direct.md").write_text(text, encoding="utf-8")
        return kit(llm=self.llm, reranker=self.reranker, candidates=self.candidates, prompts=Prompts(own))


MADE = st.builds(Made, MODELS, MODELS, st.sampled_from([10, 30]), st.sampled_from(["", "one", "two"]))


@given(first=st.tuples(ASKED, MADE), second=st.tuples(ASKED, MADE))
@settings(deadline=None)
def test_two_askings_share_an_answer_only_if_nothing_that_decides_it_differs(
    tmp_path_factory: pytest.TempPathFactory, first: tuple[Question, Made], second: tuple[Question, Made]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    keys = [decided(question, made.kit(folder)) for question, made in (first, second)]
    assert (keys[0] == keys[1]) == (deciding(*first) == deciding(*second))


def deciding(question: Question, made: Made) -> str:
    """All of it as text, in which 1, 1.0 and True differ; the reranker's candidates only where there is one."""
    return repr((question, replace(made, candidates=made.candidates if made.reranker else 0)))


@given(question=ASKED, made=MADE)
@settings(deadline=None)
def test_how_the_cache_is_used_and_the_order_of_stores_decide_nothing(
    tmp_path_factory: pytest.TempPathFactory, question: Question, made: Made
) -> None:
    answering = made.kit(tmp_path_factory.getbasetemp())
    key = decided(question, answering)
    assert key == decided(replace(question, stores=question.stores[::-1]), answering)
    assert key == decided(replace(question, options=replace(question.options, cached=False)), answering)
    assert key == decided(question, replace(answering, cache=None, similarity=0.5, seconds=1.0))


def test_every_field_of_a_question_and_its_options_is_looked_at() -> None:
    """One that is added tomorrow has to be thought of here and above."""
    assert {one.name for one in dataclasses.fields(Question)} == {
        *("text", "stores", "top_k", "filter", "fusion", "score_threshold", "history", "options")
    }
    assert {one.name for one in dataclasses.fields(AnswerOptions)} == {
        *("strategy", "rewriting", "unsupported", "instructions", "max_tokens", "temperature", "cached")
    }


# ---------------------------------------------------------------- stand-ins


class Broken(Answers):
    """A memory of caches whose database goes away, before the first look or behind it."""

    def __init__(self, *, looks: int) -> None:
        super().__init__(Memory())
        self._left = looks

    def __getattribute__(self, name: str) -> object:
        if name == "kept":
            if self._left == 0:
                raise DatabaseUnavailableError("The database does not answer")
            self._left -= 1
        return super().__getattribute__(name)


class Constant(HashingEmbedder):
    """Takes all questions for the same."""

    def __init__(self) -> None:
        super().__init__(name="constant")
        self.asked = 0

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        self.asked += 1
        return await super().embed_queries(["the same"] * len(texts))
