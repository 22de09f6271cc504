"""Proxies of the environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from certificates import self_signed
from misbehaving import Misbehaving
from unit.models.protocols.conftest import Talking, member

from ragstone.errors import SettingsError
from ragstone.models.faults import Fault
from ragstone.models.protocols import Client
from ragstone.models.protocols.proxies import proxy_of

pytestmark = pytest.mark.anyio

SERVER = "192.0.2.1"  # of TEST-NET-1 (RFC 5737): only a proxy leads there
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@asynccontextmanager
async def tunnels(port: int, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy, wherever it is asked to lead; its address, and what it was asked."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []
    conversations: list[asyncio.Task[object] | None] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while content := await reader.read(1 << 16):
                writer.write(content)
                await writer.drain()
        writer.close()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.current_task())
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, other_writer))
        await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))

    proxy = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", asked
    finally:
        proxy.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*filter(None, conversations))
        for writer in writers:
            with suppress(OSError):
                await writer.wait_closed()


async def test_tls_goes_through_the_proxy_of_the_environment_and_ends_at_the_server(
    tmp_path: Path, talk: Talking, environment: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path / "server.pem", SERVER)
    key = tmp_path / "key"
    key.write_text("sk-1234")
    with Misbehaving(certificate=certificate, key="sk-1234") as server:
        async with tunnels(server.port) as (proxy, asked):
            environment.setenv("HTTPS_PROXY", proxy)
            heard = await talk(member(f"https://{SERVER}/v1", ca_file=certificate, key_file=key))
            assert heard.ended
            untrusted = await talk(member(f"https://{SERVER}/v1", key_file=key))
    assert asked[0].startswith(f"CONNECT {SERVER}:443 HTTP/1.1\r\n".encode())
    assert not any(b"sk-1234" in each for each in asked)
    assert "certificate is not trusted" in str(untrusted.fault)


async def test_plain_http_goes_through_the_proxy_of_the_environment(
    server: Misbehaving, talk: Talking, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", server.host)
    assert (await talk(member(f"http://{SERVER}/v1"))).ended
    assert server.requests[0].path == f"http://{SERVER}/v1/chat/completions"


async def test_a_proxy_that_refuses_is_a_failed_connection(
    server: Misbehaving, talk: Talking, environment: pytest.MonkeyPatch
) -> None:
    async with tunnels(server.port, b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n") as (proxy, _):
        environment.setenv("HTTPS_PROXY", proxy)
        heard = await talk(member(f"https://{SERVER}/v1"))
    assert heard.fault.fault is Fault.CONNECT
    assert "its proxy answers with status 407" in str(heard.fault)


async def test_a_proxy_that_is_not_there_is_a_failed_connection(talk: Talking, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert (await talk(member(f"https://{SERVER}/v1"))).fault.fault is Fault.CONNECT


async def test_this_machine_is_never_asked_through_a_proxy(
    server: Misbehaving, talk: Talking, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await talk(member(server.url))).ended


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example/v1", "http://proxy:3128"),
        ("https://127.0.0.1/v1", None),
        ("https://localhost:8000/v1", None),
        ("https://[::1]:8000/v1", None),
        ("https://vllm.models.svc/v1", None),
        ("https://10.0.0.7:8000/v1", None),
        ("http://api.example/v1", None),
    ],
)
def test_the_environment_says_which_hosts_need_no_proxy(
    environment: pytest.MonkeyPatch, url: str, expected: str | None
) -> None:
    environment.setenv("HTTPS_PROXY", "proxy:3128")
    environment.setenv("NO_PROXY", "models.svc,10.0.0.7")
    assert proxy_of(url) == expected


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "http://"])
def test_a_proxy_that_does_not_speak_http_is_refused(environment: pytest.MonkeyPatch, proxy: str) -> None:
    environment.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(SettingsError, match="HTTPS_PROXY is no http"):
        Client(member(f"https://{SERVER}/v1"))
