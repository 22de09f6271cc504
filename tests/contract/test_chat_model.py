"""What every language model keeps to: the scripted one, and the pool in front of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar, Protocol

import pytest
from misbehaving import Misbehaving

from ragstone.domain import ChatRequest, Ended, Finish, Message, Piece, Role
from ragstone.errors import (
    ModelBrokeOffError,
    ModelUnavailableError,
    PromptRefusedError,
    PromptTooLongError,
    RagstoneError,
)
from ragstone.fakes.chat import Line, Reply, ScriptedChat
from ragstone.fakes.reranker import OverlapReranker
from ragstone.models.pool import ModelPool, Roster
from ragstone.ports import ChatModel, Reranker
from ragstone.settings.models import Kind, Model, Models, Price, Timeouts

pytestmark = pytest.mark.anyio

TEXT = "The key is rotated every ninety days."
CALL = ChatRequest((Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "How often?")), max_tokens=64)
WINDOW = 1024


class Stage(Protocol):
    """A language model whose behaviour can be chosen."""

    @property
    def chat(self) -> ChatModel: ...

    def behave(self, name: str) -> None: ...

    def heard_of_leaving(self) -> bool: ...


class Script:
    """The scripted model."""

    LINES: ClassVar[Mapping[str, Line]] = {
        "sound": TEXT,
        "slow": Reply(TEXT, delay=0.2),
        "down": ModelUnavailableError("nobody is left"),
        "breaks off": Reply("The key ", error=ModelBrokeOffError("it fell silent")),
        "refuses": PromptRefusedError("a parameter is not known"),
        "too long": PromptTooLongError("the window is smaller"),
    }

    def __init__(self) -> None:
        self._line: Line = TEXT
        self.chat = ScriptedChat(lambda _: self._line, context_tokens=WINDOW, price=0.001)

    def behave(self, name: str) -> None:
        self._line = self.LINES[name]

    def heard_of_leaving(self) -> bool:
        return self.chat.left == 1


class Pool:
    """The pool with one member, a server that can misbehave."""

    FAULTS: ClassVar[Mapping[str, str]] = {
        "sound": "",
        "slow": "",
        "down": "500",
        "breaks off": "cut",
        "refuses": "400",
        "too long": "400-context",
    }

    def __init__(self, server: Misbehaving, chat: ChatModel) -> None:
        self._server = server
        self.chat = chat

    def behave(self, name: str) -> None:
        self._server.fault = self.FAULTS[name]
        self._server.sound.between = {"slow": 0.2, "breaks off": 0.05}.get(name, 0.0)

    def heard_of_leaving(self) -> bool:
        return self._server.hung_up == 1


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving(speak=lambda _: TEXT) as running:
        yield running


@pytest.fixture
async def pool(anyio_backend: str, server: Misbehaving, tmp_path: Path) -> AsyncIterator[ModelPool]:
    quick = Timeouts(first_token=2, between_tokens=2)
    price = Price(input=1000, output=1000)
    members = (
        Model(name="one", model="mock", url=server.url, context_tokens=WINDOW, price=price, timeouts=quick),
        Model(name="judge", kind=Kind.RERANK, model="mock", url=server.url, timeouts=quick),
    )
    opened = ModelPool(Roster(tmp_path / "models.toml", required=False, fixed=Models(models=members)))
    yield opened
    await opened.close()


@pytest.fixture
async def pooled(server: Misbehaving, pool: ModelPool) -> Pool:
    assert pool.llm is not None
    return Pool(server, pool.llm)


@pytest.fixture
def scripted() -> Script:
    return Script()


@pytest.fixture(params=["scripted", "pooled"])
def stage(request: pytest.FixtureRequest) -> Stage:
    chosen: Stage = request.getfixturevalue(request.param)
    return chosen


async def heard(chat: ChatModel, request: ChatRequest = CALL) -> tuple[str, Ended]:
    """What was said, and how it ended; the end comes once, and last."""
    async with aclosing(chat.chat(request)) as stream:
        events = [event async for event in stream]
    ended = events.pop()
    assert isinstance(ended, Ended)
    pieces = [event for event in events if isinstance(event, Piece)]
    assert len(pieces) == len(events)
    return "".join(piece.text for piece in pieces), ended


async def test_all_is_said_and_the_end_tells_what_it_took(stage: Stage) -> None:
    said, ended = await heard(stage.chat)
    assert said == TEXT
    assert ended.finish is Finish.STOP
    assert ended.usage.calls == 1
    assert ended.usage.input_tokens > 0
    assert ended.usage.output_tokens > 0
    assert ended.usage.cost == pytest.approx(stage.chat.price(ended.usage.input_tokens, ended.usage.output_tokens))
    assert ended.member


async def test_words_come_before_the_whole_is_said(stage: Stage) -> None:
    stage.behave("slow")
    async with aclosing(stage.chat.chat(CALL)) as events:
        first = await anext(events)
    assert isinstance(first, Piece)
    assert first.text
    assert TEXT.startswith(first.text)
    assert first.text != TEXT


async def test_requests_at_the_same_time_do_not_mix(stage: Stage) -> None:
    answers = await asyncio.gather(*(heard(stage.chat) for _ in range(8)))
    assert [said for said, _ in answers] == [TEXT] * 8


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [("down", ModelUnavailableError), ("refuses", PromptRefusedError), ("too long", PromptTooLongError)],
)
async def test_what_goes_wrong_before_the_first_word_has_its_own_error(
    stage: Stage, behaviour: str, error: type[RagstoneError]
) -> None:
    stage.behave(behaviour)
    with pytest.raises(error) as raised:
        await heard(stage.chat)
    assert not isinstance(raised.value, ModelBrokeOffError)


async def test_a_member_that_falls_silent_leaves_what_it_said_and_an_error(stage: Stage) -> None:
    stage.behave("breaks off")
    said = ""
    with pytest.raises(ModelBrokeOffError):
        async for event in stage.chat.chat(CALL):
            assert isinstance(event, Piece)
            said += event.text
    assert said


async def test_a_prompt_beyond_the_window_is_too_long(stage: Stage) -> None:
    assert stage.chat.context_tokens == WINDOW
    endless = ChatRequest((Message(Role.USER, "word " * 10 * WINDOW),), max_tokens=64)
    with pytest.raises(PromptTooLongError):
        await heard(stage.chat, endless)


async def test_a_schema_that_nobody_keeps_to_is_refused(stage: Stage) -> None:
    with pytest.raises(PromptRefusedError):
        await heard(stage.chat, ChatRequest(CALL.messages, max_tokens=64, json_schema={"type": "object"}))


async def test_closing_it_early_reaches_the_model(stage: Stage) -> None:
    stage.behave("slow")
    async with aclosing(stage.chat.chat(CALL)) as events:
        await anext(events)
    async with asyncio.timeout(5):
        while not stage.heard_of_leaving():
            await asyncio.sleep(0.01)


async def test_after_a_failure_it_can_be_asked_again(stage: Stage) -> None:
    stage.behave("breaks off")
    with pytest.raises(ModelBrokeOffError):
        await heard(stage.chat)
    stage.behave("sound")
    assert (await heard(stage.chat))[0] == TEXT


async def test_its_identity_stays_and_prices_grow_with_tokens(stage: Stage) -> None:
    chat = stage.chat
    assert chat.identity == chat.identity != ""
    assert chat.price(0, 0) == 0
    assert 0 < chat.price(10, 10) < chat.price(100, 100)


@pytest.fixture(params=["overlap", "endpoint"])
def reranker(request: pytest.FixtureRequest) -> Reranker:
    if request.param == "overlap":
        return OverlapReranker()
    pool: ModelPool = request.getfixturevalue("pool")
    return pool.reranker("judge")


async def test_every_text_is_judged_in_its_place(reranker: Reranker) -> None:
    texts = ["nothing to see", "keys rotate every year", "rotate keys", ""]
    scores = await reranker.rerank("rotate keys", texts)
    assert len(scores) == len(texts)
    assert all(0 <= score <= 1 for score in scores)
    assert scores[2] >= scores[1] > scores[0]
    assert list(await reranker.rerank("rotate keys", texts[::-1])) == list(scores)[::-1]
    assert list(await reranker.rerank("rotate keys", [])) == []
    assert reranker.identity == reranker.identity != ""


async def test_a_reranker_that_fails_says_so(pool: ModelPool, server: Misbehaving) -> None:
    server.fault = "500"
    with pytest.raises(ModelUnavailableError):
        await pool.reranker("judge").rerank("keys", ["key"])
    with pytest.raises(ModelUnavailableError):
        await OverlapReranker(ModelUnavailableError("down")).rerank("keys", ["key"])
