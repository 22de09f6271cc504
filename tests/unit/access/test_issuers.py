from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from issuer import CONFIGURATION, KEYS, LocalIssuer, encoded, new_key, signed
from jwt.algorithms import get_default_algorithms
from unit.access.conftest import Clock

from ragstone.access.claims import Claims
from ragstone.access.config import IssuerConfig
from ragstone.access.issuers import MAX_TOKEN, Issuers
from ragstone.domain import Scope
from ragstone.errors import AuthenticationError, SettingsError

pytestmark = pytest.mark.anyio

SIGNERS = get_default_algorithms()
ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


async def refused(issuers: Issuers, token: str, why: str) -> None:
    """The token is refused for this reason, and the error does not repeat it."""
    with pytest.raises(AuthenticationError, match=why) as error:
        await issuers.verify(token)
    assert not any(part in str(error.value) for part in token.split(".") if len(part) > 3)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_a_token_signed_by_its_issuer_is_accepted(
    issuer: LocalIssuer, issuers: Issuers, algorithm: str, clock: Clock
) -> None:
    token = issuer.mint(algorithm, groups=["hr"])
    expires = datetime.fromtimestamp(clock() + 300, UTC)
    assert await issuers.verify(token) == Claims("acme", "alice", ("hr",), frozenset({Scope.READ}), expires)


async def test_a_token_says_what_the_settings_make_of_its_claims(
    issuer: LocalIssuer, accepting: Callable[..., Issuers]
) -> None:
    issuers = accepting(
        tenant_claim="org",
        tenants=frozenset({"globex"}),
        user_claim="preferred_username",
        groups_claim="realm_access.roles",
        scopes={"ragstone.write": Scope.WRITE},
    )
    claims = await issuers.verify(
        issuer.mint(org="globex", preferred_username="bob", realm_access={"roles": ["hr"]}, scope="ragstone.write")
    )
    assert (claims.tenant, claims.user, claims.groups) == ("globex", "bob", ("hr",))
    assert claims.scopes == {Scope.READ, Scope.WRITE}


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another service"}, "another audience"),
        ({"aud": "RAGSTONE"}, "another audience"),
        ({"aud": ["another service", "account"]}, "another audience"),
        ({"aud": [["ragstone"]]}, "another audience"),
        ({"aud": {"ragstone": 1}}, "another audience"),
        ({"aud": ...}, "no claim aud"),
        ({"aud": []}, "no claim aud"),
        ({"iss": ...}, "its issuer is not one of those"),
        ({"iss": "https://login.example.com"}, "its issuer is not one of those"),
        ({"iss": ["x"]}, "its issuer is not one of those"),
        ({"exp": ...}, "no claim exp"),
        ({"exp": 1}, "has expired"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"iat": 4_000_000_000}, "not yet valid"),
        ({"sub": ...}, "its claim sub is not one name"),
        ({"sub": 7}, "no JSON Web Token"),
    ],
)
async def test_a_token_that_is_meant_for_other_things_is_refused(
    issuer: LocalIssuer, issuers: Issuers, claims: dict[str, Any], why: str
) -> None:
    await refused(issuers, issuer.mint(**claims), why)


async def test_an_audience_may_be_one_of_several(issuer: LocalIssuer, issuers: Issuers) -> None:
    assert (await issuers.verify(issuer.mint(aud=["account", "ragstone"]))).user == "alice"


@pytest.mark.parametrize("change", ["/", "/.", "#", "?a", " "])
async def test_the_issuer_is_compared_letter_for_letter(issuer: LocalIssuer, issuers: Issuers, change: str) -> None:
    await refused(issuers, issuer.mint(iss=issuer.url + change), "its issuer is not one of those")
    assert not issuer.fetches


async def test_a_token_of_one_issuer_is_none_of_another(issuer: LocalIssuer, clock: Clock) -> None:
    with LocalIssuer(now=clock) as other:
        configs = [IssuerConfig(issuer=one.url, audience="ragstone", tenant=one.url[-5:]) for one in (issuer, other)]
        issuers = Issuers(configs, now=clock, clock=clock)
        assert (await issuers.verify(other.mint())).tenant == other.url[-5:]
        await refused(issuers, other.mint(iss=issuer.url), "no key as the token's header names it")
        kid, _ = issuer.key()
        await refused(issuers, other.mint(header={"kid": kid}, iss=issuer.url), "signature is wrong")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "ES256K", "RSA1_5", "dir"])
async def test_an_algorithm_that_is_not_accepted_is_refused_before_any_key_is_fetched(
    issuer: LocalIssuer, issuers: Issuers, algorithm: str
) -> None:
    header, claims, signature = issuer.mint().split(".")
    header = encoded({"alg": algorithm, "typ": "JWT", "kid": issuer.key()[0]})
    for end in ("", signature):
        await refused(issuers, f"{header}.{claims}.{end}", "algorithm that is accepted")
    assert not issuer.fetches


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("shape", ["pem", "der", "jwk", "modulus"])
async def test_the_public_key_is_no_shared_secret(
    issuer: LocalIssuer, issuers: Issuers, algorithm: str, shape: str
) -> None:
    kid, private = issuer.key()
    public: Any = private.public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(issuer.jwks()[0]).encode(),
        "modulus": issuer.jwks()[0]["n"].encode(),
    }[shape]
    _, claims, _ = issuer.mint().split(".")
    content = f"{encoded({'alg': algorithm, 'kid': kid})}.{claims}"
    hashed = getattr(hashlib, algorithm.replace("HS", "sha"))
    forged = f"{content}.{encoded(hmac.digest(secret, content.encode(), hashed))}"
    await refused(issuers, forged, "algorithm that is accepted")


@pytest.mark.parametrize(("algorithm", "other"), [("RS256", "ES256"), ("ES256", "RS256"), ("ES256", "ES384")])
async def test_a_key_is_not_used_with_an_algorithm_of_another_kind(
    issuer: LocalIssuer, issuers: Issuers, algorithm: str, other: str
) -> None:
    token = issuer.mint(algorithm, header={"alg": other})
    await refused(issuers, token, "no key as the token's header names it")


async def test_a_key_that_names_its_algorithm_is_not_used_with_another_of_its_kind(
    issuer: LocalIssuer, issuers: Issuers
) -> None:
    issuer.overrides[KEYS] = json.dumps({"keys": [{**issuer.jwks()[0], "alg": "PS256"}]}).encode()
    assert (await issuers.verify(issuer.mint("PS256"))).user == "alice"
    await refused(issuers, issuer.mint("RS256"), "no key as the token's header names it")


async def test_a_key_that_the_token_brings_along_is_not_even_looked_at(
    issuer: LocalIssuer, issuers: Issuers, clock: Clock
) -> None:
    mallory = new_key("RS256")
    jwk = {**SIGNERS["RS256"].to_jwk(mallory.public_key(), as_dict=True), "kid": issuer.key()[0]}
    with LocalIssuer(now=clock) as theirs:
        theirs.overrides[KEYS] = json.dumps({"keys": [jwk]}).encode()
        brought = {"jku": theirs.url + KEYS, "x5u": theirs.url + KEYS, "jwk": jwk, "x5c": ["MIIB"]}
        header = {"alg": "RS256", "kid": issuer.key()[0], **brought}
        claims = {"iss": issuer.url, "aud": "ragstone", "sub": "alice", "exp": clock() + 300}
        await refused(issuers, signed(header, claims, "RS256", mallory), "signature is wrong")
        assert (await issuers.verify(issuer.mint(header=brought))).user == "alice"
        assert not theirs.fetches
    assert issuer.fetches == {CONFIGURATION: 1, KEYS: 1}


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "\x00", "", "x" * 9000])
async def test_the_name_of_a_key_is_only_compared(issuer: LocalIssuer, issuers: Issuers, kid: str) -> None:
    await refused(issuers, issuer.mint(header={"kid": kid}), "no key as the token's header names it")


@pytest.mark.parametrize("kid", [None, 7, [], {}, True])
async def test_a_name_of_a_key_that_is_no_text_is_refused(issuer: LocalIssuer, issuers: Issuers, kid: object) -> None:
    await refused(issuers, issuer.mint(header={"kid": kid}), "no JSON Web Token")


async def test_an_issuer_with_one_key_need_not_name_it(issuer: LocalIssuer, issuers: Issuers) -> None:
    assert (await issuers.verify(issuer.mint("ES256", header={"kid": ...}))).user == "alice"


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["made up"], [], "exp", [7], None])
async def test_an_extension_that_must_be_understood_and_is_not_is_refused(
    issuer: LocalIssuer, issuers: Issuers, crit: object
) -> None:
    await refused(issuers, issuer.mint(header={"crit": crit, "made up": 1}), "no JSON Web Token")


async def test_a_detached_payload_is_refused(issuer: LocalIssuer, issuers: Issuers) -> None:
    header, _, signature = issuer.mint(header={"crit": ["b64"], "b64": False}).split(".")
    await refused(issuers, f"{header}..{signature}", "no JSON Web Token")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", ...])
async def test_an_access_token_is_accepted(issuer: LocalIssuer, issuers: Issuers, kind: object) -> None:
    assert (await issuers.verify(issuer.mint(header={"typ": kind}))).user == "alice"


@pytest.mark.parametrize("kind", ["logout+jwt", "secevent+jwt", "dpop+jwt", "", 7, ["JWT"], {}])
async def test_a_token_that_says_it_is_something_else_is_refused(
    issuer: LocalIssuer, issuers: Issuers, kind: object
) -> None:
    await refused(issuers, issuer.mint(header={"typ": kind}), "token of another kind")


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a", "a.b.c", "a.b.c.d.e", "Bearer a.b.c", "é.é.é", "\ud800", "\x00", "rag_live_0123456789"],
)
async def test_what_is_no_token_is_refused(issuers: Issuers, token: str) -> None:
    await refused(issuers, token, "no JSON Web Token")


async def test_a_token_that_is_too_long_is_refused_unread(issuer: LocalIssuer, issuers: Issuers) -> None:
    await refused(issuers, issuer.mint(padding="x" * MAX_TOKEN), "longer than 16,384 characters")


@pytest.mark.parametrize("part", [0, 1])
async def test_deep_and_huge_json_is_refused(issuer: LocalIssuer, issuers: Issuers, part: int) -> None:
    for content in (b"[" * 10_000, b'{"a":' * 2_000, b'{"a":' + b"9" * 8_000 + b"}", b"\xff\xfe", b"[]", b"null"):
        parts = issuer.mint().split(".")
        parts[part] = encoded(content)
        await refused(issuers, ".".join(parts), "no JSON Web Token")


def test_an_issuer_that_is_configured_twice_is_an_error_at_the_start() -> None:
    config = IssuerConfig(issuer="https://login.example.com", audience="ragstone", tenant="acme")
    with pytest.raises(SettingsError, match="configured twice"):
        Issuers([config, config])


def test_authorities_that_cannot_be_read_are_an_error_at_the_start(tmp_path: Path) -> None:
    config = IssuerConfig(
        issuer="https://login.example.com", audience="ragstone", tenant="acme", ca_file=tmp_path / "none.pem"
    )
    with pytest.raises(SettingsError, match="cannot be read"):
        Issuers([config])


async def test_without_issuers_no_token_is_accepted(issuer: LocalIssuer) -> None:
    await refused(Issuers([]), issuer.mint(), "its issuer is not one of those")
