"""How one member's server is asked."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from http import HTTPStatus

import httpx2

from ragstone.errors import SettingsError
from ragstone.models.faults import MemberError
from ragstone.models.protocols.answer import Answer
from ragstone.models.protocols.connections import Connections
from ragstone.models.protocols.credentials import Key
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.http.address import Address
from ragstone.models.protocols.http.connection import HungUpError
from ragstone.models.protocols.trouble import Speaker, garbage, no_connection, refusal
from ragstone.settings.models import Model, Protocol

_MOST_ERROR = 1 << 16  # bytes of an error that are read
_ERROR_SECONDS = 1.0  # for them
_OWN = {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEY_HEADERS = {Protocol.AZURE: "api-key", Protocol.ANTHROPIC: "x-api-key"}
_ANTHROPIC_VERSION = "2023-06-01"


class Client:
    """One member's server: its connections, its key, and what it has told of itself.

    Proxies of the environment are not used, and redirects are not followed.
    """

    def __init__(self, model: Model) -> None:
        """Nothing is connected yet.

        Raises:
            SettingsError: The address or a header does not fit, or `ca_file` cannot be read.
        """
        self._model = model
        try:
            self._address = Address.of(model.url)
        except ValueError as error:
            raise SettingsError(f"The address of the model {model.name} does not fit", why=str(error)) from None
        self._connections = Connections(self._address, _context(model) if self._address.is_tls else None)
        self._head = _fixed_head(model, self._address)
        self._key = Key(model)
        self.found: str | None = None  # the server's name for the model, where none was given
        self.metadata: object = None  # what the server says of the model, where its protocol has that
        self.tells_logits = False  # whether a reranker was seen to score outside of 0 to 1

    async def close(self) -> None:
        """End the connections that are not in use; those that are end with their answers."""
        await self._connections.close()

    async def get(self, path: str, deadlines: Deadlines) -> Answer:
        """Ask for what is there.

        Raises:
            MemberError: As `post`.
        """
        return await self._ask(self._request("GET", path), deadlines, self._speaker())

    async def post(self, path: str, body: Mapping[str, object], deadlines: Deadlines, prompt: str = "") -> Answer:
        """Send a document; returns when the answer begins, with status 200. `prompt` is never repeated in errors.

        Raises:
            MemberError: Nobody can be reached, or the answer is an error or does not come.
        """
        # Lone surrogates, which JSON could carry and no model reads, become question marks.
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return await self._ask(self._request("POST", path, content), deadlines, self._speaker(prompt))

    def _speaker(self, prompt: str = "") -> Speaker:
        return Speaker(self._model.name, self._key.hidden, prompt)

    def _request(self, method: str, path: str, content: bytes = b"") -> bytes:
        lines = [f"{method} {self._address.path}{path} HTTP/1.1", *self._head]
        key = self._key.read()
        if key is not None:
            name = _KEY_HEADERS.get(self._model.protocol)
            lines.append(f"{name}: {key}" if name else f"authorization: Bearer {key}")
        if method == "POST":
            lines += ["content-type: application/json", f"content-length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + content

    async def _ask(self, request: bytes, deadlines: Deadlines, speaker: Speaker) -> Answer:
        try:
            answer = await self._begun(request, deadlines, speaker)
        except HungUpError:
            raise no_connection(speaker, ConnectionError(None, "it hung up before it answered")) from None
        if answer.status == HTTPStatus.OK and answer.headers.get("content-encoding", "identity") == "identity":
            return answer
        async with answer:
            if answer.status == HTTPStatus.OK:
                raise garbage(speaker, "its answer is compressed, which was not asked for")
            body = await _error_body(answer)
        if answer.status == HTTPStatus.NOT_FOUND:
            self.found = None  # another model may be there now
        raise refusal(speaker, answer.status, answer.headers, body)

    async def _begun(self, request: bytes, deadlines: Deadlines, speaker: Speaker) -> Answer:
        connections = self._connections
        rested = connections.rested()
        if rested is not None:
            answer = Answer(connections, rested, deadlines, speaker)
            try:
                await answer.begin(request)
            except HungUpError:
                pass  # it ended while it rested, which says nothing about the server
            else:
                return answer
        answer = Answer(connections, await connections.open(deadlines, speaker), deadlines, speaker)
        await answer.begin(request)
        return answer


async def _error_body(answer: Answer) -> bytes:
    """What there is of it soon; the status alone says the most."""
    with suppress(MemberError, TimeoutError):
        async with asyncio.timeout(_ERROR_SECONDS):
            return await answer.some(_MOST_ERROR)
    return b""


def _context(model: Model) -> ssl.SSLContext:
    if model.ca_file is None:
        return _system_context()
    try:
        return ssl.create_default_context(cafile=model.ca_file)
    except OSError as error:  # also of the module ssl, when the file holds no certificates
        raise SettingsError(
            f"The file {model.ca_file} of the model {model.name} cannot be read",
            why=error.strerror or str(error),
            remedy="Give ca_file a PEM file of certificates",
        ) from None


@cache
def _system_context() -> ssl.SSLContext:
    """With the system's authorities; to load them takes a while."""
    return httpx2.create_ssl_context(trust_env=False)


def _fixed_head(model: Model, address: Address) -> list[str]:
    """The lines that every request has."""
    given = {name.lower(): value for name, value in model.headers.items()}
    for name, value in given.items():
        if not _NAME.fullmatch(name) or not (value.isascii() and value.isprintable()) or name in _OWN:
            raise SettingsError(
                f"The header {name!r} of the model {model.name} cannot be sent",
                remedy="Headers are one line of ASCII each, and no part of how HTTP itself works",
            )
    own = {"user-agent": "ragstone", "accept": "*/*"}
    if model.protocol is Protocol.ANTHROPIC:
        own["anthropic-version"] = _ANTHROPIC_VERSION
    lines = [f"host: {address.authority}", "accept-encoding: identity"]
    return lines + [f"{name}: {value}" for name, value in {**own, **given}.items()]
