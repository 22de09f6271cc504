"""Fetches an issuer's keys by OpenID Connect Discovery: its configuration names where they are."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from typing import NoReturn

import httpx2

from ragstone.access.config import IssuerConfig, is_trusted_address
from ragstone.access.keyset import Key, read_keys
from ragstone.errors import IssuerUnavailableError, SettingsError

SECONDS = 5.0  # for both documents together
MAX_BYTES = 1 << 20  # of a document; large issuers publish some 10 KB

_log = logging.getLogger(__name__)


class Discovery:
    """The way to one issuer's keys. What the environment says of proxies and certificates does not count."""

    def __init__(self, config: IssuerConfig, *, seconds: float = SECONDS) -> None:
        """Load the authorities that TLS is checked against.

        Raises:
            SettingsError: `ca_file` cannot be read.
        """
        self._issuer = config.issuer
        self._seconds = seconds
        try:
            self._tls = (
                ssl.create_default_context(cafile=config.ca_file)
                if config.ca_file
                else httpx2.create_ssl_context(trust_env=False)
            )
        except OSError as error:  # also of the module ssl, when the file holds no certificates
            raise SettingsError(
                f"The file {config.ca_file} of the issuer {config.issuer} cannot be read",
                why=error.strerror or str(error),
                remedy="Give ca_file a PEM file of certificates",
            ) from None

    async def fetch(self) -> tuple[Key, ...]:
        """The keys that the issuer publishes now, at least one.

        Raises:
            IssuerUnavailableError: There is no answer in time, or it is not what an issuer answers.
        """
        # Without the slash that the issuer may end with (OpenID Connect Discovery 1.0, 4.1).
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with asyncio.timeout(self._seconds), self._client() as client:
                configuration = await self._document(client, address)
                keys = read_keys(await self._document(client, self._address_of_keys(configuration)))
        except TimeoutError:
            self._fail(f"there was no complete answer within {self._seconds:g} seconds")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            _log.warning("the issuer %s cannot be reached: %r", self._issuer, error)
            self._fail("it cannot be reached")
        if not keys:
            self._fail("it publishes no key that signatures can be checked with")
        return keys

    def _client(self) -> httpx2.AsyncClient:
        # Its own timeouts are for each step and start again with each byte; here one clock runs for everything.
        return httpx2.AsyncClient(verify=self._tls, trust_env=False, timeout=None)

    async def _document(self, client: httpx2.AsyncClient, address: str) -> dict[str, object]:
        content = bytearray()
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with client.stream("GET", address, headers=headers) as answer:
            if answer.status_code != httpx2.codes.OK:  # a redirect as well: it could lead anywhere
                self._fail(f"{address} answers with status {answer.status_code}")
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > MAX_BYTES:
                    self._fail(f"{address} answers with more than {MAX_BYTES:,} bytes")
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            self._fail(f"{address} does not answer with a JSON object")
        return document

    def _address_of_keys(self, configuration: dict[str, object]) -> str:
        # An issuer that speaks for another one could sign for it (OpenID Connect Discovery 1.0, 4.3).
        if configuration.get("issuer") != self._issuer:
            self._fail("its configuration names another issuer")
        address = configuration.get("jwks_uri")
        if not isinstance(address, str) or not is_trusted_address(address, referrer=self._issuer):
            self._fail("its configuration has no jwks_uri with https://")
        return address

    def _fail(self, why: str) -> NoReturn:
        raise IssuerUnavailableError(
            f"The keys of the issuer {self._issuer} cannot be had",
            why=why,
            remedy="Try again in a few seconds, or check the issuer and the way to it",
        ) from None
