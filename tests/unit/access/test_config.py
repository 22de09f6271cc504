from __future__ import annotations

from typing import Any

import pytest

from ragstone.access.config import IssuerConfig, is_trusted_address
from ragstone.domain import Scope
from ragstone.errors import SettingsError

SOUND: dict[str, Any] = {"issuer": "https://login.example.com/realms/a", "audience": "ragstone", "tenant": "acme"}


def config(**changes: Any) -> IssuerConfig:
    return IssuerConfig(**{**SOUND, **changes})


def test_the_least_that_has_to_be_said_is_enough_and_gives_read_alone() -> None:
    assert config().default_scopes == {Scope.READ}


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.com",
        "https://login.example.com/",
        "https://login.example.com:8443/realms/a",
        "http://127.0.0.1:8080/realms/a",
        "http://localhost:8080",
        "http://[::1]:8080",
    ],
)
def test_an_address_with_https_or_on_this_machine_is_an_issuer(issuer: str) -> None:
    assert config(issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "login.example.com",
        "http://login.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://",
        "https://[::1",
        "https://login.example.com:port",
        "https://user:secret@login.example.com",
        "https://login.example.com/?a=b",
        "https://login.example.com/#here",
    ],
)
def test_any_other_address_is_refused_before_anything_is_fetched(issuer: str) -> None:
    with pytest.raises(SettingsError, match=r"https:// address.*\[\[oidc\]\]"):
        config(issuer=issuer)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"audience": ""}, "audience is empty"),
        ({"tenant": None}, "exactly one of tenant and tenant_claim"),
        ({"tenant_claim": "org"}, "exactly one of tenant and tenant_claim"),
        ({"tenants": frozenset({"acme"})}, "there is no tenant_claim"),
        ({"tenant": ""}, "cannot be empty"),
        ({"user_claim": ""}, "cannot be empty"),
        ({"scopes": {"ragstone.write": "wirte"}}, "'wirte' is no scope of a token"),
        ({"scopes": {"ragstone.root": Scope.OPERATOR}}, "'operator' is no scope of a token"),
        ({"default_scopes": frozenset({Scope.IMPERSONATE})}, "'impersonate' is no scope of a token"),
    ],
)
def test_settings_that_do_not_fit_say_why(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        config(**changes)


@pytest.mark.parametrize(
    ("address", "referrer", "trusted"),
    [
        ("https://keys.example.net/jwks", "https://login.example.com", True),
        ("http://127.0.0.1:8080/jwks", "http://localhost:8080", True),
        ("http://127.0.0.1:8080/jwks", "https://login.example.com", False),
        ("http://keys.example.net/jwks", "http://127.0.0.1:8080", False),
        ("file:///etc/passwd", "http://127.0.0.1:8080", False),
    ],
)
def test_an_issuer_elsewhere_cannot_send_us_to_plain_http(address: str, referrer: str, *, trusted: bool) -> None:
    assert is_trusted_address(address, referrer=referrer) is trusted
