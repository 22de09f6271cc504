"""What the claims of a checked token say in the house's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ragstone.access.config import IssuerConfig
from ragstone.domain import Scope
from ragstone.errors import AuthenticationError, PermissionDeniedError

LEEWAY_SECONDS = 30.0  # how far the issuer's clock may be from ours
MAX_NAME = 255  # characters of a user's or a tenant's name; OIDC Core allows as many for `sub`
_LAST_SECOND = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class Claims:
    """Who a token speaks for."""

    tenant: str  # its name
    user: str
    groups: tuple[str, ...]
    scopes: frozenset[Scope]  # some of read, write, admin
    expires_at: datetime  # UTC


def refusal(why: str, remedy: str = "Get a new token from the issuer") -> AuthenticationError:
    """The error for a token that is not accepted."""
    return AuthenticationError("The token is not accepted", why=why, remedy=remedy)


def claims_of(payload: Mapping[str, object], config: IssuerConfig, now: float) -> Claims:
    """Translate the claims of a token whose signature, issuer and audience were checked.

    Args:
        payload: The token's claims.
        config: Of its issuer.
        now: Seconds since 1970.

    Raises:
        AuthenticationError: The token is not valid now, or a claim is missing or of the wrong type.
        PermissionDeniedError: The token names a tenant that its issuer has no say in.
    """
    expires = _checked_times(payload, now)
    granted = {config.scopes[word] for word in _words(payload, config.scope_claim) if word in config.scopes}
    return Claims(
        tenant=_tenant(payload, config),
        user=_user(payload, config),
        groups=_words(payload, config.groups_claim),
        scopes=config.default_scopes | granted,
        expires_at=datetime.fromtimestamp(expires, UTC),
    )


def _checked_times(payload: Mapping[str, object], now: float) -> float:
    expires = _seconds(payload, "exp")
    if expires is None:
        raise refusal("it has no claim exp")
    if expires <= now - LEEWAY_SECONDS:
        raise refusal("it has expired")
    for claim in ("nbf", "iat"):
        if (_seconds(payload, claim) or 0) > now + LEEWAY_SECONDS:
            raise refusal(f"it is not yet valid by its claim {claim}", "Compare the issuer's clock with this one")
    return expires


def _seconds(payload: Mapping[str, object], claim: str) -> float | None:
    value = payload.get(claim)
    if value is None:
        return None
    # A boolean is an integer to Python; the comparison refuses NaN as well.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise refusal(f"its claim {claim} is no time in seconds since 1970")
    return value


def _tenant(payload: Mapping[str, object], config: IssuerConfig) -> str:
    if config.tenant_claim is None:
        assert config.tenant is not None  # IssuerConfig has exactly one of them
        return config.tenant
    tenant = _name(payload, config.tenant_claim)
    if config.tenants and tenant not in config.tenants:
        raise PermissionDeniedError(
            "The token names a tenant that it cannot act for",
            why="its issuer is not allowed this tenant",
            remedy="Add the tenant to the issuer's setting tenants",
        )
    return tenant


def _user(payload: Mapping[str, object], config: IssuerConfig) -> str:
    # Whoever may type an address of their own could else become the person who has it.
    if config.user_claim == "email" and payload.get("email_verified") is not True:
        raise refusal("its e-mail address is not verified", "Verify the address, or name another user_claim")
    return _name(payload, config.user_claim)


def _name(payload: Mapping[str, object], claim: str) -> str:
    """A single name; a list with one is one."""
    value = _look_up(payload, claim)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME or not value.isprintable():
        raise refusal(f"its claim {claim} is not one name", "Let the issuer put a single name into this claim")
    return value


def _words(payload: Mapping[str, object], claim: str) -> tuple[str, ...]:
    """Names without repetitions; a list is taken as it is, a string falls apart at spaces."""
    value = _look_up(payload, claim)
    if value is None:
        return ()
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word.isprintable() for word in words):
        raise refusal(f"its claim {claim} is no list of names", "Let the issuer put a list of strings into this claim")
    return tuple(dict.fromkeys(word for word in words if word))


def _look_up(payload: Mapping[str, object], claim: str) -> object:
    """The value of a claim by its name, which may contain dots, else by its path."""
    if claim in payload:
        return payload[claim]
    value: object = payload
    for step in claim.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value
