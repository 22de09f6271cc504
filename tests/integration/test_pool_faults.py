"""The pool in front of servers that misbehave on purpose, over real connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import self_signed
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_replies import WORDS
from unit.models.pool.scripted import assert_at_rest, member, request, said

from ragstone.errors import ModelBrokeOffError, ModelUnavailableError, RagstoneError
from ragstone.models.pool import ModelPool, Roster, State
from ragstone.settings.models import Model, Models, Pool

pytestmark = pytest.mark.anyio

REQUESTS = 100
MOST_CALLS = 1.2 * REQUESTS

BEHIND_THE_FIRST_WORD = {"stall", "cut", "without-end", "json-later", "error-later"}
OF_THE_REQUEST = {"400", "400-context"}
NO_FAULT = {"whole"}
BEFORE_THE_FIRST_WORD = sorted({*FAULTS} - BEHIND_THE_FIRST_WORD - OF_THE_REQUEST - NO_FAULT)
NOBODY_LISTENS = ["no-connection", "no-name", "untrusted", "no-tls"]  # before HTTP even begins


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving(first=0.002) as running:
        yield running


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Misbehaving]:
    """It shows a certificate that nobody has signed."""
    with Misbehaving(certificate=self_signed(tmp_path_factory.mktemp("tls") / "server.pem")) as running:
        yield running


@pytest.fixture
def bad(request: pytest.FixtureRequest, server: Misbehaving, untrusted: Misbehaving) -> str:
    """The address under which every request meets the fault that the test is about."""
    fault = request.param
    places = {
        "no-connection": "http://127.0.0.1:1/v1",
        "no-name": "http://nowhere.invalid/v1",
        "untrusted": untrusted.url,
        "no-tls": server.url.replace("http:", "https:"),
    }
    return places.get(fault) or server.faulty(fault)


def failing(name: str, url: str, first_token: float = 0.2) -> Model:
    timeouts = {"connect": 0.5, "first_token": first_token, "between_tokens": 0.2, "total": 5.0}
    return member(name, url=url, model="m", timeouts=timeouts)


def pool_of(*models: Model, hedge_seconds: float | None = None) -> ModelPool:
    fixed = Models(pool=Pool(hedge_seconds=hedge_seconds), models=models)
    return ModelPool(Roster(Path("/nowhere/models.toml"), required=False, fixed=fixed))


async def crowd(pool: ModelPool, concurrency: int, seconds: float) -> Counter[str]:
    """What becomes of a hundred requests; none of them may take longer than its time."""
    outcomes: Counter[str] = Counter()
    left = iter(range(REQUESTS))
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        for _ in left:
            begun = loop.time()
            try:
                heard = await said(pool, request(seconds=seconds))
            except RagstoneError as error:
                outcomes[type(error).__name__] += 1
            else:
                outcomes[heard.text] += 1
            assert loop.time() - begun < seconds + 1.0

    async with asyncio.timeout(50):
        await asyncio.gather(*(ask() for _ in range(concurrency)))
    await pool.close()
    assert_at_rest(pool)
    return outcomes


def calls(pool: ModelPool) -> int:
    return sum(one.requests for one in pool.state())


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("bad", [*BEFORE_THE_FIRST_WORD, *NOBODY_LISTENS], indirect=True)
async def test_with_one_healthy_member_left_every_chat_is_answered(
    server: Misbehaving, bad: str, concurrency: int
) -> None:
    pool = pool_of(failing("bad", bad), failing("worse", bad), member("good", url=server.url, model="m"))
    before = server.asked
    assert await crowd(pool, concurrency, 20.0) == {WORDS: REQUESTS}
    assert calls(pool) <= MOST_CALLS
    assert server.asked - before <= MOST_CALLS


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("bad", [*BEFORE_THE_FIRST_WORD, *NOBODY_LISTENS], indirect=True)
async def test_with_nobody_left_every_chat_is_told_so_in_time(bad: str, concurrency: int) -> None:
    pool = pool_of(failing("bad", bad), failing("worse", bad))
    assert await crowd(pool, concurrency, 3.0) == {ModelUnavailableError.__name__: REQUESTS}
    assert calls(pool) <= MOST_CALLS


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("bad", sorted(BEHIND_THE_FIRST_WORD), indirect=True)
async def test_a_member_that_breaks_off_is_soon_left_alone(server: Misbehaving, bad: str, concurrency: int) -> None:
    pool = pool_of(failing("bad", bad, first_token=5.0), member("good", url=server.url, model="m"))
    outcomes = await crowd(pool, concurrency, 20.0)
    assert set(outcomes) == {WORDS, ModelBrokeOffError.__name__}
    assert outcomes[ModelBrokeOffError.__name__] <= 3 + concurrency
    assert calls(pool) == REQUESTS


@pytest.mark.parametrize("bad", sorted(OF_THE_REQUEST), indirect=True)
async def test_a_member_that_refuses_everything_does_not_keep_chats_from_the_others(
    server: Misbehaving, bad: str
) -> None:
    larger = member("good", url=server.url, model="m", context_tokens=100_000)
    pool = pool_of(failing("bad", bad), larger)
    outcomes = await crowd(pool, 1, 20.0)
    assert outcomes[WORDS] >= REQUESTS / 2
    assert calls(pool) <= MOST_CALLS


async def test_leaving_hangs_up_on_the_server(server: Misbehaving) -> None:
    pool = pool_of(member("slow", url=server.faulty("stall"), model="m"))
    assert pool.llm is not None
    before = server.hung_up
    events = pool.llm.chat(request())
    await anext(events)
    await events.aclose()
    await hung_up(server, before)
    assert_at_rest(pool)
    await pool.close()


async def test_beside_a_silent_server_another_one_is_asked_and_the_silent_one_hung_up_on(server: Misbehaving) -> None:
    silent = member("silent", url=server.faulty("silent"), model="m")
    pool = pool_of(silent, member("good", url=server.url, model="m", group=1), hedge_seconds=0.05)
    before = server.hung_up
    heard = await said(pool, request(seconds=10.0))
    assert (heard.text, heard.end.member) == (WORDS, "good")
    await hung_up(server, before)
    assert await crowd(pool, 16, 20.0) == {WORDS: REQUESTS}
    assert calls(pool) <= MOST_CALLS


async def test_a_server_that_hangs_does_not_take_the_whole_time_of_an_answer(server: Misbehaving) -> None:
    silent = member("silent", url=server.faulty("silent"), model="m")
    pool = pool_of(silent, member("good", url=server.url, model="m", group=1))
    assert await crowd(pool, 16, 2.0) == {WORDS: REQUESTS}
    assert calls(pool) <= MOST_CALLS
    assert pool.state()[0].state is State.OPEN


async def hung_up(server: Misbehaving, before: int) -> None:
    async with asyncio.timeout(5):
        while server.hung_up == before:
            await asyncio.sleep(0.01)
