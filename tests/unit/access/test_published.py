from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from issuer import CONFIGURATION, KEYS, LocalIssuer
from unit.access.conftest import Clock

from ragstone.access.issuers import Issuers
from ragstone.access.published import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS
from ragstone.errors import AuthenticationError, IssuerUnavailableError

pytestmark = pytest.mark.anyio

ONCE = {CONFIGURATION: 1, KEYS: 1}
TWICE = {CONFIGURATION: 2, KEYS: 2}
LONG = 2 * STALE_SECONDS  # how long the tokens of these tests live


def long_lived(issuer: LocalIssuer, **header: object) -> str:
    return issuer.mint("ES256", header, exp=int(issuer.now() + LONG))


async def fetched(issuer: LocalIssuer, expected: dict[str, int]) -> None:
    """Wait for a fetch in the background."""
    async with asyncio.timeout(20):
        while issuer.fetches != expected:
            await asyncio.sleep(0.001)


async def test_keys_are_fetched_when_the_first_token_comes_and_then_kept(issuer: LocalIssuer, issuers: Issuers) -> None:
    assert not issuer.fetches
    for _ in range(3):
        await issuers.verify(issuer.mint())
    assert issuer.fetches == ONCE


async def test_many_first_requests_fetch_once(issuer: LocalIssuer, issuers: Issuers) -> None:
    tokens = [issuer.mint(algorithm, sub=f"user {n}") for n in range(10) for algorithm in ("RS256", "ES256")]
    claims = await asyncio.gather(*map(issuers.verify, tokens))
    assert [claim.user for claim in claims] == [f"user {n}" for n in range(10) for _ in range(2)]
    assert issuer.fetches == ONCE


async def test_who_goes_away_does_not_take_the_others_keys_along(issuer: LocalIssuer, issuers: Issuers) -> None:
    issuer.gate.clear()
    first = asyncio.create_task(issuers.verify(issuer.mint()))
    await fetched(issuer, {CONFIGURATION: 1})
    second = asyncio.create_task(issuers.verify(issuer.mint(sub="bob")))
    await asyncio.sleep(0)  # until it waits for the same fetch
    first.cancel()
    issuer.gate.set()
    assert (await second).user == "bob"
    assert first.cancelled()
    assert issuer.fetches == ONCE


async def test_keys_that_are_no_longer_fresh_are_fetched_again(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    token = long_lived(issuer)
    await issuers.verify(token)
    clock.move(FRESH_SECONDS - 1)
    await issuers.verify(token)
    assert issuer.fetches == ONCE
    clock.move(1)
    await issuers.verify(token)
    assert issuer.fetches == TWICE


async def test_a_rotated_key_is_fetched_with_the_first_token_that_it_signs(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    await issuers.verify(issuer.mint())
    clock.move(PAUSE_SECONDS)
    issuer.rotate()
    assert (await issuers.verify(issuer.mint(sub="bob"))).user == "bob"
    assert issuer.fetches == TWICE


async def test_a_withdrawn_key_is_refused_once_the_others_are_no_longer_fresh(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    token = long_lived(issuer)
    await issuers.verify(token)
    issuer.rotate()
    await issuers.verify(token)
    clock.move(FRESH_SECONDS)
    with pytest.raises(AuthenticationError, match="no key as the token's header names it"):
        await issuers.verify(token)


async def test_a_flood_of_invented_keys_fetches_once_in_a_while(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    await issuers.verify(issuer.mint())
    for second in range(10):
        for n in range(20):
            with pytest.raises(AuthenticationError):
                await issuers.verify(issuer.mint(header={"kid": f"invented {second} {n}"}))
        clock.move(1)
    assert issuer.fetches == TWICE
    assert (await issuers.verify(issuer.mint())).user == "alice"


async def test_a_flood_does_not_keep_a_rotated_key_out(issuer: LocalIssuer, issuers: Issuers, clock: Clock) -> None:
    await issuers.verify(issuer.mint())
    issuer.rotate()
    token = issuer.mint()
    for _ in range(2 * int(PAUSE_SECONDS)):
        clock.move(1)
        with pytest.raises(AuthenticationError):
            await issuers.verify(issuer.mint(header={"kid": "invented"}))
    assert (await issuers.verify(token)).user == "alice"


async def test_the_old_keys_serve_while_the_issuer_is_down(issuer: LocalIssuer, issuers: Issuers, clock: Clock) -> None:
    token = long_lived(issuer)
    await issuers.verify(token)
    issuer.go_down()
    clock.move(STALE_SECONDS - 1)
    assert (await issuers.verify(token)).user == "alice"
    clock.move(1)
    with pytest.raises(IssuerUnavailableError, match="cannot be reached"):
        await issuers.verify(token)


async def test_in_an_outage_only_the_first_request_waits(issuer: LocalIssuer, issuers: Issuers, clock: Clock) -> None:
    token = long_lived(issuer)
    await issuers.verify(token)
    issuer.go_down()
    clock.move(FRESH_SECONDS)
    await issuers.verify(token)  # learns of the outage
    issuer.gate.clear()  # the issuer does not even hang up any more
    clock.move(PAUSE_SECONDS)
    async with asyncio.timeout(20):
        await issuers.verify(token)
    await fetched(issuer, {CONFIGURATION: 3, KEYS: 1})
    issuer.come_back()
    issuer.gate.set()
    await fetched(issuer, {CONFIGURATION: 3, KEYS: 2})
    await issuers.close()


async def test_a_key_that_nobody_knows_in_an_outage_is_no_fault_of_the_token(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    await issuers.verify(issuer.mint())
    issuer.rotate()
    issuer.go_down()
    clock.move(PAUSE_SECONDS)
    with pytest.raises(IssuerUnavailableError):
        await issuers.verify(issuer.mint())
    issuer.come_back()
    clock.move(PAUSE_SECONDS)
    assert (await issuers.verify(issuer.mint())).user == "alice"
    with pytest.raises(AuthenticationError):
        await issuers.verify(issuer.mint(header={"kid": "invented"}))


async def test_an_issuer_that_was_never_reached_is_asked_once_in_a_while(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    issuer.go_down()
    for _ in range(3):
        with pytest.raises(IssuerUnavailableError, match=issuer.url):
            await issuers.verify(issuer.mint())
    assert issuer.fetches == {CONFIGURATION: 1}
    issuer.come_back()
    clock.move(PAUSE_SECONDS)
    assert (await issuers.verify(issuer.mint())).user == "alice"


async def test_unusable_keys_do_not_replace_the_old_ones(issuer: LocalIssuer, issuers: Issuers, clock: Clock) -> None:
    token = long_lived(issuer)
    await issuers.verify(token)
    issuer.overrides[KEYS] = b'{"keys": []}'
    clock.move(FRESH_SECONDS)
    assert (await issuers.verify(token)).user == "alice"


async def test_closing_ends_a_fetch_under_way(issuer: LocalIssuer, accepting: Callable[..., Issuers]) -> None:
    issuers = accepting()
    await issuers.close()  # nothing is under way
    issuer.gate.clear()
    waiting = asyncio.create_task(issuers.verify(issuer.mint()))
    await fetched(issuer, {CONFIGURATION: 1})
    async with asyncio.timeout(20):
        await issuers.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
