from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.models.pool.scripted import Stage, assert_at_rest, fails, gated, hangs, member, pool_of, request, said, says

from ragstone.domain import Piece
from ragstone.errors import ModelBrokeOffError, ModelUnavailableError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool import ModelPool, State
from ragstone.models.pool.trial import Trial

pytestmark = pytest.mark.anyio

LATE = 0.02  # seconds


def hedged(stage: Stage, names: str = "ab", **rules: Any) -> ModelPool:
    """They are asked in this order."""
    models = [member(name, group=group) for group, name in enumerate(names)]
    return pool_of(stage, *models, hedge_seconds=LATE, **rules)


async def test_a_member_that_answers_in_time_is_asked_alone() -> None:
    stage = Stage(a=says("Yes."), b=says("Other."))
    pool = hedged(stage)
    assert (await said(pool)).text == "Yes."
    assert stage.calls == {"a": 1}
    assert_at_rest(pool, stage)


async def test_beside_a_silent_member_another_one_is_asked() -> None:
    stage = Stage(a=hangs(), b=says("One ", "two.", between=0.001))
    pool = hedged(stage)
    heard = await said(pool)
    assert (heard.text, heard.end.member) == ("One two.", "b")
    assert heard.end.usage.calls == 2
    assert_at_rest(pool, stage)


async def test_the_first_that_speaks_answers_alone_and_the_other_is_hung_up_on_at_once() -> None:
    gate = asyncio.Event()
    stage = Stage(a=says("First ", "one.", first=2 * LATE), b=gated(gate, says("Second.")))
    pool = hedged(stage)
    assert pool.llm is not None
    events = pool.llm.chat(request())
    assert await anext(events) == Piece("First ")
    await asyncio.sleep(0)
    assert stage.calls == {"a": 1, "b": 1}
    assert stage.open["b"] == 0
    gate.set()
    assert await anext(events) == Piece("one.")
    await events.aclose()
    assert_at_rest(pool, stage)


async def test_a_member_that_is_overtaken_again_and_again_is_left_alone() -> None:
    stage = Stage(a=hangs(), b=says("Yes."))
    pool = hedged(stage, failures_to_open=3)
    for _ in range(20):
        assert (await said(pool)).text == "Yes."
    assert stage.calls == {"a": 3, "b": 20}
    assert pool.state()[0].state is State.OPEN
    assert pool.state()[0].failures == {"timeout_first": 3}


async def test_one_that_was_asked_later_and_not_needed_has_not_failed() -> None:
    stage = Stage(a=says("Yes.", first=2 * LATE), b=hangs())
    pool = hedged(stage)
    for _ in range(4):
        assert (await said(pool)).text == "Yes."
    assert not pool.state()[1].failures


async def test_a_second_question_is_paid_for_like_any_further_attempt() -> None:
    stage = Stage(a=says("Yes.", first=2 * LATE), b=hangs())
    pool = hedged(stage, retry_ratio=0, retry_reserve=2)
    for _ in range(5):
        await said(pool)
    assert stage.calls == {"a": 5, "b": 2}


async def test_when_the_first_fails_the_second_is_waited_for() -> None:
    stage = Stage(a=fails(Fault.SERVER_ERROR, first=2 * LATE), b=says("Yes.", first=3 * LATE))
    pool = hedged(stage)
    assert (await said(pool)).text == "Yes."
    assert_at_rest(pool, stage)


async def test_when_both_fail_a_third_is_asked() -> None:
    stage = Stage(
        a=fails(Fault.SERVER_ERROR, first=2 * LATE), b=fails(Fault.SERVER_ERROR, first=2 * LATE), c=says("Yes.")
    )
    pool = hedged(stage, "abc")
    heard = await said(pool)
    assert (heard.text, heard.end.usage.calls) == ("Yes.", 3)
    assert_at_rest(pool, stage)


async def test_when_there_is_nobody_else_the_silent_one_is_waited_for() -> None:
    stage = Stage(a=says("Yes.", first=3 * LATE))
    pool = hedged(stage, "a")
    assert (await said(pool)).text == "Yes."
    assert stage.calls == {"a": 1}


async def test_who_finds_no_room_beside_a_silent_member_finds_it_later() -> None:
    gate = asyncio.Event()
    stage = Stage(a=hangs(), b=gated(gate, says("Yes.")))
    pool = pool_of(stage, "a", member("b", group=1, limits={"concurrent": 1}), hedge_seconds=LATE)
    asking = [asyncio.create_task(said(pool)) for _ in range(3)]
    await asyncio.sleep(2 * LATE)
    gate.set()
    async with asyncio.timeout(5):
        assert [heard.text for heard in await asyncio.gather(*asking)] == ["Yes."] * 3
    assert_at_rest(pool, stage)


async def test_time_ends_for_both() -> None:
    stage = Stage(a=hangs(), b=hangs())
    pool = hedged(stage, failures_to_open=1)
    with pytest.raises(ModelUnavailableError, match="the time for it is over"):
        await said(pool, request(seconds=3 * LATE))
    assert_at_rest(pool, stage)
    assert [one.state for one in pool.state()] == [State.READY] * 2


async def test_a_winner_that_breaks_off_is_not_replaced() -> None:
    stage = Stage(a=hangs(), b=fails(Fault.CUT, "Half"))
    pool = hedged(stage)
    with pytest.raises(ModelBrokeOffError):
        await said(pool)
    assert_at_rest(pool, stage)


@pytest.mark.parametrize("after", [0.0, LATE / 2, 2 * LATE])
async def test_leaving_hangs_up_on_both(after: float) -> None:
    stage = Stage(a=hangs(), b=hangs())
    pool = hedged(stage)
    asking = asyncio.create_task(said(pool))
    await asyncio.sleep(after)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert_at_rest(pool, stage)


async def test_of_two_that_speak_at_the_same_moment_one_is_heard() -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("a")), b=gated(gate, says("b")))
    pool = hedged(stage)
    asking = asyncio.create_task(said(pool))
    await asyncio.sleep(2 * LATE)
    gate.set()
    heard = await asking
    assert heard.text == heard.end.member
    assert_at_rest(pool, stage)


async def test_one_that_fails_in_the_moment_in_which_the_other_speaks_is_counted_once() -> None:
    pool = hedged(Stage())
    trial = Trial(pool._crew, pool._crew.all, 1)
    first, second = await trial.next(), trial.hedge()
    assert second is not None
    trial.failed(first, MemberError("It fails", fault=Fault.GARBAGE))
    trial.won(second, [first], request())
    assert trial.usage.calls == 1
    assert pool.state()[0].failures == {"garbage": 1}


async def test_one_that_speaks_in_the_moment_in_which_the_other_does_was_not_too_slow() -> None:
    pool = hedged(Stage())
    trial = Trial(pool._crew, pool._crew.all, 1)
    first, second = await trial.next(), trial.hedge()
    assert second is not None
    trial.answered(first)
    trial.won(second, [first], request())
    assert not first.open
    assert not pool.state()[0].failures


async def test_leaving_in_the_moment_in_which_one_speaks_leaves_nothing_behind() -> None:
    for rounds in range(12):
        gate = asyncio.Event()
        stage = Stage(a=gated(gate, says("a", "b", between=1.0)), b=gated(gate, says("b")))
        pool = hedged(stage)
        asking = asyncio.create_task(said(pool))
        await asyncio.sleep(1.5 * LATE)
        gate.set()
        for _ in range(rounds):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert_at_rest(pool, stage)
