"""Every strategy and every rewriting with a real model server whose model speaks nonsense."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from llama import KEY, NAME, llama_server
from shelves import Shelf
from strategy_tasks import PLANS, answer_of

from ragstone.domain import Answer, AnswerOptions, GroundingStatus, Message, Question, Rewriting, Role, Strategy
from ragstone.fakes.models import WordTokenizer
from ragstone.flows.ask import asking
from ragstone.flows.kit import Kit
from ragstone.models.pool import ModelPool, Roster
from ragstone.ports import ChatModel
from ragstone.settings.models import Model, Models

pytestmark = pytest.mark.anyio

ASKED = "Which plan is cheaper, and can both be cancelled within 3 months?"
BEFORE = (Message(Role.USER, "Which plans are there?"), Message(Role.ASSISTANT, "A standard and a large plan."))
WINDOW = 2048


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("xllamacpp", reason="the real model server is not installed")
    with llama_server(tmp_path_factory.mktemp("llama"), context=4 * WINDOW) as running:
        yield running


@pytest.fixture
async def llm(
    anyio_backend: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ChatModel]:
    monkeypatch.setenv("LLAMA_KEY", KEY)
    member = Model(name="tiny", url=address, model=NAME, key_env="LLAMA_KEY", context_tokens=WINDOW)
    pool = ModelPool(Roster(tmp_path / "none.toml", required=False, fixed=Models(models=(member,))))
    assert pool.llm is not None
    yield pool.llm
    await pool.close()


async def answer(llm: ChatModel, options: AnswerOptions) -> Answer:
    shelf = Shelf()
    store = await shelf.store([*PLANS, *(f"{text} {'More is said of it here. ' * 30}" for text in PLANS)])
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), llm=llm)
    question = Question(ASKED, (store,), history=BEFORE, options=replace(options, max_tokens=48))
    async with aclosing(asking(question, kit)) as events:
        return answer_of([event async for event in events])


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_nonsense_comes_to_an_end_and_is_never_called_supported(llm: ChatModel, strategy: Strategy) -> None:
    made = await answer(llm, AnswerOptions(strategy=strategy, rewriting=Rewriting.NONE))
    assert made.provenance.usage.calls >= 1
    # At times it says nothing at all, and the documents answer.
    assert made.status is not GroundingStatus.SUPPORTED or "said nothing" in made.provenance.degraded
    assert made.nearest


@pytest.mark.parametrize("rewriting", list(Rewriting))
async def test_nonsense_does_not_keep_the_search_from_finding(llm: ChatModel, rewriting: Rewriting) -> None:
    made = await answer(llm, AnswerOptions(strategy=Strategy.DIRECT, rewriting=rewriting))
    assert made.provenance.usage.calls == (1 if rewriting is Rewriting.NONE else 2)
    assert made.nearest
