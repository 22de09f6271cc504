"""What every meter does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from ragstone.access.grants import KeyRights
from ragstone.access.keys import new_key
from ragstone.domain import Asker, Scope, SpendingLimits, Usage
from ragstone.errors import RateLimitedError
from ragstone.fakes.meter import MemoryMeter
from ragstone.ports import Meter
from ragstone.storage.database import Database
from ragstone.storage.tenancy.keys import add_key
from ragstone.storage.tenancy.spending import PostgresMeter

pytestmark = pytest.mark.anyio

Make = Callable[[SpendingLimits], Awaitable[Meter]]


@pytest.fixture
def memory() -> Make:
    async def make(limits: SpendingLimits) -> Meter:
        return MemoryMeter(limits)

    return make


@pytest.fixture
def postgres(database: Database, asker: Asker) -> Make:
    async def make(limits: SpendingLimits) -> Meter:
        public_id = await add_key(database, asker, new_key(), KeyRights({Scope.READ}, limits=limits))
        return PostgresMeter(database, replace(asker, key_id=public_id))

    return make


@pytest.fixture(params=["memory", "postgres"])
def make(request: pytest.FixtureRequest) -> Make:
    chosen: Make = request.getfixturevalue(request.param)
    return chosen


@pytest.mark.parametrize("window", ["day", "month"])
async def test_what_is_reserved_counts_until_it_is_settled(make: Make, window: str) -> None:
    meter = await make(SpendingLimits.of({f"tokens_per_{window}": 1000}))
    first = await meter.reserve(Usage(500, 500))
    with pytest.raises(RateLimitedError, match=f"1,000 tokens per {window} is used up: 1,000 are used"):
        await meter.reserve(Usage(1))
    await meter.settle(first, Usage(300, 100, calls=1))
    second = await meter.reserve(Usage(600))
    await meter.settle(second, Usage())
    await meter.reserve(Usage(600))


async def test_settling_twice_counts_once(make: Make) -> None:
    meter = await make(SpendingLimits(tokens_per_day=1000))
    first = await meter.reserve(Usage(1000))
    for spent in (400, 0, 300):
        await meter.settle(first, Usage(spent, calls=1))
    await meter.reserve(Usage(600))
    with pytest.raises(RateLimitedError, match="1,000 are used"):
        await meter.reserve(Usage(1))


async def test_what_was_spent_beyond_the_reservation_counts(make: Make) -> None:
    meter = await make(SpendingLimits(cost_per_month=1))
    await meter.settle(await meter.reserve(Usage(1, cost=0.5)), Usage(1, cost=1.5, calls=1))
    with pytest.raises(RateLimitedError, match=r"1 in cost per month is used up: 1\.50 are used"):
        await meter.reserve(Usage(1, cost=0.1))
    await meter.reserve(Usage(1))


async def test_reservations_at_once_never_pass_a_limit(make: Make) -> None:
    meter = await make(SpendingLimits(tokens_per_day=10_000, cost_per_month=0.75))
    outcomes = await asyncio.gather(*(meter.reserve(Usage(1000, cost=0.1)) for _ in range(20)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimitedError)]
    assert len(refused) == 13
    assert all(0 < one.retry_after <= 5 for one in refused)  # some may take less


async def test_without_limits_nothing_is_refused(make: Make) -> None:
    meter = await make(SpendingLimits())
    for _ in range(3):
        await meter.settle(await meter.reserve(Usage(10**9, 10**9, cost=10.0**6)), Usage(10**9, cost=10.0**6, calls=1))
