from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from unit.models.pool.scripted import (
    USAGE,
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

from ragstone.domain import ChatEvent, ChatRequest, Ended, Finish, Piece, Usage
from ragstone.errors import (
    ModelBrokeOffError,
    ModelUnavailableError,
    PromptRefusedError,
    PromptTooLongError,
    RagstoneError,
)
from ragstone.models.faults import Fault
from ragstone.models.pool import State
from ragstone.models.protocols import Client
from ragstone.settings.models import Model

pytestmark = pytest.mark.anyio

NOT_THE_REQUEST = [fault for fault in Fault if fault not in {Fault.REFUSED, Fault.TOO_LONG}]


async def test_what_a_member_says_is_passed_on_piece_by_piece() -> None:
    pool = pool_of(Stage(a=says("One ", "two.")), "a")
    assert pool.llm is not None
    async with aclosing(pool.llm.chat(request())) as events:
        heard = [event async for event in events]
    assert heard == [Piece("One "), Piece("two."), Ended(Finish.STOP, USAGE, "a", "a-1")]
    assert_at_rest(pool)


@pytest.mark.parametrize("fault", NOT_THE_REQUEST)
async def test_what_fails_before_the_first_word_is_asked_of_another(fault: Fault) -> None:
    stage = Stage(a=fails(fault), b=says("Yes."))
    pool = pool_of(stage, member("a", group=0), member("b", group=1))
    heard = await said(pool)
    assert (heard.text, heard.end.member) == ("Yes.", "b")
    assert stage.calls == {"a": 1, "b": 1}
    assert_at_rest(pool, stage)


async def test_usage_is_that_of_all_attempts() -> None:
    stage = Stage(a=fails(Fault.GARBAGE, usage=Usage(7, 2, cost=0.25, calls=1)), b=says("Yes."))
    heard = await said(pool_of(stage, "a", "b"))
    assert heard.end.usage == Usage(17, 7, cost=0.75, calls=2)


@pytest.mark.parametrize("fault", [Fault.CONNECT, Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.UNAUTHORIZED])
async def test_attempts_that_nobody_worked_on_cost_nothing(fault: Fault) -> None:
    stage = Stage(a=fails(fault, usage=Usage(7, 2, cost=0.25, calls=1)), b=says("Yes."))
    heard = await said(pool_of(stage, "a", member("b", group=1)))
    assert heard.end.usage == Usage(10, 5, cost=0.5, calls=2)


async def test_what_fails_behind_the_first_word_is_not_asked_again() -> None:
    stage = Stage(a=fails(Fault.CUT, "Half"), b=says("Yes."))
    pool = pool_of(stage, member("a", group=0), member("b", group=1))
    with pytest.raises(ModelBrokeOffError, match="a fails"):
        await said(pool)
    assert stage.calls == {"a": 1}
    assert_at_rest(pool, stage)


async def test_an_answer_without_an_end_is_broken_off() -> None:
    async def act(*_: object):  # type: ignore[no-untyped-def]  # noqa: ANN202
        yield Piece("Half")

    pool = pool_of(Stage(a=act), "a")
    with pytest.raises(ModelBrokeOffError):
        await said(pool)
    assert pool.state()[0].failures == {"cut": 1}


async def test_no_more_members_are_tried_than_the_rules_say() -> None:
    stage = Stage(**{name: fails(Fault.SERVER_ERROR) for name in "abcde"})
    with pytest.raises(ModelUnavailableError):
        await said(pool_of(stage, *"abcde", attempts=3))
    assert stage.calls.total() == 3


async def test_no_member_is_tried_twice() -> None:
    stage = Stage(a=fails(Fault.SERVER_ERROR), b=fails(Fault.CONNECT))
    with pytest.raises(ModelUnavailableError) as raised:
        await said(pool_of(stage, "a", "b", attempts=9))
    assert stage.calls == {"a": 1, "b": 1}
    assert raised.value.why == "a: server error; b: cannot be reached"


async def test_further_attempts_are_bounded_over_all_requests() -> None:
    stage = Stage(a=fails(Fault.REFUSED), b=says("Yes."))
    pool = pool_of(
        stage, member("a", group=0), member("b", group=1), retry_ratio=0.125, retry_reserve=2, failures_to_open=1000
    )
    answered = 0
    for _ in range(48):
        try:
            await said(pool)
        except PromptRefusedError:
            continue
        answered += 1
    assert answered == stage.calls["b"] == 8
    assert stage.calls["a"] == 48


async def test_a_request_without_members_is_refused_with_the_reason() -> None:
    pool = pool_of(Stage())
    assert pool.llm is None
    with pytest.raises(ModelUnavailableError, match="No model answers: none is configured"):
        await said_without(pool)


async def said_without(pool: object) -> None:
    async with aclosing(pool._chat.chat(request())) as events:  # type: ignore[attr-defined]
        async for _ in events:
            pass


async def test_a_member_that_failed_too_often_is_not_asked() -> None:
    stage = Stage(a=fails(Fault.CONNECT))
    pool = pool_of(stage, "a", failures_to_open=2)
    for _ in range(10):
        with pytest.raises(ModelUnavailableError):
            await said(pool)
    assert stage.calls == {"a": 2}
    assert pool.state()[0].state is State.OPEN


async def test_it_is_told_when_a_pausing_member_can_be_asked() -> None:
    stage = Stage(a=fails(Fault.RATE_LIMITED, retry_after=30.0))
    pool = pool_of(stage, "a")
    with pytest.raises(ModelUnavailableError):
        await said(pool)
    with pytest.raises(ModelUnavailableError, match="a: has asked for a pause") as raised:
        await said(pool)
    assert raised.value.retry_after == pytest.approx(30.0, abs=0.5)
    assert stage.calls == {"a": 1}


async def test_it_is_told_when_a_failing_member_is_tried_again() -> None:
    pool = pool_of(Stage(a=fails(Fault.CONNECT)), "a", failures_to_open=1, open_seconds=8, draw=1.0)
    with pytest.raises(ModelUnavailableError) as raised:
        await said(pool)
    assert raised.value.retry_after == pytest.approx(8, abs=0.5)


async def test_while_one_finds_out_the_others_are_not_told_to_come_at_once() -> None:
    stage = Stage(a=fails(Fault.CONNECT))
    pool = pool_of(stage, "a", failures_to_open=1, open_seconds=0.01)
    with pytest.raises(ModelUnavailableError):
        await said(pool)
    await asyncio.sleep(0.02)
    stage.acts["a"] = hangs()
    probe = asyncio.create_task(said(pool))
    await asyncio.sleep(0)
    with pytest.raises(ModelUnavailableError) as raised:
        await said(pool)
    assert raised.value.retry_after == 1.0
    probe.cancel()
    await asyncio.wait([probe])


async def test_a_short_pause_is_waited_for() -> None:
    stage = Stage(a=fails(Fault.RATE_LIMITED, retry_after=0.1))
    pool = pool_of(stage, "a")
    with pytest.raises(ModelUnavailableError):
        await said(pool)
    stage.acts["a"] = says("Yes.")
    assert (await said(pool)).text == "Yes."


async def test_what_one_refuses_is_asked_of_one_other_and_then_it_is_the_request() -> None:
    stage = Stage(**{name: fails(Fault.REFUSED) for name in "abc"})
    pool = pool_of(stage, *"abc")
    for _ in range(5):
        with pytest.raises(PromptRefusedError):
            await said(pool)
    assert stage.calls.total() == 10
    assert all(one.state is State.READY for one in pool.state())


async def test_a_member_that_refuses_what_others_take_is_left_alone() -> None:
    stage = Stage(a=fails(Fault.REFUSED), b=says("Yes."))
    pool = pool_of(stage, member("a", group=0), member("b", group=1), failures_to_open=3)
    for _ in range(20):
        assert (await said(pool)).text == "Yes."
    assert stage.calls == {"a": 3, "b": 20}


async def test_what_is_too_long_for_one_is_asked_of_one_with_a_larger_window() -> None:
    stage = Stage(a=fails(Fault.TOO_LONG), b=says("No."), c=says("Yes."))
    pool = pool_of(
        stage,
        member("a", group=0, context_tokens=2000),
        member("b", group=1, context_tokens=2000),
        member("c", group=2, context_tokens=4000),
    )
    assert (await said(pool)).text == "Yes."
    assert stage.calls == {"a": 1, "c": 1}
    assert pool.state()[0].state is State.READY


async def test_what_is_too_long_for_the_largest_window_is_too_long() -> None:
    stage = Stage(a=fails(Fault.TOO_LONG), b=fails(Fault.TOO_LONG))
    with pytest.raises(PromptTooLongError):
        await said(pool_of(stage, "a", "b"))
    assert stage.calls.total() == 1


async def test_what_cannot_fit_is_not_sent() -> None:
    stage = Stage(a=says("Yes."), b=says("Yes."))
    pool = pool_of(stage, member("a", context_tokens=1000), member("b", group=1, context_tokens=3000))
    assert (await said(pool, request("x" * 7000))).end.member == "b"
    assert (await said(pool, request("x", max_tokens=2000))).end.member == "b"
    with pytest.raises(PromptTooLongError):
        await said(pool, request("x" * 20_000))
    with pytest.raises(PromptTooLongError):
        await said(pool, request("x", max_tokens=3001))
    assert stage.calls == {"b": 2}


async def test_a_schema_is_wanted_only_of_members_that_keep_to_it() -> None:
    stage = Stage(a=says("Yes."), b=says("{}"))
    pool = pool_of(stage, member("a"), member("b", group=1, json_schema=True))
    assert (await said(pool, request(json_schema={}))).end.member == "b"
    with pytest.raises(PromptRefusedError, match="No model keeps to a JSON schema"):
        await said(pool_of(stage, "a"), request(json_schema={}))


async def test_the_time_of_a_request_is_for_all_attempts_together() -> None:
    stage = Stage(a=fails(Fault.SERVER_ERROR, first=0.1), b=hangs(), c=hangs())
    pool = pool_of(stage, *(member(name, group=group) for group, name in enumerate("abc")))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(ModelUnavailableError, match="the time for it is over"):
        await said(pool, request(seconds=0.3))
    assert loop.time() - begun == pytest.approx(0.3, abs=0.1)
    given = [asked.seconds for asked in stage.requests]
    assert given == [pytest.approx(seconds, abs=0.05) for seconds in (0.3, 0.2, 0.1)]
    assert_at_rest(pool, stage)


async def test_a_member_that_hangs_does_not_take_all_of_the_time_and_is_left_alone() -> None:
    stage = Stage(a=hangs(), b=says("Yes."))
    pool = pool_of(stage, "a", member("b", group=1))
    for _ in range(5):
        assert (await said(pool, request(seconds=0.4))).text == "Yes."
    assert stage.calls == {"a": 3, "b": 5}
    assert pool.state()[0].failures == {"timeout_first": 3}
    assert_at_rest(pool, stage)


async def test_of_two_that_hang_neither_takes_all_of_the_time() -> None:
    stage = Stage(a=hangs(), b=hangs(), c=says("Yes."))
    pool = pool_of(stage, *(member(name, group=group) for group, name in enumerate("abc")))
    assert (await said(pool, request(seconds=0.6))).text == "Yes."
    assert_at_rest(pool, stage)


async def test_a_slow_member_may_still_answer_in_the_second_half_of_the_time() -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("Yes.")), b=hangs())
    pool = pool_of(stage, "a", member("b", group=1))
    asking = asyncio.create_task(said(pool, request(seconds=1.0)))
    while not stage.calls["b"] and not asking.done():
        await asyncio.sleep(0.01)
    gate.set()
    assert (await asking).text == "Yes."
    assert_at_rest(pool, stage)


async def test_members_that_all_hang_are_asked_within_the_retry_budget() -> None:
    stage = Stage(a=hangs(), b=hangs())
    pool = pool_of(stage, "a", "b", retry_ratio=0, retry_reserve=2)
    for _ in range(6):
        with pytest.raises(ModelUnavailableError, match="the time for it is over"):
            await said(pool, request(seconds=0.02))
    assert stage.calls.total() == 8


async def test_a_prompt_that_was_sent_in_vain_counts_for_the_minute() -> None:
    stage = Stage(a=hangs())
    pool = pool_of(stage, member("a", limits={"tokens_per_minute": 1000}), queue_seconds=0)
    asked = request("word " * 600, max_tokens=16, seconds=0.05)
    for reason in ("too slow", "at its limit for this minute"):
        with pytest.raises(ModelUnavailableError, match=reason):
            await said(pool, asked)
    assert stage.calls == {"a": 1}


async def test_an_asker_without_patience_says_nothing_about_the_member() -> None:
    stage = Stage(a=hangs())
    pool = pool_of(stage, "a", failures_to_open=1)
    for _ in range(3):
        with pytest.raises(ModelUnavailableError):
            await said(pool, request(seconds=0.05))
    assert stage.calls == {"a": 3}
    assert pool.state()[0].state is State.READY


async def test_leaving_hangs_up_on_the_member_and_says_nothing_about_it() -> None:
    stage = Stage(a=hangs("One"))
    pool = pool_of(stage, "a", failures_to_open=1)
    assert pool.llm is not None
    for _ in range(3):
        events = pool.llm.chat(request())
        assert await anext(events) == Piece("One")
        assert stage.open["a"] == 1
        await events.aclose()
        assert_at_rest(pool, stage)
    assert pool.state()[0].state is State.READY
    assert not pool.state()[0].failures


async def test_the_window_is_that_of_the_group_that_is_asked() -> None:
    stage = Stage(a=fails(Fault.CONNECT), b=says("Yes."), c=says("Yes."))
    pool = pool_of(
        stage,
        member("a", context_tokens=2000),
        member("b", group=1, context_tokens=9000),
        member("c", group=1, context_tokens=5000),
        failures_to_open=1,
    )
    assert pool.llm is not None
    assert pool.llm.context_tokens == 2000
    await said(pool)
    assert pool.llm.context_tokens == 9000


async def test_the_price_is_that_of_the_dearest_member() -> None:
    dear, cheap = {"input": 3.0, "output": 15.0}, {"input": 0.5, "output": 1.0}
    pool = pool_of(Stage(), member("a", price=cheap), member("b", price=dear))
    assert pool.llm is not None
    assert pool.llm.price(1_000_000, 100_000) == pytest.approx(4.5)


async def test_the_identity_changes_with_the_models_and_with_nothing_else() -> None:
    def identity(*models: object) -> str:
        llm = pool_of(Stage(), *models).llm  # type: ignore[arg-type]
        assert llm is not None
        return llm.identity

    assert identity(member("a"), member("b")) == identity(member("b"), member("a", weight=3, group=2))
    assert identity(member("a")) != identity(member("b"))
    assert identity(member("a")) != identity(member("a", model="other"))


async def test_what_a_server_says_of_itself_is_put_behind_what_was_known() -> None:
    class Telling(Stage):
        async def speak(self, model: Model, request: ChatRequest, client: Client) -> AsyncGenerator[ChatEvent, None]:
            client.found = None if model.model else "granite"
            async for event in super().speak(model, request, client):
                yield event

    unnamed, named = (
        pool_of(Telling(a=says("Yes.")), "a").llm,
        pool_of(Telling(a=says("Yes.")), member("a", model="m")).llm,
    )
    assert unnamed is not None
    assert named is not None
    before, named_before = unnamed.identity, named.identity
    for llm in (unnamed, named):
        async with aclosing(llm.chat(request())) as events:
            _ = [event async for event in events]
    assert unnamed.identity.startswith(before)
    assert unnamed.identity != before
    assert named.identity == named_before


async def test_an_error_keeps_its_kind_whatever_else_went_wrong() -> None:
    stage = Stage(a=fails(Fault.TOO_LONG), b=fails(Fault.CONNECT))
    pool = pool_of(stage, member("a"), member("b", group=1, context_tokens=9000))
    with pytest.raises(RagstoneError) as raised:
        await said(pool)
    assert type(raised.value) is PromptTooLongError
