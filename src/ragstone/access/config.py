"""What an operator says of an OpenID Connect issuer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ragstone.domain import Scope
from ragstone.errors import SettingsError

SCOPES = frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN})  # what a token can have; the others need an API key


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """One issuer: which of its tokens are accepted, and what their claims mean here.

    A claim is named as it stands in the token, or by a dotted path such as `realm_access.roles` into objects.

    Raises:
        SettingsError: The address is not one to trust keys from, or the settings contradict each other.
    """

    issuer: str  # as the claim `iss` has it, letter for letter
    audience: str  # what the claim `aud` has to name
    tenant: str | None = None  # of every token of this issuer
    tenant_claim: str | None = None  # else the claim that names the tenant
    tenants: frozenset[str] = frozenset()  # those that the claim may name; empty: any
    user_claim: str = "sub"
    groups_claim: str = "groups"  # a list, or words in one string
    scope_claim: str = "scope"  # a list, or words in one string
    scopes: Mapping[str, Scope] = field(default_factory=dict)  # what a value of that claim gives
    default_scopes: frozenset[Scope] = frozenset({Scope.READ})  # of every token, whatever its claims
    ca_file: Path | None = None  # PEM file of the authorities that its TLS is checked against; None: the system's

    def __post_init__(self) -> None:
        problem = next(_problems(self), None)
        if problem is not None:
            what = f"The settings of the OpenID Connect issuer {self.issuer!r} do not fit"
            raise SettingsError(what, why=problem, remedy="Correct its [[oidc]] block in the settings file")


def is_trusted_address(url: str, *, referrer: str | None = None) -> bool:
    """Whether keys may be fetched from there: https, or plain http that does not leave this machine.

    An address that `referrer` gave may be plain http only when the referrer is as well: nobody weakens https.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # both are read: a port that is no number raises
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    may_be_plain = _is_loopback(host) and (referrer is None or urlsplit(referrer).scheme == "http")
    return parts.scheme == "https" or (parts.scheme == "http" and may_be_plain)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _problems(config: IssuerConfig) -> Iterator[str]:
    if not is_trusted_address(config.issuer) or urlsplit(config.issuer).query:
        yield "the issuer has to be an https:// address without user, query and fragment; http:// is for loopback only"
    if not config.audience:
        yield "the audience is empty"
    if (config.tenant is None) is (config.tenant_claim is None):
        yield "exactly one of tenant and tenant_claim has to be set"
    if config.tenants and config.tenant_claim is None:
        yield "tenants restricts what tenant_claim names, and there is no tenant_claim"
    names = (config.tenant, config.tenant_claim, config.user_claim, config.groups_claim, config.scope_claim)
    if "" in names:
        yield "a tenant and the name of a claim cannot be empty"
    unknown = sorted({*config.scopes.values(), *config.default_scopes} - SCOPES)
    if unknown:
        yield f"{str(unknown[0])!r} is no scope of a token, there are read, write and admin"
