"""A model server on loopback that misbehaves on purpose: each request can be answered with a fault of its own.

Healthy, it speaks OpenAI's chat, embeddings and models, Anthropic's Messages, `/rerank` and the Open Inference
Protocol. It is fast enough to stand behind a benchmark: `python tests/misbehaving.py --first 0.02 --tokens 50` runs it
as a process that prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from model_faults import FAULTS
from model_replies import Asked, End, Reply, Sound

_NOTICE = 0.02  # seconds after which a client that hung up is noticed
_HANDSHAKE = b"\x16"  # the first byte of TLS, where it is not spoken
_MOST_UNSENT = 1 << 16  # bytes
_KEPT = 1000  # requests that are remembered


class Misbehaving:
    """The server, while it is entered. What is set on it counts from the next request on."""

    def __init__(
        self,
        *,
        first: float = 0.0,
        between: float = 0.0,
        speak: Callable[[Mapping[str, Any]], str] | None = None,
        fault: str = "",
        key: str | None = None,
        certificate: Path | None = None,
    ) -> None:
        """`first` and `between` are seconds before the first token and before each further one.

        `speak` makes the answer from the body of a request; `key` is the only one that is taken, if there is one;
        with a PEM file of key and certificate it speaks TLS.
        """
        self.sound = Sound(first, between)
        if speak:
            self.sound.speak = speak
        self.fault = fault  # of all requests; empty: healthy. Names are those of model_faults.FAULTS
        self.script: deque[str] = deque()  # faults of the next requests, each for one; empty: as `fault` says
        self.key = key
        self.calls: Counter[str] = Counter()  # requests by the end of their path, such as chat/completions
        self.faults: Counter[str] = Counter()  # how they were answered; "" stands for sound ones
        self.hung_up = 0  # clients that left before the end
        self.connections = 0  # that were made
        self.sent = 0  # bytes of answers
        self.open = 0  # requests in hand
        self.most_open = 0
        self.requests: deque[Asked] = deque(maxlen=_KEPT)
        self.port = 0
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def host(self) -> str:
        """Scheme, address and port."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base address of an OpenAI-compatible server."""
        return f"{self.host}/v1"

    def faulty(self, fault: str) -> str:
        """A base address under which every request meets this fault."""
        return f"{self.host}/faults/{fault}/v1"

    @property
    def asked(self) -> int:
        """How many requests came."""
        return self.calls.total()

    def __enter__(self) -> Self:
        self._thread.start()
        self.revive()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kill(self) -> None:
        """Break all connections; from now on they are refused."""
        asyncio.run_coroutine_threadsafe(self._kill(), self._loop).result()

    def revive(self) -> None:
        """Listen again, at the same port."""
        asyncio.run_coroutine_threadsafe(self._revive(), self._loop).result()

    async def _revive(self) -> None:
        self._server = await asyncio.start_server(
            self._converse, "127.0.0.1", self.port, ssl=self._tls, reuse_address=True, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _kill(self) -> None:
        if self._server:
            # What was accepted and is not yet opened when its server is closed, asyncio leaves open for ever.
            for listener in self._server.sockets:
                self._loop.remove_reader(listener)
            await asyncio.sleep(0.005)
            self._server.close()
        quiet = 0
        while quiet < 5:  # looks in a row: what was accepted in this very moment comes in a little later
            # All that the loop has: those as well that are still shaking hands, or saying good-bye.
            transports: Mapping[int, Any] = self._loop._transports  # type: ignore[attr-defined]
            still = [one for one in list(transports.values()) if one._sock is not None]
            for transport in still:
                transport.abort()
            quiet = 0 if still or self._writers else quiet + 1
            await asyncio.sleep(0.001)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        try:
            while asked := await _read(reader, writer):
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                try:
                    if not await self._answer(asked, reader, writer):
                        break
                finally:
                    self.open -= 1
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
            with suppress(OSError):  # TLS and unread words take their time, which `kill` does not give them
                await writer.wait_closed()
            self._writers.discard(writer)

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Returns whether the connection can be used again."""
        fault, asked = self._fault(asked)
        self.calls[asked.path.strip("/").removeprefix("v1/")] += 1
        self.faults[fault] += 1
        self.requests.append(asked)
        reply = FAULTS[fault](asked, self.sound) if fault else self._sound(asked)
        writer.write(reply.head())
        for seconds, content in reply.steps:
            if not await _still_there(seconds, reader):
                self.hung_up += 1
                return False
            writer.write(reply.framed(content))
            self.sent += len(content)
            if seconds or writer.transport.get_write_buffer_size() > _MOST_UNSENT:
                await writer.drain()
        if reply.end is End.STALL:
            while await _still_there(1.0, reader):
                pass
            self.hung_up += 1
        elif reply.end is End.WHOLE:
            writer.write(reply.tail())
        await writer.drain()
        return reply.end is End.WHOLE

    def _fault(self, asked: Asked) -> tuple[str, Asked]:
        if asked.path.startswith("/faults/"):
            fault, _, path = asked.path.removeprefix("/faults/").partition("/")
            return fault, Asked(asked.method, f"/{path}", asked.headers, asked.body)
        if "x-fault" in asked.headers:
            return asked.headers["x-fault"], asked
        return (self.script.popleft() if self.script else self.fault), asked

    def _sound(self, asked: Asked) -> Reply:
        if self.key is not None:
            given = asked.headers.get("authorization", "").removeprefix("Bearer ")
            given = given or asked.headers.get("x-api-key", "") or asked.headers.get("api-key", "")
            if given != self.key:
                # Some servers repeat the key, which must not go any further.
                return Reply.error(401, f"Incorrect API key provided: {given}")
        return self.sound.reply(asked)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
    """The next request; None: there is none."""
    try:
        head = await reader.readexactly(1)
        if head == _HANDSHAKE:
            await reader.read(1 << 16)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            return None
        head += await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, json.loads(content) if content else {})


async def _still_there(seconds: float, reader: asyncio.StreamReader) -> bool:
    """Wait; whether the client is there then, and at least it was not seen to leave."""
    while seconds > 0:
        await asyncio.sleep(min(seconds, _NOTICE))
        seconds -= _NOTICE
        if reader.at_eof() or reader.exception():
            return False
    return not (reader.at_eof() or reader.exception())


def main(arguments: list[str]) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--first", type=float, default=0.02)
    parser.add_argument("--between", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--fault", default="")
    options = parser.parse_args(arguments)
    text = "word " * options.tokens
    server = Misbehaving(first=options.first, between=options.between, speak=lambda _: text, fault=options.fault)
    server.port = options.port
    with server, suppress(KeyboardInterrupt):
        print(server.url, flush=True)  # noqa: T201 - that is how its address is told
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
