from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest
from unit.models.pool.scripted import (
    USAGE,
    Clock,
    Stage,
    assert_at_rest,
    fails,
    gated,
    hangs,
    member,
    pool_of,
    said,
    says,
)

from ragstone.errors import ModelUnavailableError, SettingsError
from ragstone.models.faults import Fault
from ragstone.models.pool import ModelPool, Outside, Roster, State
from ragstone.models.pool.roster import CHECK_SECONDS
from ragstone.models.protocols import Client
from ragstone.observe import metrics
from ragstone.settings.models import Model

pytestmark = pytest.mark.anyio

OUTCOMES = ("ok", "garbage", "cancelled")


class Clients:
    """Remembers whose connections were ended."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.closed: list[str] = []
        self.trouble = ""
        self.gate = asyncio.Event()  # to end a connection takes until it is open
        self.gate.set()

    def __call__(self, model: Model) -> Client:
        if self.trouble:
            raise SettingsError(self.trouble)
        remembering = self
        self.made.append(len(self.made) + 1)

        class Remembered(Client):
            async def close(self) -> None:
                remembering.closed.append(model.name)
                await remembering.gate.wait()
                await super().close()

        return Remembered(model.model_copy(update={"ca_file": None}))


class House:
    """A pool over a file that a test writes."""

    def __init__(self, file: Path, stage: Stage, text: str) -> None:
        self.file, self.clock, self.clients = file, Clock(), Clients()
        file.write_text(text, encoding="utf-8")
        roster = Roster(file, required=True, fixed=None, clock=self.clock)
        self.pool = ModelPool(roster, Outside(speak=stage.speak, client=self.clients, clock=self.clock))

    def write(self, text: str) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.file)
        self.clock.now += CHECK_SECONDS


def block(name: str, more: str = "") -> str:
    return f'[[models]]\nname = "{name}"\nurl = "http://127.0.0.1:1/{name}"\n{more}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models.toml"


async def test_members_come_and_go_with_the_file(file: Path) -> None:
    stage = Stage(a=says("a"), b=says("b"))
    house = House(file, stage, block("a"))
    assert (await said(house.pool)).text == "a"
    house.write(block("b"))
    assert (await said(house.pool)).text == "b"
    assert house.clients.closed == ["a"]
    house.write("")
    assert house.pool.llm is None
    await house.pool.close()
    assert house.clients.closed == ["a", "b"]


async def test_an_answer_is_ended_by_the_member_that_began_it_although_that_is_gone(file: Path) -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("a")), b=says("b"))
    house = House(file, stage, block("a"))
    asking = asyncio.create_task(said(house.pool))
    await asyncio.sleep(0)
    house.write(block("b"))
    assert (await said(house.pool)).text == "b"
    assert house.clients.closed == []
    gate.set()
    assert (await asking).text == "a"
    await said(house.pool)
    assert house.clients.closed == ["a"]


async def test_connections_of_members_that_are_gone_are_ended_although_the_asker_leaves(file: Path) -> None:
    house = House(file, Stage(a=says("a"), b=says("b"), c=says("c")), block("a") + block("b", "group = 1"))
    await said(house.pool)
    house.pool._crew.all()[1].client()
    house.write(block("c"))
    house.clients.gate.clear()
    leaving = asyncio.create_task(said(house.pool))
    while not house.clients.closed:
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    house.clients.gate.set()
    await house.pool.close()
    assert house.clients.closed == ["a", "b"]


async def test_what_is_known_of_a_member_stays_when_others_change(file: Path) -> None:
    stage = Stage(a=fails(Fault.CONNECT), b=says("b"))
    house = House(file, stage, block("a") + block("b", "group = 1"))
    for _ in range(3):
        await said(house.pool)
    house.write(block("a") + block("b", "group = 2"))
    await said(house.pool)
    states = {one.name: (one.state, one.requests) for one in house.pool.state()}
    assert states == {"a": (State.OPEN, 3), "b": (State.READY, 4)}


@pytest.mark.parametrize("edit", ["[pool]\nhedge_seconds = 5\n", "weight = 2\n", "limits = {concurrent = 9}\n"])
async def test_a_pause_outlives_an_edit_that_leaves_the_server_as_it_is(file: Path, edit: str) -> None:
    stage = Stage(a=fails(Fault.RATE_LIMITED, retry_after=60.0))
    house = House(file, stage, block("a"))
    with pytest.raises(ModelUnavailableError):
        await said(house.pool)
    house.write(edit + block("a") if "[pool]" in edit else block("a", edit))
    with pytest.raises(ModelUnavailableError, match="a: has asked for a pause"):
        await said(house.pool)
    assert stage.calls == {"a": 1}


async def test_limits_hold_over_edits_and_count_what_was_spent_before(file: Path) -> None:
    gate = asyncio.Event()
    stage = Stage(a=gated(gate, says("a")))
    house = House(file, stage, block("a", "limits = {concurrent = 1}"))
    first = asyncio.create_task(said(house.pool))
    await asyncio.sleep(0)
    house.write("[pool]\nqueue_seconds = 0\n" + block("a", "weight = 2\nlimits = {concurrent = 1}"))
    with pytest.raises(ModelUnavailableError, match="a: busy"):
        await asyncio.wait_for(said(house.pool), 5)
    house.write("[pool]\nqueue_seconds = 0\n" + block("a", "limits = {requests_per_minute = 2}"))
    gate.set()
    await asyncio.gather(first, said(house.pool), said(house.pool))
    house.write("[pool]\nqueue_seconds = 0\n" + block("a", "limits = {requests_per_minute = 1}"))
    with pytest.raises(ModelUnavailableError, match="a: at its limit for this minute"):
        await said(house.pool)


async def test_edits_do_not_renew_what_retries_have_used_up(file: Path) -> None:
    stage = Stage(a=fails(Fault.GARBAGE), b=says("b"))
    rules = "[pool]\nretry_ratio = 0\nretry_reserve = 1\n"
    both = block("a") + block("b", "group = 1")
    house = House(file, stage, rules + both)
    assert (await said(house.pool)).text == "b"
    house.write(f"{rules}attempts = 2\n{both}")
    with pytest.raises(ModelUnavailableError):
        await said(house.pool)


async def test_a_member_that_was_changed_is_tried_at_once(file: Path) -> None:
    stage = Stage(a=fails(Fault.UNAUTHORIZED))
    house = House(file, stage, block("a"))
    with pytest.raises(ModelUnavailableError, match="a: does not accept the key"):
        await said(house.pool)
    with pytest.raises(ModelUnavailableError):
        await said(house.pool)
    assert stage.calls == {"a": 1}
    stage.acts["a"] = says("Yes.")
    house.write(block("a", 'key_env = "OTHER"'))
    assert (await said(house.pool)).text == "Yes."


async def test_other_rules_count_from_the_next_request_on(file: Path) -> None:
    stage = Stage(a=fails(Fault.SERVER_ERROR), b=says("b"))
    both = block("a") + block("b", "group = 1")
    house = House(file, stage, "[pool]\nattempts = 1\n" + both)
    with pytest.raises(ModelUnavailableError):
        await said(house.pool)
    house.write("[pool]\nattempts = 2\n" + both)
    assert (await said(house.pool)).text == "b"


async def test_a_broken_file_is_visible_and_changes_nothing(file: Path) -> None:
    house = House(file, Stage(a=says("a")), block("a"))
    assert house.pool.trouble is None
    house.write("[[models]")
    assert (await said(house.pool)).text == "a"
    assert "cannot be read" in str(house.pool.trouble)


async def test_a_member_that_cannot_be_connected_to_as_it_is_set_up_is_passed_over(file: Path) -> None:
    house = House(file, Stage(a=says("a")), block("a"))
    house.clients.trouble = "The file of authorities cannot be read"
    with pytest.raises(ModelUnavailableError):
        await said(house.pool)
    (one,) = house.pool.state()
    assert (one.state, one.last_error) == (State.MISCONFIGURED, "The file of authorities cannot be read")
    assert_at_rest(house.pool)


async def test_authorities_that_were_exchanged_are_used_when_the_member_is_tried_again(
    file: Path, tmp_path: Path
) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("old", encoding="utf-8")
    stage = Stage(a=fails(Fault.CONNECT))
    house = House(file, stage, "[pool]\nfailures_to_open = 1\n" + block("a", f'ca_file = "{authorities}"'))
    made = house.clients.made
    for expected in ([1], [1], [1, 2]):
        house.clock.now += 60
        if expected == [1, 2]:
            os.utime(authorities, ns=(1, 1))
        with pytest.raises(ModelUnavailableError):
            await said(house.pool)
        assert made == expected
    await house.pool.close()
    assert house.clients.closed == ["a", "a"]


async def test_the_log_tells_once_when_a_member_is_left_alone_and_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(a=fails(Fault.CONNECT))
    pool = pool_of(stage, "a", failures_to_open=2, open_seconds=0.02, draw=1.0)
    with caplog.at_level(logging.INFO, logger="ragstone"):
        for _ in range(5):
            with pytest.raises(ModelUnavailableError):
                await said(pool)
        await asyncio.sleep(0.03)
        stage.acts["a"] = says("Yes.")
        for _ in range(3):
            await said(pool)
    assert caplog.messages == [
        "The model a is left alone for 0.0 seconds: a fails",
        "The model a answers again",
    ]


async def test_figures_count_attempts_tokens_and_cost_by_member() -> None:
    def figure(name: str, **labels: str) -> float | None:
        return metrics.REGISTRY.get_sample_value(f"ragstone_model_{name}", {"member": "figured", **labels})

    stage = Stage(figured=says("Yes."))
    pool = pool_of(stage, "figured")
    for act in (says("Yes."), fails(Fault.GARBAGE), hangs()):
        stage.acts["figured"] = act
        with suppress(ModelUnavailableError, TimeoutError):
            async with asyncio.timeout(0.05):
                await said(pool)
    outcomes = {outcome: figure("requests_total", kind="chat", outcome=outcome) for outcome in OUTCOMES}
    assert outcomes == {"ok": 1, "garbage": 1, "cancelled": 1}
    assert figure("first_token_seconds_count") == figure("seconds_count") == 1
    assert (figure("tokens_total", direction="output"), figure("cost_total")) == (USAGE.output_tokens, USAGE.cost)


async def test_the_state_of_all_members_can_be_seen() -> None:
    stage = Stage(a=fails(Fault.RATE_LIMITED, retry_after=20.0), b=says("b"))
    pool = pool_of(stage, "a", member("b", group=1), member("r", kind="rerank"))
    await said(pool)
    seen = {one.name: one for one in pool.state()}
    assert list(seen) == ["a", "b", "r"]
    assert seen["a"].state is State.COOLING
    assert seen["a"].until == pytest.approx(time.time() + 20, abs=1)
    assert (seen["b"].state, seen["b"].until, seen["b"].answered) == (State.READY, None, 1)
    assert seen["r"].kind == "rerank"


async def test_every_member_is_asked_something_when_it_is_checked() -> None:
    stage = Stage(a=says("Yes."), b=fails(Fault.UNAUTHORIZED))
    pool = pool_of(stage, "a", "b", member("e", kind="embedding", dimension=4))
    a, b, e = await pool.check()
    assert (a.name, a.error) == ("a", None)
    assert (b.name, b.error) == ("b", "b fails")
    assert (e.name, e.kind) == ("e", "embedding")
    assert e.error is not None
    assert "cannot be reached" in e.error
    assert all(one.state is State.READY for one in pool.state())
    assert_at_rest(pool, stage)
    await pool.close()
