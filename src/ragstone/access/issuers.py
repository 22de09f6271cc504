"""Checks bearer tokens (JWT, RFC 7519) of any number of OpenID Connect issuers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jwt

from ragstone.access.claims import Claims, claims_of, refusal
from ragstone.access.config import IssuerConfig
from ragstone.access.discovery import Discovery
from ragstone.access.keyset import ALGORITHMS, Key
from ragstone.access.published import PublishedKeys
from ragstone.errors import AuthenticationError, SettingsError

MAX_TOKEN = 16_384  # characters; HTTP servers and proxies rarely take longer headers

# What the header may call the token (RFC 8725, 3.11): a logout token, say, is signed by the same keys.
_TYPES = ("jwt", "at+jwt")


@dataclass(frozen=True, slots=True)
class _Issuer:
    config: IssuerConfig
    keys: PublishedKeys


class Issuers:
    """The issuers whose tokens are accepted. Keys are fetched when a token first needs them."""

    def __init__(
        self,
        configs: Sequence[IssuerConfig],
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the issuers without asking any of them.

        Args:
            configs: One for each issuer.
            now: Seconds since 1970, for the times in tokens.
            clock: Seconds that never go back, for the age of keys.

        Raises:
            SettingsError: An issuer is configured twice, or its `ca_file` cannot be read.
        """
        self._issuers: dict[str, _Issuer] = {}
        self._now = now
        for config in configs:
            if config.issuer in self._issuers:
                raise SettingsError(
                    f"The OpenID Connect issuer {config.issuer} is configured twice",
                    remedy="Keep one [[oidc]] block for each issuer",
                )
            self._issuers[config.issuer] = _Issuer(config, PublishedKeys(Discovery(config).fetch, clock))

    async def verify(self, token: str) -> Claims:
        """Whom the token speaks for.

        Args:
            token: As it stands behind `Bearer` in the request's header.

        Raises:
            AuthenticationError: The token is malformed, forged, expired, or not meant for this service.
            PermissionDeniedError: The token names a tenant that its issuer has no say in.
            IssuerUnavailableError: The keys to check it with cannot be had now.
        """
        header, unverified = _parse(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise refusal("it is not signed with an algorithm that is accepted")
        issuer = self._issuer_of(unverified)
        key = await issuer.keys.find(_key_id(header), algorithm)
        return claims_of(_checked(token, key, issuer.config), issuer.config, self._now())

    async def close(self) -> None:
        """End the fetches that are under way."""
        await asyncio.gather(*(issuer.keys.close() for issuer in self._issuers.values()))

    def _issuer_of(self, unverified: Mapping[str, object]) -> _Issuer:
        """Chosen by what the token says of itself; the signature shows whether that is true."""
        name = unverified.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise refusal("its issuer is not one of those configured here", "Compare its claim iss with the settings")
        return issuer


def _parse(token: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a token, neither of them checked."""
    if len(token) > MAX_TOKEN:
        raise refusal(f"it is longer than {MAX_TOKEN:,} characters", "Let the issuer put fewer claims into it")
    if not token.isascii():
        raise _malformed()
    try:
        parsed = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise _malformed() from None
    header: dict[str, object] = parsed["header"]
    kind = header.get("typ")
    if kind is not None and not (isinstance(kind, str) and kind.lower().removeprefix("application/") in _TYPES):
        raise refusal("it is a token of another kind", "Send an access token")
    return header, parsed["payload"]


def _key_id(header: Mapping[str, object]) -> str | None:
    key_id = header.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise _malformed()
    return key_id


def _checked(token: str, key: Key, config: IssuerConfig) -> dict[str, object]:
    """The claims of a token, after a check of its signature, issuer and audience."""
    try:
        claims: dict[str, object] = jwt.decode(
            token,
            key.public,
            algorithms=key.algorithms,
            issuer=config.issuer,
            audience=config.audience,
            # Times are checked against a clock that tests can set, in claims.py.
            options={"require": ["iss", "aud", "exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.MissingRequiredClaimError as error:
        raise refusal(f"it has no claim {error.claim}") from None
    except jwt.InvalidAudienceError:
        raise refusal("it is meant for another audience", "Get a token for this service from the issuer") from None
    except jwt.InvalidSignatureError:
        raise refusal("its signature is wrong") from None
    except jwt.PyJWTError:
        raise _malformed() from None
    return claims


def _malformed() -> AuthenticationError:
    return refusal("it is no JSON Web Token (JWT)")
