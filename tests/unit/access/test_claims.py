from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ragstone.access.claims import LEEWAY_SECONDS, MAX_NAME, Claims, claims_of
from ragstone.access.config import IssuerConfig
from ragstone.domain import Scope
from ragstone.errors import AuthenticationError, PermissionDeniedError

NOW = 1_800_000_000.0
OF_A_TENANT: dict[str, Any] = {"tenant": "acme"}
BY_CLAIM: dict[str, Any] = {"tenant_claim": "org"}


def translate(settings: dict[str, Any] = OF_A_TENANT, **claims: Any) -> Claims:
    config = IssuerConfig(issuer="https://login.example.com", audience="ragstone", **settings)
    payload = {"sub": "alice", "exp": NOW + 300, **claims}
    return claims_of({name: value for name, value in payload.items() if value is not ...}, config, NOW)


def test_the_least_token_speaks_for_its_subject_and_may_read() -> None:
    expires = datetime.fromtimestamp(NOW + 300, UTC)
    assert translate() == Claims("acme", "alice", (), frozenset({Scope.READ}), expires)


@pytest.mark.parametrize("late", [0, LEEWAY_SECONDS - 1])
def test_a_token_is_good_until_it_expires_and_a_little_longer(late: float) -> None:
    assert translate(exp=NOW - late).expires_at.timestamp() == NOW - late


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - LEEWAY_SECONDS}, "has expired"),
        ({"exp": 0}, "has expired"),
        ({"exp": ...}, "no claim exp"),
        ({"exp": None}, "no claim exp"),
        ({"nbf": NOW + LEEWAY_SECONDS + 1}, "not yet valid by its claim nbf"),
        ({"iat": NOW + LEEWAY_SECONDS + 1}, "not yet valid by its claim iat"),
    ],
)
def test_a_token_out_of_its_time_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(AuthenticationError, match=why):
        translate(**claims)


def test_clocks_may_differ_a_little() -> None:
    assert translate(nbf=NOW + LEEWAY_SECONDS, iat=NOW + LEEWAY_SECONDS).user == "alice"


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", ["1800000300", True, [], {}, -1, float("nan"), float("inf"), 1e300, 10**400, 253402300800]
)
def test_a_time_that_is_none_is_refused(claim: str, value: object) -> None:
    with pytest.raises(AuthenticationError, match=f"its claim {claim} is no time"):
        translate(**dict[str, Any]({claim: value}))


@pytest.mark.parametrize(
    "settings",
    [{"user_claim": "preferred_username"}, {"user_claim": "https://example.com/user"}, {"user_claim": "person.name"}],
)
def test_the_user_is_named_by_a_claim_of_ones_choice(settings: dict[str, Any]) -> None:
    claims: dict[str, Any] = {
        "preferred_username": "bob",
        "https://example.com/user": "bob",
        "person": {"name": "bob"},
    }
    assert translate({**OF_A_TENANT, **settings}, **claims).user == "bob"


@pytest.mark.parametrize(
    "value",
    [..., None, "", " ", 7, {}, [], ["a", "b"], [7], "a\x00b", "a\nb", "\ud800", "\u202e", "x" * (MAX_NAME + 1)],
)
def test_a_user_or_tenant_that_is_not_one_printable_name_is_refused(value: object) -> None:
    with pytest.raises(AuthenticationError, match="its claim sub is not one name"):
        translate(sub=value)
    with pytest.raises(AuthenticationError, match="its claim org is not one name"):
        translate(BY_CLAIM, org=value)


@pytest.mark.parametrize("verified", [..., False, "true", 1])
def test_an_address_that_is_not_verified_is_nobodys_name(verified: object) -> None:
    settings = {**OF_A_TENANT, "user_claim": "email"}
    assert translate(settings, email="a@example.com", email_verified=True).user == "a@example.com"
    with pytest.raises(AuthenticationError, match="not verified"):
        translate(settings, email="a@example.com", email_verified=verified)


@pytest.mark.parametrize("value", ["globex", ["globex"]])
def test_a_claim_can_name_the_tenant(value: object) -> None:
    assert translate(BY_CLAIM, org=value).tenant == "globex"


def test_an_issuer_names_no_tenants_but_those_it_is_allowed() -> None:
    settings = {**BY_CLAIM, "tenants": frozenset({"acme", "globex"})}
    assert translate(settings, org="globex").tenant == "globex"
    with pytest.raises(PermissionDeniedError, match="not allowed this tenant") as refused:
        translate(settings, org="initech")
    assert "initech" not in str(refused.value)


def test_without_a_tenant_claim_the_token_has_no_say_in_the_tenant() -> None:
    assert translate(org="globex", tenant="globex").tenant == "acme"


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        (..., ()),
        (None, ()),
        ([], ()),
        ("", ()),
        (["hr", "finance", "hr", ""], ("hr", "finance")),
        ("hr  finance", ("hr", "finance")),
        (["human resources"], ("human resources",)),
    ],
)
def test_groups_are_a_list_or_words(value: object, groups: tuple[str, ...]) -> None:
    assert translate(groups=value).groups == groups


@pytest.mark.parametrize("value", [7, True, {"hr": 1}, ["hr", 7], [["hr"]], ["a\x00"], "a\x00", ["\ud800"]])
def test_groups_of_another_type_are_refused(value: object) -> None:
    with pytest.raises(AuthenticationError, match="its claim groups is no list of names"):
        translate(groups=value)


@pytest.mark.parametrize(
    ("path", "groups"),
    [
        ("realm_access.roles", ("hr",)),
        ("resource_access.ragstone.roles", ("editor",)),
        ("https://example.com/groups", ("sales",)),
        ("realm_access.none", ()),
        ("realm_access.roles.deeper", ()),
        ("none.roles", ()),
    ],
)
def test_groups_are_found_by_a_dotted_path_or_by_a_name_with_dots(path: str, groups: tuple[str, ...]) -> None:
    claims: dict[str, Any] = {
        "realm_access": {"roles": ["hr"]},
        "resource_access": {"ragstone": {"roles": ["editor"]}},
        "https://example.com/groups": ["sales"],
    }
    assert translate({**OF_A_TENANT, "groups_claim": path}, **claims).groups == groups


@pytest.mark.parametrize(
    ("settings", "claims", "scopes"),
    [
        ({}, {"scope": "read write admin"}, {"read"}),
        ({"default_scopes": frozenset()}, {}, set()),
        ({"scopes": {"ragstone.write": "write"}}, {"scope": "openid ragstone.write"}, {"read", "write"}),
        ({"scopes": {"ragstone.write": "write"}}, {"scope": "ragstone.writer"}, {"read"}),
        ({"scopes": {"a": "write", "b": "admin"}}, {"scope": ["a", "b"]}, {"read", "write", "admin"}),
        (
            {"scopes": {"ed": "write"}, "scope_claim": "realm_access.roles", "default_scopes": frozenset()},
            {"realm_access": {"roles": ["ed", "hr"]}},
            {"write"},
        ),
    ],
)
def test_scopes_are_the_default_ones_and_those_that_a_claim_stands_for(
    settings: dict[str, Any], claims: dict[str, Any], scopes: set[str]
) -> None:
    assert translate({**OF_A_TENANT, **settings}, **claims).scopes == scopes
