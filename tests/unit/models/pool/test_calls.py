from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from unit.models.pool.scripted import Stage, assert_at_rest, member, pool_of

from ragstone.domain import Usage
from ragstone.errors import ModelUnavailableError, PromptTooLongError, SettingsError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool import ModelPool, State
from ragstone.models.pool.calls import Team
from ragstone.models.protocols import Client
from ragstone.settings.models import Kind, Model

pytestmark = pytest.mark.anyio

Ask = Callable[[Model, Client], Awaitable[tuple[str, Usage]]]


def embedders(**given: Any) -> ModelPool:
    """Two of the same model, and one of another."""
    shared = {"kind": "embedding", "model": "bge", "dimension": 8}
    return pool_of(
        Stage(),
        member("one", **shared),
        member("two", group=1, **shared),
        member("other", kind="embedding", model="e5", dimension=4),
        **given,
    )


def team(pool: ModelPool, name: str = "bge") -> Team:
    return pool._team(Kind.EMBEDDING, name)


def answering(calls: Counter[str], **faults: Fault | None) -> Ask:
    """With the member's name, unless it fails."""

    async def ask(model: Model, _: Client) -> tuple[str, Usage]:
        calls[model.name] += 1
        fault = faults.get(model.name)
        await asyncio.sleep(0.001)
        if fault is not None:
            raise MemberError("It fails", fault=fault)
        return model.name, Usage(7, calls=1)

    return ask


async def test_the_members_of_a_model_stand_in_for_each_other() -> None:
    pool, calls = embedders(), Counter[str]()
    ask = answering(calls, one=Fault.CONNECT)
    heard = await asyncio.gather(*(team(pool).call(ask, 10) for _ in range(40)))
    assert set(heard) == {"two"}
    assert calls["one"] <= 4
    assert pool.state()[0].state is State.OPEN
    assert_at_rest(pool)


async def test_a_member_that_is_named_itself_stands_alone() -> None:
    pool, calls = embedders(), Counter[str]()
    with pytest.raises(ModelUnavailableError, match="one: cannot be reached"):
        await team(pool, "one").call(answering(calls, one=Fault.CONNECT), 10)
    assert calls == {"one": 1}


async def test_a_name_that_nobody_has_is_an_error_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="has no embedding model nobody: it has one, two, other"):
        embedders().embedder("nobody")
    with pytest.raises(SettingsError, match="has no rerank model bge: it has none"):
        embedders().reranker("bge")
    with pytest.raises(SettingsError, match="has no classify model bge"):
        embedders().classifier("bge")


async def test_members_whose_vectors_are_not_comparable_do_not_stand_in() -> None:
    pool = pool_of(
        Stage(),
        member("one", kind="embedding", model="bge", dimension=8),
        member("two", kind="embedding", model="bge", dimension=4),
        member("three", kind="embedding", model="bge", dimension=8, query_prefix="query: "),
    )
    calls = Counter[str]()
    with pytest.raises(ModelUnavailableError):
        await team(pool).call(answering(calls, one=Fault.CONNECT), 10)
    assert calls == {"one": 1}


async def test_what_is_too_long_is_told_as_such() -> None:
    calls = Counter[str]()
    with pytest.raises(PromptTooLongError):
        await team(embedders()).call(answering(calls, one=Fault.TOO_LONG), 10)
    assert calls == {"one": 1}


async def test_a_call_that_is_cancelled_leaves_nothing_behind() -> None:
    pool = embedders()

    async def ask(*_: object) -> tuple[str, Usage]:
        await asyncio.Event().wait()
        raise AssertionError

    calling = asyncio.create_task(team(pool).call(ask, 10))
    await asyncio.sleep(0.001)
    assert pool.state()[0].in_flight == 1
    calling.cancel()
    await asyncio.wait([calling])
    assert_at_rest(pool)
    assert not pool.state()[0].failures


async def test_the_limits_of_its_tokens_are_kept() -> None:
    limited = {"kind": "embedding", "dimension": 8, "limits": {"tokens_per_minute": 50}}
    pool = pool_of(Stage(), member("one", **limited), queue_seconds=0.05)
    calls = Counter[str]()
    for _ in range(2):
        await team(pool, "one").call(answering(calls), 40)
    for _ in range(3):
        with pytest.raises(ModelUnavailableError, match="at its limit for this minute") as raised:
            await team(pool, "one").call(answering(calls), 40)
    assert raised.value.retry_after == pytest.approx(60, abs=1)
    assert calls == {"one": 2}
