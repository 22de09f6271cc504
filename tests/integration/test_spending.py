"""What may be spent: limits hold for all processes together, and what is counted is what was spent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ragstone.access.grants import KeyRights
from ragstone.access.keys import NewKey, new_key
from ragstone.bootstrap import everything
from ragstone.domain import Asker, Scope, SpendingLimits, Tenant, Usage
from ragstone.errors import NotFoundError, PermissionDeniedError, RateLimitedError, TenantMovingError
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.pages import Excerpt
from ragstone.storage.tenancy.deletion import Remover
from ragstone.storage.tenancy.keys import add_key, admit, key_standings, limit_key, list_keys, rotate_key
from ragstone.storage.tenancy.spending import (
    KEPT_DAYS,
    PostgresMeter,
    forget_spending,
    spent_by_tenants,
    spent_with_keys,
)
from ragstone.storage.tenancy.tenants import admit_tenant, limit_tenant, tenant_standings

pytestmark = pytest.mark.anyio

READ = frozenset({Scope.READ})
LONG_AGO = date(2000, 1, 1)
ANSWER = Usage(input_tokens=900, output_tokens=100, cost=0.01, calls=1)


async def holder(database: Database, asker: Asker, limits: SpendingLimits | None = None) -> tuple[Asker, NewKey]:
    """Whoever shows a new key with these limits, and that key."""
    key = new_key()
    public_id = await add_key(database, asker, key, KeyRights(READ, limits=limits or SpendingLimits()))
    return replace(asker, key_id=public_id), key


@pytest.fixture
def admin(server: EmbeddedServer, database_name: str, database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.admin_dsn(database_name), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def others(anyio_backend: str, server: EmbeddedServer, database_name: str) -> AsyncIterator[tuple[Database, ...]]:
    """The pools of other processes."""
    pools = tuple(Database(lambda: server.dsn(database_name), size=4) for _ in range(3))
    for pool in pools:
        await pool.open()
    yield pools
    for pool in pools:
        await pool.close()


async def used(database: Database, asker: Asker) -> dict[str, float]:
    """How much is used of the limits of the key, or without one of the tenant."""
    if asker.key_id is None:
        standings = await tenant_standings(database, asker)
    else:
        standings = await key_standings(database, asker, asker.key_id)
    return {standing.name: standing.used for standing in standings}


def shift(admin: psycopg.Connection, tenant: Tenant, by: timedelta) -> None:
    """Let whole minutes pass: what was counted just now was counted so much earlier."""
    if datetime.now(UTC) - datetime.now(UTC).replace(hour=0, minute=0) < timedelta(minutes=2):
        pytest.skip("a day has just begun")
    admin.execute(
        "UPDATE ragstone.account SET spent_until = spent_until - %(by)s, minute = minute - %(by)s,"
        " day = date_trunc('day', now() - %(by)s, 'UTC'), month = date_trunc('month', now() - %(by)s, 'UTC')"
        " WHERE tenant_id = %(tenant)s",
        {"by": by, "tenant": tenant.id},
    )
    admin.execute("UPDATE ragstone.reservation SET at = at - %s WHERE tenant_id = %s", (by, tenant.id))


async def test_an_answer_is_counted_as_reserved_while_it_is_made_and_as_it_was_afterwards(
    database: Database, asker: Asker
) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=5000, cost_per_month=1.5))
    meter = PostgresMeter(database, bob)
    reservation = await meter.reserve(Usage(3000, 1000, cost=1.25))
    assert await used(database, bob) == {"tokens_per_day": 4000, "cost_per_month": 1.25}
    await meter.settle(reservation, ANSWER)
    assert await used(database, bob) == {"tokens_per_day": 1000, "cost_per_month": 0.01}
    (spent,) = await spent_with_keys(database, asker, LONG_AGO)
    assert (spent.day, spent.subject) == (datetime.now(UTC).date(), bob.key_id)
    assert (spent.requests, spent.answers) == (0, 1)
    assert (spent.input_tokens, spent.output_tokens, spent.cost) == (900, 100, 0.01)


async def test_settling_twice_counts_once(database: Database, asker: Asker) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=9999))
    meter = PostgresMeter(database, bob)
    reservation = await meter.reserve(Usage(3000, 1000))
    await asyncio.gather(*(meter.settle(reservation, ANSWER) for _ in range(8)))
    await PostgresMeter(database, bob).settle(reservation, Usage(1, 1, calls=1))
    assert await used(database, bob) == {"tokens_per_day": 1000}
    assert [spent.answers for spent in await spent_with_keys(database, asker, LONG_AGO)] == [1]


@pytest.mark.parametrize("whose", ["key", "tenant"])
async def test_reservations_of_many_processes_at_once_never_pass_a_limit(
    database: Database, asker: Asker, others: tuple[Database, ...], whose: str
) -> None:
    limits = {"tokens_per_minute": 9500, "cost_per_month": 1}
    if whose == "tenant":
        await limit_tenant(database, asker, asker.tenant.name, limits)
        bobs = [(await holder(database, asker))[0] for _ in range(4)]
    else:
        bobs = [(await holder(database, asker, SpendingLimits(**limits)))[0]] * 4
    meters = [PostgresMeter(pool, bob) for pool, bob in zip((database, *others), bobs, strict=True)]
    before = datetime.now(UTC).minute
    outcomes = await asyncio.gather(
        *(meters[n % 4].reserve(Usage(900, 100, cost=0.01)) for n in range(60)), return_exceptions=True
    )
    if datetime.now(UTC).minute != before:
        pytest.skip("the minute ended in the middle")
    reserved = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimitedError)]
    assert (len(reserved), len(refused)) == (9, 51)
    shown = asker if whose == "tenant" else bobs[0]
    assert await used(database, shown) == {"tokens_per_minute": 9000, "cost_per_month": 0.09}
    await asyncio.gather(*(meters[n].settle(one, Usage(100, calls=1)) for n, one in enumerate(reserved[:4])))
    assert (await used(database, shown))["tokens_per_minute"] == 5400
    await meters[0].reserve(Usage(4000))


async def test_the_error_says_which_limit_how_much_of_it_is_used_and_when_it_renews(
    database: Database, asker: Asker
) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=5000))
    meter = PostgresMeter(database, bob)
    made = await meter.reserve(Usage(4000))
    with pytest.raises(RateLimitedError, match="Try again when answers that are being made have ended") as refused:
        await meter.reserve(Usage(1001))
    assert refused.value.retry_after == 5
    await meter.settle(made, Usage(4000, calls=1))
    with pytest.raises(RateLimitedError) as refused:
        await meter.reserve(Usage(1001))
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert str(refused.value) == (
        "The key's limit of 5,000 tokens per day would be passed: 4,000 are used and an answer may take 1,001."
        f" It is renewed at {tomorrow} 00:00 UTC"
    )
    assert 0 < refused.value.retry_after <= 3600
    with pytest.raises(RateLimitedError, match=r"5,000 tokens per day is too low for this: an answer may take 6,000"):
        await meter.reserve(Usage(6000))


async def test_of_two_limits_the_one_that_holds_longer_is_told(database: Database, asker: Asker) -> None:
    await limit_tenant(database, asker, asker.tenant.name, {"cost_per_month": 0.5})
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_minute=1000))
    await PostgresMeter(database, bob).reserve(Usage(1000, cost=0.5))
    with pytest.raises(RateLimitedError, match=r"The tenant's limit of 0\.50 in cost per month is used up: 0\.50 are"):
        await PostgresMeter(database, bob).reserve(Usage(1, cost=0.000001))
    # What costs nothing is not held up by a limit on cost, but by the other one.
    with pytest.raises(RateLimitedError, match=r"The key's limit of 1,000 tokens per minute"):
        await PostgresMeter(database, bob).reserve(Usage(1))
    await PostgresMeter(database, asker).reserve(Usage(1))


async def test_without_a_key_only_the_limits_of_the_tenant_count(database: Database, asker: Asker) -> None:
    await limit_tenant(database, asker, asker.tenant.name, {"tokens_per_day": 1000})
    meter = PostgresMeter(database, asker)
    await meter.settle(await meter.reserve(Usage(1000)), Usage(600, calls=1))
    gone = PostgresMeter(database, replace(asker, key_id="key_gone"))
    await gone.settle(await gone.reserve(Usage(400)), Usage(300, calls=1))
    with pytest.raises(RateLimitedError, match="tenant"):
        await meter.reserve(Usage(101))
    assert {spent.subject: spent.input_tokens for spent in await spent_with_keys(database, asker, LONG_AGO)} == {
        "": 600,
        "key_gone": 300,
    }


async def test_a_crash_costs_the_reservation_until_its_windows_end_and_no_longer(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    limits = SpendingLimits(tokens_per_minute=1000, tokens_per_day=2000, tokens_per_month=3000)
    bob, _ = await holder(database, asker, limits)
    meter = PostgresMeter(database, bob)
    await meter.reserve(Usage(1000))  # and is never settled
    shift(admin, asker.tenant, timedelta(minutes=1))
    assert (await used(database, bob))["tokens_per_minute"] == 0
    await meter.reserve(Usage(1000))
    with pytest.raises(RateLimitedError, match="2,000 tokens per day is used up: 2,000"):
        await meter.reserve(Usage(1))
    shift(admin, asker.tenant, timedelta(days=1))
    assert (await used(database, bob))["tokens_per_day"] == 0
    shift(admin, asker.tenant, timedelta(days=32))
    assert set((await used(database, bob)).values()) == {0}
    await meter.reserve(Usage(1000))
    assert await spent_with_keys(database, asker, LONG_AGO) == []  # nothing is known to have been spent
    await forget_spending(database)
    rows = admin.execute("SELECT tokens FROM ragstone.reservation WHERE tenant_id = %s", (asker.tenant.id,)).fetchall()
    assert rows == [(1000,)]


async def test_an_answer_that_ends_in_another_window_is_counted_where_it_began(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_minute=1000, tokens_per_day=9000))
    meter = PostgresMeter(database, bob)
    former = await meter.reserve(Usage(1000))
    shift(admin, asker.tenant, timedelta(days=1))
    following = await meter.reserve(Usage(500))
    await meter.settle(former, Usage(10, calls=1))
    assert await used(database, bob) == {"tokens_per_minute": 500, "tokens_per_day": 500}
    await meter.settle(following, Usage(20, calls=1))
    assert await used(database, bob) == {"tokens_per_minute": 20, "tokens_per_day": 20}
    today = datetime.now(UTC).date()
    spent = [(one.day, one.input_tokens) for one in await spent_with_keys(database, asker, LONG_AGO)]
    assert spent == [(today - timedelta(days=1), 10), (today, 20)]


async def test_what_is_being_made_since_an_earlier_minute_does_not_shorten_the_wait_in_this_one(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_minute=10_000))
    meter = PostgresMeter(database, bob)
    await meter.reserve(Usage(9000))  # and is still being made
    shift(admin, asker.tenant, timedelta(minutes=1))
    before, text = datetime.now(UTC).minute, ""
    await meter.settle(await meter.reserve(Usage(9000)), Usage(9000, calls=1))
    try:
        await meter.reserve(Usage(5000))
    except RateLimitedError as refused:
        text = str(refused)
    if datetime.now(UTC).minute != before:
        pytest.skip("the minute ended in the middle")
    assert "10,000 tokens per minute would be passed" in text
    assert "Try again when" not in text


async def test_a_reservation_is_kept_for_a_day_whatever_month_it_is_of(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    meter = PostgresMeter(database, asker)
    made = [await meter.reserve(Usage(3000, 1000)) for _ in range(2)]
    for reservation, age in zip(made, (timedelta(hours=23), timedelta(hours=25)), strict=True):
        admin.execute("UPDATE ragstone.reservation SET at = at - %s WHERE id = %s", (age, reservation.id))
    await forget_spending(database)
    for reservation in made:
        await meter.settle(reservation, ANSWER)
    spent = await spent_with_keys(database, asker, LONG_AGO)
    assert [(one.answers, one.cost) for one in spent] == [(1, 0.01)]


async def test_who_leaves_while_it_is_reserved_has_reserved_nothing(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=100_000))
    meter = PostgresMeter(database, bob)
    for delay in range(25):
        reserving = asyncio.create_task(meter.reserve(Usage(1000)))
        await asyncio.sleep(delay / 5000)
        if not reserving.done():
            reserving.cancel()
        outcome = (await asyncio.gather(reserving, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):
            await meter.settle(outcome, Usage())
        assert await used(database, bob) == {"tokens_per_day": 0}


async def test_a_database_that_is_away_when_an_answer_is_settled_spoils_no_answer(
    server: EmbeddedServer, database_name: str, database: Database, asker: Asker
) -> None:
    pool = Database(lambda: server.dsn(database_name), size=1, timeout=0.2)
    await pool.open()
    meter = PostgresMeter(pool, asker)
    reservation = await meter.reserve(Usage(10))
    async with pool.connection():  # the only one
        await meter.settle(reservation, ANSWER)
    await meter.settle(reservation, ANSWER)
    await pool.close()
    assert [spent.answers for spent in await spent_with_keys(database, asker, LONG_AGO)] == [1]


async def test_parts_of_a_millionth_are_rounded_up(database: Database, asker: Asker) -> None:
    meter = PostgresMeter(database, asker)
    for cost in (0.1 + 0.2, 0.00000005, 0.29):
        await meter.settle(await meter.reserve(Usage(1)), Usage(1, cost=cost, calls=1))
    (spent,) = await spent_with_keys(database, asker, LONG_AGO)
    assert spent.cost == 0.590001


async def test_limits_on_requests_hold_for_keys_and_for_tenants(database: Database, asker: Asker) -> None:
    _, first = await holder(database, asker, SpendingLimits(requests_per_day=3))
    _, second = await holder(database, asker)
    await limit_tenant(database, asker, asker.tenant.name, {"requests_per_month": 5})
    outcomes = await asyncio.gather(*(admit(database, first.hash) for _ in range(10)))
    reached = [outcome.reached for outcome in outcomes if outcome is not None and outcome.reached is not None]
    assert len(reached) == 7
    assert {(one.whose, one.standing.name, one.standing.used) for one in reached} == {("key", "requests_per_day", 3)}
    assert str(reached[0].refusal()).startswith("The key's limit of 3 requests per day is used up: 3 are used. It is")
    # Somebody with a token, and then another key: what is left is the tenant's.
    assert await admit_tenant(database, asker.tenant.name) == (asker.tenant, None)
    for key in (second, second):
        last = await admit(database, key.hash)
    assert last is not None
    assert last.reached is not None
    assert (last.reached.whose, last.reached.standing.name) == ("tenant", "requests_per_month")
    token = await admit_tenant(database, asker.tenant.name)
    assert token is not None
    assert token[1] is not None
    spent = await spent_with_keys(database, asker, LONG_AGO)
    assert sorted(one.requests for one in spent) == [1, 1, 3]


async def test_a_tenant_s_requests_per_minute_hold_for_its_keys_together(database: Database, asker: Asker) -> None:
    await limit_tenant(database, asker, asker.tenant.name, {"requests_per_minute": 6})
    keys = [(await holder(database, asker))[1] for _ in range(3)]
    outcomes = await asyncio.gather(*(admit(database, keys[n % 3].hash) for n in range(30)))
    waits = sorted(one.reached.wait_seconds if one.reached else 0 for one in outcomes if one is not None)
    assert waits[:6] == [0] * 6
    assert all(0 < wait <= 10 for wait in waits[6:])


async def test_a_limit_on_requests_counts_what_was_asked_before_it_was_set(database: Database, asker: Asker) -> None:
    bob, key = await holder(database, asker)
    _, other = await holder(database, asker)
    for shown in (key, key, key, other):
        await admit(database, shown.hash)
    assert bob.key_id is not None
    await limit_key(database, asker, bob.key_id, {"requests_per_minute": 100})
    await admit(database, key.hash)
    await limit_key(database, asker, bob.key_id, {"requests_per_day": 10, "requests_per_month": 20})
    await limit_key(database, asker, bob.key_id, {"requests_per_minute": None})
    assert await used(database, bob) == {"requests_per_day": 4, "requests_per_month": 4}
    await admit(database, key.hash)
    await limit_key(database, asker, bob.key_id, {"requests_per_month": 30})
    assert await used(database, bob) == {"requests_per_day": 5, "requests_per_month": 5}
    await limit_tenant(database, asker, asker.tenant.name, {"requests_per_day": 6})
    assert await used(database, asker) == {"requests_per_day": 6}
    admission = await admit(database, other.hash)
    assert admission is not None
    assert admission.reached is not None


async def test_limits_change_one_by_one_and_are_told_to_the_audit_log(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=5))
    assert bob.key_id is not None
    await limit_key(database, asker, bob.key_id, {"cost_per_month": 2.5})
    (listed,) = (await list_keys(database, asker, Excerpt())).items
    assert listed.rights.limits == SpendingLimits(tokens_per_day=5, cost_per_month=2.5)
    await limit_key(database, asker, bob.key_id, {"tokens_per_day": None})
    await limit_tenant(database, asker, asker.tenant.name, {"cost_per_day": 3, "tokens_per_day": 7})
    await limit_tenant(database, asker, asker.tenant.name, {"cost_per_day": None})
    assert [standing.name for standing in await tenant_standings(database, asker)] == ["tokens_per_day"]
    rows: list[Any] = admin.execute(
        "SELECT detail -> 'limits' FROM ragstone.audit WHERE subject IN (%s, %s) AND action LIKE '%%.changed'"
        " ORDER BY id",
        (bob.key_id, asker.tenant.name),
    ).fetchall()
    assert [row[0] for row in rows] == [
        {"tokens_per_day": 5, "cost_per_month": 2_500_000},
        {"cost_per_month": 2_500_000},
        {"cost_per_day": 3_000_000, "tokens_per_day": 7},
        {"tokens_per_day": 7},
    ]
    with pytest.raises(NotFoundError):
        await limit_key(database, asker, "key_none", {"cost_per_month": 2.5})
    with pytest.raises(NotFoundError):
        await key_standings(database, asker, "key_\0")
    with pytest.raises(NotFoundError):
        await limit_tenant(database, asker, "nobody's", {"cost_per_month": 2.5})


async def test_keys_of_another_tenant_are_neither_limited_nor_shown(database: Database, asker: Asker) -> None:
    stranger = everything(await database.tenant(f"stranger to {asker.tenant.name}"), "test")
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=5))
    assert bob.key_id is not None
    with pytest.raises(NotFoundError):
        await limit_key(database, stranger, bob.key_id, {"tokens_per_day": 6})
    with pytest.raises(NotFoundError):
        await key_standings(database, stranger, bob.key_id)
    meter = PostgresMeter(database, bob)
    reservation = await meter.reserve(Usage(5))
    await PostgresMeter(database, stranger).settle(reservation, Usage())
    assert await used(database, bob) == {"tokens_per_day": 5}
    # A key of another tenant is none at all.
    foreign = PostgresMeter(database, replace(stranger, key_id=bob.key_id))
    await foreign.settle(await foreign.reserve(Usage(6)), Usage(6, calls=1))
    assert await used(database, bob) == {"tokens_per_day": 5}
    assert await spent_with_keys(database, asker, LONG_AGO) == []


async def test_a_key_with_limits_gives_away_none_that_are_higher(database: Database, asker: Asker) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(cost_per_month=10))
    assert bob.key_id is not None
    for limits in (SpendingLimits(), SpendingLimits(cost_per_day=1), SpendingLimits(cost_per_month=10.01)):
        with pytest.raises(PermissionDeniedError, match=r"10\.00 in cost per month|10 in cost per month"):
            await add_key(database, bob, new_key(), KeyRights(READ, limits=limits))
    with pytest.raises(PermissionDeniedError):
        await limit_key(database, bob, bob.key_id, {"cost_per_month": 11})
    lower = SpendingLimits(cost_per_month=9, tokens_per_day=1)
    public_id = await add_key(database, bob, new_key(), KeyRights(READ, limits=lower))
    with pytest.raises(PermissionDeniedError):
        await limit_key(database, bob, public_id, {"cost_per_month": None})


async def test_a_rotated_key_goes_on_with_what_is_used(database: Database, asker: Asker) -> None:
    bob, _ = await holder(database, asker, SpendingLimits(tokens_per_day=1000, requests_per_day=2))
    assert bob.key_id is not None
    meter = PostgresMeter(database, bob)
    await meter.settle(await meter.reserve(Usage(600)), Usage(600, calls=1))
    following, key, _ = await rotate_key(database, asker, bob.key_id, timedelta(hours=1))
    third, _, _ = await rotate_key(database, asker, following, timedelta(hours=1))
    renewed = replace(bob, key_id=third)
    assert (await used(database, renewed))["tokens_per_day"] == 600
    with pytest.raises(RateLimitedError):
        await PostgresMeter(database, renewed).reserve(Usage(401))
    await PostgresMeter(database, renewed).reserve(Usage(400))
    with pytest.raises(RateLimitedError):
        await meter.reserve(Usage(1))
    await admit(database, key.hash)
    assert (await used(database, bob))["requests_per_day"] == 1


async def test_what_all_tenants_spend_is_summed_by_day(database: Database, asker: Asker) -> None:
    for key_id in ("", "key_a"):
        meter = PostgresMeter(database, replace(asker, key_id=key_id))
        await meter.settle(await meter.reserve(ANSWER), ANSWER)
    rows = [spent for spent in await spent_by_tenants(database, LONG_AGO) if spent.subject == asker.tenant.name]
    assert [(spent.answers, spent.input_tokens, spent.cost) for spent in rows] == [(2, 1800, 0.02)]
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert await spent_by_tenants(database, tomorrow) == []


async def test_what_is_not_needed_any_more_is_forgotten(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    bob, key = await holder(database, asker, SpendingLimits(requests_per_day=5))
    await admit(database, key.hash)
    await PostgresMeter(database, bob).reserve(ANSWER)
    shift(admin, asker.tenant, timedelta(days=32))
    admin.execute("UPDATE ragstone.spending SET day = day - %s WHERE tenant_id = %s", (KEPT_DAYS + 1, asker.tenant.id))
    await admit(database, key.hash)
    admin.execute("DELETE FROM ragstone.api_key WHERE tenant_id = %s", (asker.tenant.id,))
    assert await forget_spending(database) >= 3
    left = {
        table: admin.execute(
            f"SELECT count(*) FROM ragstone.{table} WHERE tenant_id = %s".encode(), (asker.tenant.id,)
        ).fetchall()[0][0]
        for table in ("account", "reservation", "spending")
    }
    assert left == {"account": 1, "reservation": 0, "spending": 1}


async def test_counting_limiting_and_rotating_at_once_holds_nobody_up_and_loses_nothing(
    database: Database, asker: Asker, others: tuple[Database, ...]
) -> None:
    bob, key = await holder(database, asker, SpendingLimits(requests_per_day=10**6, tokens_per_day=10**9))
    ann, _ = await holder(database, asker)
    assert bob.key_id is not None
    pools = (database, *others)

    async def answers(number: int) -> None:
        meter = PostgresMeter(pools[number % 4], (bob, ann)[number % 2])
        for _ in range(15):
            await meter.settle(await meter.reserve(Usage(1000)), Usage(10, calls=1))

    async def requests(number: int) -> None:
        for _ in range(15):
            assert await admit(pools[number % 4], key.hash) is not None

    async def limits(number: int) -> None:
        for turn in range(8):
            await limit_key(pools[number], asker, str(bob.key_id), {"requests_per_month": (None, 10**6)[turn % 2]})
            await limit_tenant(pools[number], asker, asker.tenant.name, {"requests_per_day": (None, 10**6)[turn % 2]})
            await rotate_key(pools[number], asker, str(ann.key_id), timedelta(hours=1))
            await forget_spending(pools[number])

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(answers(number))
            group.create_task(requests(number))
        for number in range(2):
            group.create_task(limits(number))
    assert await used(database, bob) == {
        "requests_per_day": 90,
        "requests_per_month": 90,
        "tokens_per_day": 450,
    }
    assert await used(database, asker) == {"requests_per_day": 90}
    spent = {one.subject: one for one in await spent_with_keys(database, asker, LONG_AGO)}
    assert (spent[bob.key_id].requests, spent[bob.key_id].input_tokens) == (90, 450)
    assert spent[str(ann.key_id)].input_tokens == 450


async def test_a_tenant_with_a_database_of_its_own_spends_in_the_installation_s(
    database: Database, asker: Asker, admin: psycopg.Connection
) -> None:
    # As a move leaves it: nothing of its contents is read or written here any more.
    admin.execute(
        "UPDATE ragstone.tenant SET database = 'vault', readable_shards = '{}', writable_shard = NULL"
        " WHERE tenant_id = %s",
        (asker.tenant.id,),
    )
    bob, key = await holder(database, asker, SpendingLimits(requests_per_day=1, tokens_per_day=1000))
    admission = await admit(database, key.hash)
    assert admission is not None
    assert (admission.asker.tenant.database, admission.reached) == ("vault", None)
    meter = PostgresMeter(database, bob)
    await meter.settle(await meter.reserve(ANSWER), ANSWER)
    await limit_tenant(database, asker, asker.tenant.name, {"tokens_per_month": 1500})
    assert await used(database, bob) == {"requests_per_day": 1, "tokens_per_day": 1000}
    assert await used(database, asker) == {"tokens_per_month": 1000}
    (spent,) = await spent_with_keys(database, asker, LONG_AGO)
    assert (spent.requests, spent.answers) == (1, 1)


async def test_a_tenant_that_is_removed_takes_all_with_it_and_spends_nothing_more(
    database: Database, asker: Asker
) -> None:
    bob, key = await holder(database, asker, SpendingLimits(requests_per_day=5))
    await admit(database, key.hash)
    meter = PostgresMeter(database, bob)
    reservation = await meter.reserve(ANSWER)
    await meter.settle(await meter.reserve(ANSWER), ANSWER)
    databases = Databases(database, {})
    report = await Remover(databases, asker).delete(asker.tenant.name)
    assert report.complete
    assert {table: report.removed[table] for table in ("account", "reservation", "spending", "api_key")} == {
        "account": 2,
        "reservation": 1,
        "spending": 1,
        "api_key": 1,
    }
    await meter.settle(reservation, ANSWER)
    with pytest.raises(TenantMovingError):
        await meter.reserve(ANSWER)
    assert await admit(database, key.hash) is None
    assert await admit_tenant(database, asker.tenant.name) is None
