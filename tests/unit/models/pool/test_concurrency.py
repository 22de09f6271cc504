"""Many requests at the same time, and requests that are called off at any moment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import aclosing, suppress

import pytest
from unit.models.pool.scripted import (
    Stage,
    assert_at_rest,
    fails,
    gated,
    hangs,
    member,
    pool_of,
    request,
    said,
    says,
)

from ragstone.domain import Usage
from ragstone.errors import ModelUnavailableError, RagstoneError
from ragstone.models.faults import Fault
from ragstone.models.pool import ModelPool, State
from ragstone.models.protocols import Client
from ragstone.settings.models import Kind, Model

pytestmark = pytest.mark.anyio

OF_THE_MEMBER = [fault for fault in Fault if fault not in {Fault.TOO_LONG, Fault.REFUSED}]


async def crowd(pool: ModelPool, requests: int, concurrency: int) -> Counter[str]:
    """Ask so many, so many at a time; what became of them."""
    outcomes: Counter[str] = Counter()
    left = iter(range(requests))

    async def ask() -> None:
        for _ in left:
            try:
                heard = await said(pool, request(seconds=5.0))
            except RagstoneError as error:
                outcomes[type(error).__name__] += 1
            else:
                outcomes[heard.text] += 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(ask() for _ in range(concurrency)))
    return outcomes


@pytest.mark.parametrize("concurrency", [1, 16, 64])
@pytest.mark.parametrize("fault", OF_THE_MEMBER)
async def test_with_one_healthy_member_left_everybody_is_answered_by_few_calls(fault: Fault, concurrency: int) -> None:
    bad = fails(fault, first=0.001)
    stage = Stage(a=bad, b=bad, c=says("Yes.", first=0.001))
    pool = pool_of(stage, "a", "b", "c", draw=0.4)
    assert await crowd(pool, 120, concurrency) == {"Yes.": 120}
    assert stage.calls.total() <= 1.2 * 120
    assert_at_rest(pool, stage)


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("fault", OF_THE_MEMBER)
async def test_with_nobody_left_everybody_hears_so_at_once(fault: Fault, concurrency: int) -> None:
    bad = fails(fault, first=0.001, retry_after=30.0 if fault is Fault.RATE_LIMITED else None)
    stage = Stage(a=bad, b=bad)
    pool = pool_of(stage, "a", "b")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await crowd(pool, 100, concurrency) == {"ModelUnavailableError": 100}
    assert loop.time() - begun < 1.0
    assert stage.calls.total() <= 12
    assert_at_rest(pool, stage)


async def test_as_many_as_the_limit_are_asked_at_a_time_and_the_others_wait() -> None:
    stage = Stage(a=says("Yes.", first=0.01))
    pool = pool_of(stage, member("a", limits={"concurrent": 3}))
    assert await crowd(pool, 30, 30) == {"Yes.": 30}
    assert stage.most_open["a"] == 3
    assert_at_rest(pool, stage)


async def test_whoever_has_waited_longest_is_next() -> None:
    stage = Stage(a=says("Yes.", first=0.005))
    pool = pool_of(stage, member("a", limits={"concurrent": 1}))

    async def ask(number: int) -> None:
        await said(pool, request(str(number)))

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(ask(number))
    assert [asked.messages[0].text for asked in stage.requests] == [str(number) for number in range(10)]


async def test_waiting_ends_when_the_queue_has_been_waited_in_for_long_enough() -> None:
    stage = Stage(a=hangs())
    pool = pool_of(stage, member("a", limits={"concurrent": 1}), queue_seconds=0.05)
    first = asyncio.create_task(said(pool))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(ModelUnavailableError, match="a: busy"):
        await said(pool)
    assert 0.04 < loop.time() - begun < 0.5
    first.cancel()
    await asyncio.wait([first])
    assert_at_rest(pool, stage)


async def test_a_single_slow_member_is_given_more_than_its_window_rather_than_nothing() -> None:
    stage = Stage(a=says("Yes.", first=0.3))
    pool = pool_of(stage, "a", queue_seconds=0.05)
    assert await crowd(pool, 12, 12) == {"Yes.": 12}
    assert stage.most_open["a"] == 12
    assert_at_rest(pool, stage)


async def test_what_waits_at_a_full_group_is_asked_of_the_next_one() -> None:
    stage = Stage(a=hangs(), b=says("Yes."))
    pool = pool_of(stage, member("a", limits={"concurrent": 1}), member("b", group=1))
    first = asyncio.create_task(said(pool))
    await asyncio.sleep(0)
    assert (await said(pool)).end.member == "b"
    first.cancel()
    await asyncio.wait([first])


async def test_a_request_that_wants_what_only_a_busy_member_can_does_not_hold_the_others_up() -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("{}")), b=says("Yes.", first=0.01))
    pool = pool_of(
        stage,
        member("a", json_schema=True, limits={"concurrent": 1}),
        member("b", group=1, limits={"concurrent": 1}),
    )
    strict = [asyncio.create_task(said(pool, request(json_schema={}))) for _ in range(3)]
    await asyncio.sleep(0)
    loose = [asyncio.create_task(said(pool)) for _ in range(3)]
    assert [heard.text for heard in await asyncio.gather(*loose)] == ["Yes."] * 3
    gate.set()
    assert [heard.text for heard in await asyncio.gather(*strict)] == ["{}"] * 3
    assert_at_rest(pool, stage)


async def test_one_request_alone_finds_out_whether_a_member_works_again() -> None:
    stage = Stage(a=fails(Fault.CONNECT), b=says("Yes.", first=0.001))
    pool = pool_of(stage, "a", member("b", group=1), open_seconds=0.05, open_seconds_most=0.05)
    await crowd(pool, 20, 4)
    gate = asyncio.Event()
    stage.acts["a"] = gated(gate, says("Back."))
    stage.most_open.clear()
    calls = stage.calls["a"]
    await asyncio.sleep(0.06)
    first = asyncio.create_task(said(pool))
    await asyncio.sleep(0)
    assert await crowd(pool, 50, 16) == {"Yes.": 50}
    assert (stage.most_open["a"], stage.calls["a"]) == (1, calls + 1)
    assert pool.state()[0].state is State.HALF_OPEN
    gate.set()
    assert (await first).text == "Back."
    assert pool.state()[0].state is State.READY
    assert_at_rest(pool, stage)


async def test_a_member_that_comes_back_is_not_asked_by_the_whole_crowd_at_once() -> None:
    stage = Stage(a=fails(Fault.CONNECT), b=says("Other.", first=0.01))
    pool = pool_of(stage, "a", member("b", group=1), open_seconds=0.05, open_seconds_most=0.05)
    await crowd(pool, 64, 32)
    stage.acts["a"] = says("Back.", first=0.01)
    await asyncio.sleep(0.06)
    waves = []
    for _ in range(6):
        stage.most_open.clear()
        await crowd(pool, 32, 32)
        waves.append(stage.most_open["a"])
    assert waves == [1, 2, 4, 8, 16, 32]


async def test_a_probe_that_is_called_off_leaves_the_finding_out_to_the_next() -> None:
    stage = Stage(a=fails(Fault.CONNECT))
    pool = pool_of(stage, "a", failures_to_open=1, open_seconds=0.02)
    with pytest.raises(ModelUnavailableError):
        await said(pool)
    await asyncio.sleep(0.03)
    stage.acts["a"] = hangs()
    probe = asyncio.create_task(said(pool))
    await asyncio.sleep(0.01)
    assert stage.open["a"] == 1
    probe.cancel()
    await asyncio.wait([probe])
    assert_at_rest(pool, stage)
    stage.acts["a"] = says("Back.")
    assert (await said(pool)).text == "Back."


async def test_who_is_called_off_in_the_moment_in_which_there_is_room_gives_it_back() -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("Yes.")))
    pool = pool_of(stage, member("a", limits={"concurrent": 1}))
    first = asyncio.create_task(said(pool))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(said(pool)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    while not first.done():
        await asyncio.sleep(0)
    waiting[0].cancel()  # its turn has come, and it does not know yet
    assert [heard.text for heard in await asyncio.gather(*waiting[1:])] == ["Yes."] * 2
    assert waiting[0].cancelled()
    assert_at_rest(pool, stage)


async def test_what_was_given_back_before_it_was_sent_is_no_request_of_the_minute() -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("Yes.")))
    pool = pool_of(stage, member("a", limits={"concurrent": 1, "requests_per_minute": 2}))
    first = asyncio.create_task(said(pool))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(said(pool)) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()
    while not first.done():
        await asyncio.sleep(0)
    waiting[0].cancel()  # its turn has come, and it does not know yet
    assert (await waiting[1]).text == "Yes."
    assert stage.calls == {"a": 2}


async def test_those_who_wait_for_one_member_keep_nobody_from_room_at_another() -> None:
    gate, never = asyncio.Event(), asyncio.Event()
    stage = Stage(chat=gated(gate, says("Yes.")))
    shared = {"kind": "embedding", "dimension": 8, "limits": {"concurrent": 1}}
    models = member("chat", limits={"concurrent": 1}), member("one", **shared), member("two", **shared)
    pool = pool_of(stage, *models, queue_seconds=60)

    async def embed(model: Model, _: Client) -> tuple[str, Usage]:
        await (never if model.name == "one" else gate).wait()
        return model.name, Usage(calls=1)

    stuck = [asyncio.create_task(pool._team(Kind.EMBEDDING, "one").call(embed, 1)) for _ in range(40)]
    others = [asyncio.create_task(said(pool)) for _ in range(2)]
    vectors = [asyncio.create_task(pool._team(Kind.EMBEDDING, "two").call(embed, 1)) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(5):
        assert [heard.text for heard in await asyncio.gather(*others)] == ["Yes."] * 2
        assert await asyncio.gather(*vectors) == ["two"] * 2
    for task in stuck:
        task.cancel()
    await asyncio.wait(stuck)
    assert_at_rest(pool, stage)


@pytest.mark.parametrize("hedge_seconds", [None, 0.003])
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_called_off_whenever_nothing_is_left_behind(seed: int, hedge_seconds: float | None) -> None:
    chance = random.Random(seed)
    acts = [
        says("One ", "two ", "three.", first=0.002, between=0.001),
        says("At once."),
        fails(Fault.SERVER_ERROR, first=0.001),
        fails(Fault.RATE_LIMITED, retry_after=0.01),
        fails(Fault.CUT, "Half", first=0.001),
        fails(Fault.UNAUTHORIZED),
        fails(Fault.REFUSED),
        hangs(),
        hangs("Half"),
    ]
    stage = Stage(**{name: chance.choice(acts) for name in "abcd"})
    pool = pool_of(
        stage,
        *(member(name, group=number % 2, limits={"concurrent": 5}) for number, name in enumerate("abcd")),
        open_seconds=0.01,
        queue_seconds=0.02,
        hedge_seconds=hedge_seconds,
        retry_reserve=1000,
    )

    async def ask() -> None:
        assert pool.llm is not None
        async with aclosing(pool.llm.chat(request(seconds=chance.choice([None, 0.05])))) as events:
            heard = 0
            async for _ in events:
                heard += 1
                if heard == chance.choice([1, 2, None]):
                    return

    tasks = []
    for _ in range(150):
        tasks.append(asyncio.create_task(ask()))
        await asyncio.sleep(chance.choice([0, 0, 0.001]))
        stage.acts[chance.choice("abcd")] = chance.choice(acts)
        if chance.random() < 0.5:
            chance.choice(tasks).cancel()
    await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, RagstoneError):
            await task
    assert_at_rest(pool, stage)
    assert sum(one.requests for one in pool.state()) >= stage.calls.total()
