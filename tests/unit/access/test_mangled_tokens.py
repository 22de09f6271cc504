"""Whatever is sent as a token: it is refused as one, or it says something that can be stored."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from issuer import Keys, LocalIssuer, encoded, signed
from unit.access.conftest import Clock

from ragstone.access.claims import Claims
from ragstone.access.config import SCOPES, IssuerConfig
from ragstone.access.issuers import Issuers
from ragstone.domain import Scope
from ragstone.errors import AuthenticationError, PermissionDeniedError

Verify = Callable[[str], Claims]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.integers(min_value=10**300, max_value=10**301)
    | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SEGMENT = st.text(string.ascii_letters + string.digits + "-_=+/", max_size=60) | st.binary(max_size=60).map(encoded)
CLAIMS = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "org", "groups", "roles", "email"]
HEADERS = ["alg", "kid", "typ", "crit", "b64", "cty", "jku", "x5u", "jwk", "x5c", "x5t", "zip", "enc"]


@pytest.fixture(scope="module")
def running(keys: Keys) -> Iterator[LocalIssuer]:
    with LocalIssuer(now=Clock(), keys=keys) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def verify(running: LocalIssuer) -> Iterator[Verify]:
    """Checks a token for a service that takes all it can from it."""
    clock = Clock()
    config = IssuerConfig(
        issuer=running.url, audience="ragstone", tenant_claim="org", scopes={"w": Scope.WRITE}, scope_claim="roles.all"
    )
    issuers = Issuers([config], now=clock, clock=clock)
    with asyncio.Runner() as runner:
        yield lambda token: runner.run(issuers.verify(token))


def mint(issuer: LocalIssuer, header: dict[str, Any] | None = None, **claims: Any) -> str:
    return issuer.mint("ES256", header, **{"org": "acme", "groups": ["hr"], "roles": {"all": "w"}, **claims})


def test_the_token_that_is_mangled_here_is_a_good_one(running: LocalIssuer, verify: Verify) -> None:
    claims = verify(mint(running))
    assert (claims.tenant, claims.user, claims.groups) == ("acme", "alice", ("hr",))
    assert claims.scopes == {Scope.READ, Scope.WRITE}


@given(token=st.text() | st.lists(SEGMENT, max_size=6).map(".".join))
@example(token="\ud800.\ud800.\ud800")
def test_any_text_is_refused(verify: Verify, token: str) -> None:
    with pytest.raises(AuthenticationError):
        verify(token)


@given(header=JSON, payload=JSON, signature=st.binary(max_size=80))
def test_any_json_in_a_segment_is_refused(verify: Verify, header: Any, payload: Any, signature: bytes) -> None:
    with pytest.raises(AuthenticationError):
        verify(f"{encoded(header)}.{encoded(payload)}.{encoded(signature)}")


@given(data=st.data())
def test_a_token_with_another_character_anywhere_is_refused(
    running: LocalIssuer, verify: Verify, data: st.DataObject
) -> None:
    token = mint(running)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[place]))
    with pytest.raises(AuthenticationError):
        verify(token[:place] + other + token[place + 1 :])


@given(data=st.data())
def test_a_token_that_is_cut_or_doubled_anywhere_is_refused(
    running: LocalIssuer, verify: Verify, data: st.DataObject
) -> None:
    token = mint(running)
    place = data.draw(st.integers(1, len(token) - 1))
    for mangled in (token[:place], token[place + 1 :], token[:place] + token, token + token[place:]):
        with pytest.raises(AuthenticationError):
            verify(mangled)


@given(
    order=st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(lambda order: order not in ([0, 1, 2], [3, 4, 5]))
)
def test_segments_of_two_tokens_in_any_other_order_are_refused(
    running: LocalIssuer, verify: Verify, order: list[int]
) -> None:
    header, claims, signature = mint(running).split(".")
    other = mint(running, {"cty": "x"}, sub="bob").split(".")
    parts = [header, claims, signature, *other]
    with pytest.raises(AuthenticationError):
        verify(".".join(parts[place] for place in order))


@given(header=st.dictionaries(st.sampled_from(HEADERS) | st.text(max_size=5), JSON, min_size=1, max_size=3))
@example(header={"kid": ["a"]})
@example(header={"alg": ["ES256"]})
@example(header={"typ": {}})
@example(header={"crit": []})
def test_a_signed_header_with_anything_in_it_is_refused_or_has_no_say(
    running: LocalIssuer, verify: Verify, header: dict[str, Any]
) -> None:
    check(verify, mint(running, header))


@given(
    claims=st.dictionaries(st.sampled_from(CLAIMS), JSON, min_size=1, max_size=3),
    deep=st.none() | st.integers(1, 1500),
)
@example(claims={"exp": float("inf"), "nbf": float("nan")}, deep=None)
@example(claims={"groups": ["\x00"]}, deep=1500)
def test_signed_claims_of_any_type_are_refused_or_can_be_stored(
    running: LocalIssuer, verify: Verify, claims: dict[str, Any], deep: int | None
) -> None:
    token = mint(running, **claims)
    if deep is not None:
        kid, key = running.key("ES256")
        payload = b'{"iss": "%s", "aud": %s}' % (running.url.encode(), b"[" * deep + b"]" * deep)
        token = signed({"alg": "ES256", "kid": kid}, payload, "ES256", key)
    check(verify, token)


def check(verify: Verify, token: str) -> None:
    try:
        claims = verify(token)
    except (AuthenticationError, PermissionDeniedError) as error:
        assert token not in str(error)  # noqa: PT017 - most tokens are refused, and this holds for all of those
        return
    names = [claims.tenant, claims.user, *claims.groups]
    assert all(name.isprintable() and name.encode() for name in names)
    assert claims.scopes <= SCOPES
    assert claims.expires_at.year >= 2027


def test_all_of_that_fetches_the_keys_once(running: LocalIssuer) -> None:
    assert set(running.fetches.values()) == {1}
