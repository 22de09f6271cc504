"""A model server that does nothing but keep time: OpenAI's streamed chat completions, always the same answer.

    python benchmarks/mock_llm.py --first-token-ms 20 --token-ms 0

It prints its address. Each token is a chunk and a write of its own, as model servers send them. It is a bare asyncio
protocol with ready bytes, so that what is measured against it is not the mock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re

ANSWER = (
    "The night shift of the quarry begins at ten in the evening and ends at six in the morning. [1]"
    " Granite blocks are washed before they are weighed, because mud falsifies the scale. [1]"
    " Visitors need a helmet and a guide of the quarry's own staff. [1]"
)
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


def _event(delta: dict[str, str] | None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0, "model": "mock", "choices": choices}
    return _chunked(f"data: {json.dumps({**chunk, 'usage': usage})}\n\n".encode())


def _chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


TOKENS = [_event({"content": token}) for token in re.findall(r"\s*\S+", ANSWER)]
FIRST = _HEAD + _event({"role": "assistant", "content": ""}) + TOKENS[0]
REST = TOKENS[1:]
LAST = (
    _event({}, "stop")
    + _event(None, usage={"prompt_tokens": 20, "completion_tokens": len(TOKENS), "total_tokens": 20 + len(TOKENS)})
    + _chunked(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


def _whole(body: dict[str, object]) -> bytes:
    data = json.dumps(body).encode()
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


MODELS = _whole({"object": "list", "data": [{"id": "mock", "object": "model", "created": 0, "owned_by": "mock"}]})


class Mock(asyncio.Protocol):
    """One connection; requests on it come one behind the other."""

    def __init__(self, first: float, between: float) -> None:
        """Seconds to the first token, and from one to the next."""
        self._first, self._between = first, between
        self._received = b""
        self._due: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """They hung up."""
        self._transport = None
        if self._due is not None:
            self._due.cancel()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        self._received += data
        head, found, body = self._received.partition(_END)
        length = _LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"GET"):
            self._write(MODELS)
        else:
            self._due = asyncio.get_running_loop().call_later(self._first, self._begin)

    def _begin(self) -> None:
        self._write(FIRST)
        if self._between:
            self._due = asyncio.get_running_loop().call_later(self._between, self._go_on, 0)
            return
        for token in REST:
            self._write(token)
        self._write(LAST)

    def _go_on(self, number: int) -> None:
        if number == len(REST):
            self._write(LAST)
            return
        self._write(REST[number])
        self._due = asyncio.get_running_loop().call_later(self._between, self._go_on, number + 1)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def serve(first: float, between: float) -> None:
    """Print the address and serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Mock(first, between), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-token-ms", type=float, default=20)
    parser.add_argument("--token-ms", type=float, default=0)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.first_token_ms / 1000, arguments.token_ms / 1000))


if __name__ == "__main__":
    main()
