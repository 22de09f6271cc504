"""What measures the overhead of the service measures what it says."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import openai
import pytest


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import mock_llm
    import streams

    yield mock_llm, streams
    del sys.modules["mock_llm"], sys.modules["streams"]


@asynccontextmanager
async def running(mock: ModuleType, first: float, between: float) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: mock.Mock(first, between), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        await asyncio.sleep(0.02)  # it learns that its clients have left


def test_the_mock_says_its_answer_in_a_stream_that_clients_read(benchmarks: tuple[ModuleType, ModuleType]) -> None:
    mock, _ = benchmarks

    async def said() -> tuple[str, int]:
        words, used = "", 0
        async with running(mock, 0.01, 0.0) as address, openai.AsyncOpenAI(base_url=address, api_key="none") as client:
            messages: list[openai.types.chat.ChatCompletionUserMessageParam] = [{"role": "user", "content": "?"}]
            async for chunk in await client.chat.completions.create(model="mock", messages=messages, stream=True):
                words += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                used = chunk.usage.completion_tokens if chunk.usage else used
        return words, used

    words, used = asyncio.run(said())
    assert words == mock.ANSWER
    assert used == len(mock.TOKENS)


@pytest.mark.parametrize("between", [0.0, 0.001])
def test_the_first_word_and_the_last_are_timed_apart(benchmarks: tuple[ModuleType, ModuleType], between: float) -> None:
    mock, streams = benchmarks

    async def timed() -> tuple[list[float], list[float]]:
        async with running(mock, 0.02, between) as address:
            times = await streams.load(streams.chat("mock", address, "none", "mock"), 2, 0.05)
        return times.first, times.last

    first, last = asyncio.run(timed())
    assert len(first) == len(last) >= 2
    assert min(first) >= 19
    spread = min(one - other for one, other in zip(last, first, strict=True))
    assert spread >= (len(mock.TOKENS) - 1) * between * 1000


def test_an_answer_by_a_fallback_ends_the_measurement(benchmarks: tuple[ModuleType, ModuleType]) -> None:
    _, streams = benchmarks
    body = b'{"choices":[{"message":{"content":"words"}}],"degraded":true}'

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async def asked() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            connection = streams.Connection(*await asyncio.open_connection("127.0.0.1", port))
            try:
                await connection.ask(b"POST / HTTP/1.1\r\n\r\n")
            finally:
                connection.close()

    with pytest.raises(SystemExit, match="the model was not asked"):
        asyncio.run(asked())
