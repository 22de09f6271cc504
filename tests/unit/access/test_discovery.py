from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from issuer import CONFIGURATION, KEYS, LocalIssuer

from ragstone.access.config import IssuerConfig
from ragstone.access.discovery import MAX_BYTES, Discovery
from ragstone.errors import IssuerUnavailableError, SettingsError

pytestmark = pytest.mark.anyio


def discovery(issuer: LocalIssuer, *, path: str = "", ca_file: Path | None = None, seconds: float = 30) -> Discovery:
    config = IssuerConfig(issuer=issuer.url + path, audience="ragstone", tenant="acme", ca_file=ca_file)
    return Discovery(config, seconds=seconds)


async def test_the_keys_are_where_the_configuration_says(issuer: LocalIssuer) -> None:
    keys = await discovery(issuer).fetch()
    assert [key.id for key in keys] == [jwk["kid"] for jwk in issuer.jwks()]
    assert issuer.fetches == {CONFIGURATION: 1, KEYS: 1}


async def test_an_issuer_may_end_with_a_slash(issuer: LocalIssuer) -> None:
    configuration = {**issuer.configuration(), "issuer": f"{issuer.url}/realms/a/"}
    issuer.overrides["/realms/a" + CONFIGURATION] = json.dumps(configuration).encode()
    assert await discovery(issuer, path="/realms/a/").fetch()


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        (CONFIGURATION, b"<html>", "does not answer with a JSON object"),
        (CONFIGURATION, b"[]", "does not answer with a JSON object"),
        (CONFIGURATION, b"\xff\xfe", "does not answer with a JSON object"),
        (CONFIGURATION, b"[" * 100_000, "does not answer with a JSON object"),
        (CONFIGURATION, b"{}", "names another issuer"),
        (CONFIGURATION, b'{"issuer": "https://login.example.com"}', "names another issuer"),
        (KEYS, b"nothing", "does not answer with a JSON object"),
        (KEYS, b'{"keys": []}', "no key that signatures can be checked with"),
        (KEYS, b'{"keys": "none"}', "no key that signatures can be checked with"),
        (KEYS, b" " * (MAX_BYTES + 1), "more than 1,048,576 bytes"),
    ],
)
async def test_an_answer_that_is_none_of_an_issuer_is_refused(
    issuer: LocalIssuer, path: str, answer: bytes, why: str
) -> None:
    issuer.overrides[path] = answer
    with pytest.raises(IssuerUnavailableError, match=why):
        await discovery(issuer).fetch()


@pytest.mark.parametrize(
    "address", [None, 1, "", "/keys", "http://keys.example.net/", "ftp://127.0.0.1/", "http://[::1"]
)
async def test_the_configuration_cannot_send_us_elsewhere(issuer: LocalIssuer, address: object) -> None:
    issuer.overrides[CONFIGURATION] = json.dumps({**issuer.configuration(), "jwks_uri": address}).encode()
    with pytest.raises(IssuerUnavailableError, match="no jwks_uri with https://"):
        await discovery(issuer).fetch()


@pytest.mark.parametrize("status", [204, 302, 404, 500])
async def test_an_answer_of_another_status_is_refused_and_a_redirect_not_followed(
    issuer: LocalIssuer, status: int
) -> None:
    issuer.status = status
    with pytest.raises(IssuerUnavailableError, match=f"status {status}"):
        await discovery(issuer).fetch()
    assert issuer.fetches.total() == 1


async def test_an_issuer_that_hangs_up_cannot_be_reached(issuer: LocalIssuer) -> None:
    issuer.go_down()
    with pytest.raises(IssuerUnavailableError, match="cannot be reached"):
        await discovery(issuer).fetch()


async def test_an_issuer_where_nobody_listens_cannot_be_reached() -> None:
    with LocalIssuer() as issuer:
        gone = discovery(issuer)
    with pytest.raises(IssuerUnavailableError, match="cannot be reached"):
        await gone.fetch()


async def test_an_issuer_that_never_answers_is_given_up(issuer: LocalIssuer) -> None:
    issuer.gate.clear()
    async with asyncio.timeout(20):
        with pytest.raises(IssuerUnavailableError, match=r"no complete answer within 0\.2 seconds"):
            await discovery(issuer, seconds=0.2).fetch()


async def test_the_environment_names_no_proxy(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert await discovery(issuer).fetch()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + built.public_bytes(serialization.Encoding.PEM)
    file = tmp_path_factory.mktemp("tls") / "issuer.pem"
    file.write_bytes(pem)
    return file


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(certificate: Path) -> None:
    with LocalIssuer(certificate=certificate) as issuer:
        with pytest.raises(IssuerUnavailableError, match="cannot be reached"):
            await discovery(issuer).fetch()
        assert not issuer.fetches


async def test_an_issuer_with_https_cannot_send_us_to_plain_http_even_here(certificate: Path) -> None:
    with LocalIssuer() as plain, LocalIssuer(certificate=certificate) as issuer:
        configuration = {"issuer": issuer.url, "jwks_uri": plain.url + KEYS}
        issuer.overrides[CONFIGURATION] = json.dumps(configuration).encode()
        with pytest.raises(IssuerUnavailableError, match="no jwks_uri with https://"):
            await discovery(issuer, ca_file=certificate).fetch()


async def test_the_authority_of_a_company_is_trusted_when_it_is_named(certificate: Path) -> None:
    with LocalIssuer(certificate=certificate) as issuer:
        assert await discovery(issuer, ca_file=certificate).fetch()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_authorities_that_cannot_be_read_are_an_error_at_the_start(
    issuer: LocalIssuer, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"ca\.pem .* cannot be read: .*PEM file"):
        discovery(issuer, ca_file=file)
