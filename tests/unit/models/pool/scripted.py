"""Members that do what a test wants, behind a real pool."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragstone.domain import ChatEvent, ChatRequest, Ended, Finish, Message, Piece, Role, Usage
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool import ModelPool, Outside, Roster
from ragstone.models.protocols import Client
from ragstone.settings.models import Model, Models, Pool

Act = Callable[[Model, ChatRequest], AsyncGenerator[ChatEvent, None]]

USAGE = Usage(10, 5, cost=0.5, calls=1)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def says(*words: str, first: float = 0.0, between: float = 0.0) -> Act:
    async def act(model: Model, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        for number, word in enumerate(words):
            await asyncio.sleep(between if number else first)
            yield Piece(word)
        yield Ended(Finish.STOP, USAGE, model.name, f"{model.name}-1")

    return act


def fails(
    fault: Fault, *words: str, first: float = 0.0, retry_after: float | None = None, usage: Usage | None = None
) -> Act:
    """After these words, if any."""

    async def act(model: Model, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        await asyncio.sleep(first)
        for word in words:
            yield Piece(word)
        raise MemberError(f"{model.name} fails", fault=fault, retry_after=retry_after, said=bool(words), usage=usage)

    return act


def hangs(*words: str) -> Act:
    """After these words, if any."""

    async def act(model: Model, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        for word in words:
            yield Piece(word)
        await asyncio.Event().wait()

    return act


def gated(gate: asyncio.Event, then: Act) -> Act:
    """Only when the gate is open."""

    async def act(model: Model, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        await gate.wait()
        async with aclosing(then(model, request)) as events:
            async for event in events:
                yield event

    return act


class Stage:
    """What each member does, by its name, and what it was asked."""

    def __init__(self, **acts: Act) -> None:
        self.acts = acts
        self.calls: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.requests: list[ChatRequest] = []

    async def speak(self, model: Model, request: ChatRequest, _: Client) -> AsyncGenerator[ChatEvent, None]:
        name = model.name
        self.requests.append(request)
        self.calls[name] += 1
        self.open[name] += 1
        self.most_open[name] = max(self.most_open[name], self.open[name])
        try:
            async with aclosing(self.acts[name](model, request)) as events:
                async for event in events:
                    yield event
        finally:
            self.open[name] -= 1


def member(name: str, **given: object) -> Model:
    return Model.model_validate({"name": name, "url": f"http://127.0.0.1:1/{name}", **given})


def pool_of(stage: Stage, *models: Model | str, draw: float = 0.0, **rules: Any) -> ModelPool:
    """With these members; a name alone is a member with nothing special."""
    given = tuple(model if isinstance(model, Model) else member(model) for model in models)
    fixed = Models(pool=Pool.model_validate(rules), models=given)
    roster = Roster(Path("/nowhere/models.toml"), required=False, fixed=fixed)
    return ModelPool(roster, Outside(speak=stage.speak, draw=lambda: draw))


@dataclass(frozen=True)
class Said:
    text: str
    end: Ended


def request(text: str = "Hello", **given: Any) -> ChatRequest:
    return ChatRequest((Message(Role.USER, text),), **given)


async def said(pool: ModelPool, asked: ChatRequest | None = None) -> Said:
    """All that a model says."""
    assert pool.llm is not None
    text = ""
    async with aclosing(pool.llm.chat(asked or request())) as events:
        async for event in events:
            if isinstance(event, Ended):
                return Said(text, event)
            text += event.text
    raise AssertionError("no end")


def assert_at_rest(pool: ModelPool, stage: Stage | None = None) -> None:
    """Nothing is under way, waits, finds out or was left behind."""
    for one in pool._crew.all():
        assert (one.in_flight, one.waiting, one.breaker.probing) == (0, 0, False), one.model.name
    assert not pool._crew.waiters._takes
    assert not [task for task in asyncio.all_tasks() if "Opening" in str(task.get_coro())]
    if stage is not None:
        assert not +stage.open
