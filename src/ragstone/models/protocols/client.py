"""How one member's server is asked."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from http import HTTPStatus
from io import BytesIO

import httpx2
from aiohttp import ClientError, ClientTimeout
from yarl import URL

from ragstone.errors import SettingsError
from ragstone.models.faults import MemberError
from ragstone.models.protocols.answer import Answer
from ragstone.models.protocols.connections import Connections
from ragstone.models.protocols.credentials import Key, without
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.proxies import proxy_of
from ragstone.models.protocols.trouble import Speaker, garbage, refusal
from ragstone.models.protocols.unheard import unheard
from ragstone.settings.models import Model, Protocol

_MOST_ERROR = 1 << 16  # bytes of an error that are read
_ERROR_SECONDS = 1.0  # for them
_LARGE = 1 << 20  # bytes of a request; aiohttp warns of larger ones unless they are read in pieces
_EXPECTED = (ClientError, TimeoutError, UnicodeError)  # the last of names of hosts that are none
_OWN = {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEY_HEADERS = {Protocol.AZURE: "api-key", Protocol.ANTHROPIC: "x-api-key"}
_ANTHROPIC_VERSION = "2023-06-01"


class Client:
    """One member's server: its connections, its key, and what it has told of itself.

    Proxies of the environment are used, and redirects are not followed: they could lead a key elsewhere.
    """

    def __init__(self, model: Model) -> None:
        """Nothing is connected yet.

        Raises:
            SettingsError: The address, its proxy or a header does not fit, or `ca_file` cannot be read.
        """
        self._model = model
        try:
            self._url = str(URL(model.url)).rstrip("/")
            self._proxy = proxy_of(self._url)
        except ValueError as error:
            raise SettingsError(f"The address of the model {model.name} does not fit", why=str(error)) from None
        self._tls = _context(model) if self._url.startswith("https:") else None
        self._headers = _fixed_headers(model)
        self._connections: dict[asyncio.AbstractEventLoop, Connections] = {}
        self._is_closed = False
        self._key = Key(model)
        self.found: str | None = None  # the server's name for the model, where none was given
        self.metadata: object = None  # what the server says of the model, where its protocol has that
        self.tells_logits = False  # whether a reranker was seen to score outside of 0 to 1

    async def close(self) -> None:
        """End the connections that are not in use; those that are end with their answers."""
        self._is_closed = True
        here = asyncio.get_running_loop()
        await self._end([loop for loop in self._connections if loop is here or loop.is_closed()])

    async def get(self, path: str, deadlines: Deadlines) -> Answer:
        """Ask for what is there.

        Raises:
            MemberError: As `post`.
        """
        return await self._ask("GET", path, b"", deadlines)

    async def post(self, path: str, body: Mapping[str, object], deadlines: Deadlines, prompt: str = "") -> Answer:
        """Send a document; returns when the answer begins, with status 200. `prompt` is never repeated in errors.

        Raises:
            MemberError: Nobody can be reached, or the answer is an error or does not come.
        """
        # Lone surrogates, which JSON could carry and no model reads, become question marks.
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return await self._ask("POST", path, content, deadlines, prompt)

    async def _ask(self, method: str, path: str, content: bytes, deadlines: Deadlines, prompt: str = "") -> Answer:
        key = self._key.read()
        headers = self._request_headers(method, key)
        speaker = Speaker(self._model.name, partial(without, key), prompt)  # another key may be there by then
        connections = await self._here()
        connections.entered()
        try:
            async with asyncio.timeout_at(deadlines.until):
                response = await connections.session.request(
                    method,
                    URL(self._url + path, encoded=True),
                    data=BytesIO(content) if len(content) > _LARGE else content or None,
                    headers=headers,
                    allow_redirects=False,
                    timeout=ClientTimeout(connect=deadlines.connect_seconds),
                )
        except BaseException as error:
            await connections.left()
            if isinstance(error, _EXPECTED):
                raise unheard(speaker, error, deadlines) from None
            raise
        answer = Answer(connections, response, deadlines, speaker)
        if answer.status == HTTPStatus.OK and answer.headers.get("content-encoding", "identity") == "identity":
            return answer
        async with answer:
            if answer.status == HTTPStatus.OK:
                raise garbage(speaker, "its answer is compressed, which was not asked for")
            body = await _error_body(answer)
        if answer.status == HTTPStatus.NOT_FOUND:
            self.found = None  # another model may be there now
        raise refusal(speaker, answer.status, answer.headers, body)

    async def _here(self) -> Connections:
        """Those of this event loop."""
        loop = asyncio.get_running_loop()
        found = self._connections.get(loop)
        if found is None or found.is_closed:
            await self._end([former for former in self._connections if former.is_closed()])
            found = Connections(self._headers, self._proxy, self._tls, is_ending=self._is_closed)
            self._connections[loop] = found
        return found

    async def _end(self, loops: Sequence[asyncio.AbstractEventLoop]) -> None:
        for loop in loops:
            await self._connections.pop(loop).close()

    def _request_headers(self, method: str, key: str | None) -> dict[str, str]:
        headers = {"content-type": "application/json"} if method == "POST" else {}
        if key is not None:
            name = _KEY_HEADERS.get(self._model.protocol)
            headers[name or "authorization"] = key if name else f"Bearer {key}"
        return headers


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


def _fixed_headers(model: Model) -> dict[str, str]:
    """What every request has."""
    given = {name.lower(): value for name, value in model.headers.items()}
    for name, value in given.items():
        if not _NAME.fullmatch(name) or not (value.isascii() and value.isprintable()) or name in _OWN:
            raise SettingsError(
                f"The header {name!r} of the model {model.name} cannot be sent",
                remedy="Headers are one line of ASCII each, and no part of how HTTP itself works",
            )
    own = {"user-agent": "ragstone", "accept": "*/*", "accept-encoding": "identity"}
    if model.protocol is Protocol.ANTHROPIC:
        own["anthropic-version"] = _ANTHROPIC_VERSION
    return {**own, **given}
