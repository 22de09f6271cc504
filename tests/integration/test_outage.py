"""An outage drill: three model servers under steady traffic, each of them taken away and given back in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from misbehaving import Misbehaving
from model_replies import WORDS
from unit.models.pool.scripted import assert_at_rest, member, request, said

from ragstone.domain import ChatEvent, ChatRequest
from ragstone.errors import ModelBrokeOffError
from ragstone.models.pool import ModelPool, Outside, Roster, State
from ragstone.models.protocols import Client, open_chat
from ragstone.settings.models import Model, Models, Pool

pytestmark = pytest.mark.anyio

RATE = 50  # requests a second
AWAY = 1.0  # seconds
BACK = 1.5  # seconds until the next one goes
NAMES = ("one", "two", "three")


@dataclass
class Traffic:
    """What is sent to a member since it was given back: how many wait for their first token when one is sent."""

    waiting: int = 0
    answered: int = 0
    crowds: list[tuple[int, int]] = field(default_factory=list)  # waiting, itself included, and answered so far


class Drill:
    """Asks all the time, and counts what becomes of it."""

    def __init__(self, servers: dict[str, Misbehaving]) -> None:
        self.servers = servers
        self.outcomes: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.begun_again = 0
        self.traffic = {name: Traffic() for name in servers}
        timeouts = {"connect": 0.5, "first_token": 0.5}
        models = [member(name, url=server.url, model="m", timeouts=timeouts) for name, server in servers.items()]
        fixed = Models(pool=Pool(open_seconds=0.3, open_seconds_most=0.6), models=tuple(models))
        roster = Roster(Path("/nowhere/models.toml"), required=False, fixed=fixed)
        self.pool = ModelPool(roster, Outside(speak=self._speak))

    async def run(self, seconds: float) -> None:
        """Steady traffic: whoever asks does not wait for those before."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * RATE)):
                await asyncio.sleep(begun + number / RATE - loop.time())
                group.create_task(self._ask())

    async def take_away(
        self, name: str, how: Callable[[Misbehaving], None], back: Callable[[Misbehaving], None]
    ) -> None:
        await asyncio.to_thread(how, self.servers[name])
        await asyncio.sleep(AWAY)
        self.traffic[name] = Traffic()
        await asyncio.to_thread(back, self.servers[name])
        await asyncio.sleep(BACK)

    async def _ask(self) -> None:
        for _ in range(3):
            try:
                heard = await said(self.pool, request(seconds=10.0))
            except ModelBrokeOffError:
                # What has begun cannot be begun again unseen; who generates answers goes on elsewhere, as this does.
                self.begun_again += 1
            else:
                self.outcomes[heard.text] += 1
                return
        self.outcomes["broke off"] += 1

    async def _speak(self, model: Model, asked: ChatRequest, client: Client) -> AsyncGenerator[ChatEvent, None]:
        self.sent[model.name] += 1
        traffic = self.traffic[model.name]
        traffic.waiting += 1
        traffic.crowds.append((traffic.waiting, traffic.answered))
        is_waiting = True
        try:
            async with aclosing(open_chat(model, asked, client)) as events:
                async for event in events:
                    if is_waiting:
                        is_waiting = False
                        traffic.waiting -= 1
                        traffic.answered += 1
                    yield event
        finally:
            traffic.waiting -= is_waiting


def hang(server: Misbehaving) -> None:
    server.fault = "silent"


def overload(server: Misbehaving) -> None:
    server.fault = "503"


def recover(server: Misbehaving) -> None:
    server.fault = ""


async def test_servers_come_and_go_and_no_chat_fails() -> None:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Misbehaving(first=0.05, between=0.01)) for name in NAMES}
        drill = Drill(servers)

        async def outages() -> None:
            await asyncio.sleep(0.5)
            await drill.take_away("one", Misbehaving.kill, Misbehaving.revive)
            await drill.take_away("two", hang, recover)
            await drill.take_away("three", overload, recover)
            await drill.take_away("two", Misbehaving.kill, Misbehaving.revive)

        seconds = 0.5 + 4 * (AWAY + BACK)
        await asyncio.gather(drill.run(seconds), outages())
        await drill.pool.close()
    requests = int(seconds * RATE)
    assert drill.outcomes == {WORDS: requests}
    assert drill.begun_again < requests * 0.05
    assert drill.sent.total() - drill.begun_again <= requests * 1.1
    for name, traffic in drill.traffic.items():
        assert traffic.crowds[0] == (1, 0), f"{name} was asked by one first"
        assert all(waiting <= 1 + answered for waiting, answered in traffic.crowds), f"a herd went to {name}"
        assert traffic.answered > RATE * BACK / 10, f"{name} is used again"
    assert {one.state for one in drill.pool.state()} == {State.READY}
    assert_at_rest(drill.pool)
