"""How connections, keys and redirects are dealt with."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import warnings
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import self_signed
from loopback import until
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_replies import Asked, End, Reply, Sound, chunk
from unit.models.protocols.conftest import QUESTION, Opening, Talking, member, settled, talked

from ragstone.domain import ChatRequest, Ended, Message, Piece, Role
from ragstone.errors import SettingsError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols import Client, open_chat

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret-0123456789"


async def test_connections_are_used_again(server: Misbehaving, opened: Opening) -> None:
    model = member(server.url)
    client = opened(model)
    for _ in range(5):
        assert (await talked(model, QUESTION, client)).ended
        await settled(client)
    assert server.connections == 1
    await asyncio.gather(*(talked(model, QUESTION, client) for _ in range(4)))
    assert server.connections == 4


async def test_a_connection_is_used_again_although_the_last_bytes_come_late(
    opened: Opening, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(asked: Asked, sound: Sound) -> Reply:
        reply = sound.reply(asked)
        return replace(reply, steps=[*reply.steps, (0.05, b": goodbye\n\n")])

    monkeypatch.setitem(FAULTS, "told", told)
    server.fault = "told"
    model = member(server.url)
    client = opened(model)
    for _ in range(3):
        assert (await talked(model, QUESTION, client)).ended
        await settled(client)
    assert (server.connections, server.hung_up) == (1, 0)


async def test_a_resting_connection_on_which_the_server_speaks_is_not_used_again(
    opened: Opening, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(asked: Asked, sound: Sound) -> Reply:
        whole = sound.reply(replace(asked, body={**asked.body, "stream": False}))
        answer = whole.head() + whole.steps[0][1]
        return Reply([(0.0, answer), (0.05, b"HTTP/1.1 408 Timeout\r\n\r\n")], bare=True)

    monkeypatch.setitem(FAULTS, "told", told)
    server.script.append("told")
    model = member(server.url)
    client = opened(model)
    assert (await talked(model, QUESTION, client)).ended
    await asyncio.to_thread(until, lambda: server.open == 0)
    await asyncio.sleep(0.05)
    assert (await talked(model, QUESTION, client)).ended
    assert (server.connections, server.asked) == (2, 2)


async def test_a_resting_connection_is_left_before_the_server_closes_it(
    opened: Opening, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(asked: Asked, sound: Sound) -> Reply:
        return replace(sound.reply(asked), headers={"keep-alive": "timeout=1, max=100"})

    monkeypatch.setitem(FAULTS, "told", told)
    model = member(server.url)
    client = opened(model)
    for fault in ("", "", "told", "told"):
        server.fault = fault
        assert (await talked(model, QUESTION, client)).ended
        await settled(client)
    assert server.connections == 2


def test_a_client_outlives_an_event_loop(server: Misbehaving) -> None:
    model = member(server.url)
    client = Client(model)

    async def ask() -> None:
        assert (await talked(model, QUESTION, client)).ended
        await settled(client)

    async def ask_and_close() -> None:
        await ask()
        await client.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # nobody closed the connection of the first event loop
        asyncio.run(ask())
        asyncio.run(ask_and_close())
        gc.collect()
    assert server.connections == 2


@pytest.mark.parametrize("is_tls", [False, True])
async def test_leaving_hangs_up_at_once(opened: Opening, tmp_path: Path, is_tls: bool) -> None:
    certificate = self_signed(tmp_path / "server.pem") if is_tls else None
    with Misbehaving(between=0.02, speak=lambda _: "word " * 1000, certificate=certificate) as server:
        model = member(server.url, ca_file=certificate)
        async with aclosing(open_chat(model, QUESTION, opened(model))) as events:
            async for event in events:
                assert isinstance(event, Piece)
                break
        await asyncio.to_thread(until, lambda: server.hung_up == 1)


@pytest.mark.parametrize("fault", ["silent", "late", "stall"])
async def test_a_cancelled_request_hangs_up_at_once(opened: Opening, server: Misbehaving, fault: str) -> None:
    server.fault = fault
    model = member(server.url, {"first_token": 60, "between_tokens": 60})
    task = asyncio.create_task(talked(model, QUESTION, opened(model)))
    await asyncio.to_thread(until, lambda: server.open == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(until, lambda: server.hung_up == 1)


async def test_a_member_that_is_too_slow_is_hung_up_on(talk: Talking, server: Misbehaving) -> None:
    server.fault = "stall"
    assert (await talk(member(server.url, {"between_tokens": 0.2}))).error
    await asyncio.to_thread(until, lambda: server.hung_up == 1)


async def test_a_connection_that_ended_while_it_rested_is_no_fault(server: Misbehaving, opened: Opening) -> None:
    model = member(server.url)
    client = opened(model)
    assert (await talked(model, QUESTION, client)).ended
    await settled(client)
    server.kill()
    server.revive()
    assert (await talked(model, QUESTION, client)).ended


async def test_a_connection_that_ends_on_the_next_request_is_tried_anew_once(
    server: Misbehaving, opened: Opening
) -> None:
    model = member(server.url)
    client = opened(model)
    assert (await talked(model, QUESTION, client)).ended
    await settled(client)
    server.script.extend(["hangs-up", ""])
    assert (await talked(model, QUESTION, client)).ended
    await settled(client)
    server.fault = "hangs-up"
    before = server.asked
    assert (await talked(model, QUESTION, client)).fault.fault is Fault.CONNECT
    assert server.asked == before + 2
    assert (await talked(model, QUESTION, client)).fault.fault is Fault.CONNECT
    assert server.asked == before + 3


async def test_a_request_is_sent_anew_over_a_new_connection(server: Misbehaving, opened: Opening) -> None:
    model = member(server.url)
    client = opened(model)
    server.sound.first = 0.05
    await asyncio.gather(*(talked(model, QUESTION, client) for _ in range(3)))
    await settled(client)
    before = server.connections
    server.script.extend(["hangs-up", ""])
    assert (await talked(model, QUESTION, client)).ended
    assert server.connections == before + 1


async def test_what_came_before_a_connection_broke_is_heard_also_by_a_slow_reader(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(asked: Asked, sound: Sound) -> Reply:
        steps = [(0.0, chunk({"content": "So "})), (0.1, chunk({"content": "far"}))]
        return Reply(steps, kind="text/event-stream", chunked=True, end=End.CUT)

    monkeypatch.setitem(FAULTS, "told", told)
    server.fault = "told"
    model = member(server.url)
    async with aclosing(open_chat(model, QUESTION, opened(model))) as events:
        assert await anext(events) == Piece("So ")
        await asyncio.to_thread(until, lambda: server.open == 0)
        await asyncio.sleep(0.05)
        assert await anext(events) == Piece("far")
        with pytest.raises(MemberError) as error:
            await anext(events)
    assert error.value.fault is Fault.CUT


@pytest.mark.parametrize(
    ("timeouts", "fault"), [({"connect": 0.2}, Fault.CONNECT), ({"total": 0.2}, Fault.TIMEOUT_TOTAL)]
)
async def test_a_connection_that_is_never_ready_is_given_up_in_time(
    talk: Talking, timeouts: dict[str, float], fault: Fault
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        heard = await talk(member(f"https://127.0.0.1:{mute.getsockname()[1]}/v1", timeouts))
    assert heard.fault.fault is fault


async def test_the_slow_reader_slows_the_server_down(opened: Opening) -> None:
    whole = 2_000
    with Misbehaving(speak=lambda _: ("x" * 20_000 + " ") * whole) as server:
        model = member(server.url)
        async with aclosing(open_chat(model, QUESTION, opened(model))) as events:
            assert isinstance(await anext(events), Piece)
            before = -1
            while server.sent > before:
                before = server.sent
                await asyncio.sleep(0.3)
            assert server.open == 1, "all of it lies in this process's memory"
            length = 0
            async for event in events:
                length += len(event.text) if isinstance(event, Piece) else 0
        assert length > 20_000 * whole * 0.9


@pytest.mark.parametrize("fault", ["", "hangs-up"])
async def test_a_large_request_is_sent_whole_also_when_it_is_sent_anew(
    server: Misbehaving, opened: Opening, fault: str
) -> None:
    model = member(server.url)
    client = opened(model)
    assert (await talked(model, QUESTION, client)).ended
    await settled(client)
    server.script.extend([fault, ""])
    large = ChatRequest((Message(Role.USER, "word " * 500_000),))
    assert (await talked(model, large, client)).ended
    assert server.requests[-1].body["messages"][0]["content"] == large.messages[0].text


async def test_closing_leaves_an_answer_its_time(opened: Opening) -> None:
    with Misbehaving(between=0.02) as server:
        model = member(server.url)
        client = opened(model)
        async with aclosing(open_chat(model, QUESTION, client)) as events:
            assert isinstance(await anext(events), Piece)
            await client.close()
            assert [event async for event in events if isinstance(event, Ended)]
        await asyncio.to_thread(until, lambda: server.open == 0)
        assert server.hung_up == 0
        assert (await talked(model, QUESTION, client)).ended, "what was about to ask still can"
        await settled(client)
        assert all(each.is_closed for each in client._connections.values())


async def test_closing_right_behind_an_answer_ends_its_connection(server: Misbehaving) -> None:
    server.sound.between = 0.05  # so that the last bytes come behind what ends the answer
    model = member(server.url)
    client = Client(model)
    async with aclosing(open_chat(model, QUESTION, client)) as events:
        async for event in events:
            if isinstance(event, Ended):
                (connections,) = client._connections.values()
                assert connections.is_draining
                await client.close()
    assert connections.is_closed


async def test_a_rotated_key_is_read_again(server: Misbehaving, opened: Opening, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    server.key = "old"
    model = member(server.url, key_file=file)
    client = opened(model)
    assert (await talked(model, QUESTION, client)).ended
    server.key = "newer"
    assert (await talked(model, QUESTION, client)).fault.fault is Fault.UNAUTHORIZED
    file.write_text("newer\n")
    assert (await talked(model, QUESTION, client)).ended
    other = tmp_path / "other"  # as a mounted secret is changed: of the same length, moved into place
    other.write_text("NEWER\n")
    other.replace(file)
    server.key = "NEWER"
    assert (await talked(model, QUESTION, client)).ended


async def test_a_key_of_the_environment_is_read_each_time(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = member(server.url, key_env="TEST_MODEL_KEY")
    client = opened(model)
    missing = await talked(model, QUESTION, client)
    assert missing.fault.fault is Fault.UNAUTHORIZED
    assert "TEST_MODEL_KEY is not set" in str(missing.fault)
    assert server.asked == 0
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)
    server.key = KEY
    assert (await talked(model, QUESTION, client)).ended


async def test_the_key_that_was_sent_is_not_told_although_there_is_another_by_then(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    model = member(server.url, key_file=file)
    client = opened(model)

    def rotated(asked: Asked, sound: Sound) -> Reply:
        file.write_text("another")
        assert client._key.read() == "another"  # for another request
        return Reply.error(401, f"Incorrect API key provided: {asked.headers['authorization']}")

    monkeypatch.setitem(FAULTS, "rotated", rotated)
    server.fault = "rotated"
    heard = await talked(model, QUESTION, client)
    assert "Incorrect API key provided: Bearer ***" in str(heard.fault)


@pytest.mark.parametrize("content", ["", "two\nlines", "kéy", "tab\there"])
async def test_a_malformed_key_is_never_sent(server: Misbehaving, talk: Talking, tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content, encoding="utf-8")
    heard = await talk(member(server.url, key_file=file))
    assert heard.fault.fault is Fault.UNAUTHORIZED
    assert server.asked == 0
    assert not content or content not in str(heard.fault)


async def test_a_key_is_never_told(
    server: Misbehaving, talk: Talking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "key"
    file.write_text(KEY)
    server.key = "another"  # the server repeats in its error what it was given
    model = member(server.url, key_file=file)
    heard = await talk(model)
    assert heard.fault.fault is Fault.UNAUTHORIZED
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "***" in str(heard.fault)
    told = [str(heard.fault), repr(heard.fault), repr(heard.fault.__dict__), caplog.text, repr(Client(model).__dict__)]
    assert not any(KEY in text for text in told)


async def test_nobody_is_led_elsewhere_with_a_key(talk: Talking, tmp_path: Path, server: Misbehaving) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    heard = await talk(member(server.faulty("redirect"), key_file=file))
    assert heard.fault.fault is Fault.GARBAGE
    assert "302" in str(heard.fault)
    assert server.asked == 1


@pytest.mark.parametrize(
    "headers", [{"x-a": "b\r\nx-c: d"}, {"x a": "b"}, {"host": "elsewhere"}, {"x-a": "ü"}, {"Content-Length": "3"}]
)
def test_headers_that_would_break_a_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="cannot be sent"):
        Client(member("http://127.0.0.1:1/v1", headers=headers))


def test_a_host_that_no_name_can_be_is_refused() -> None:
    with pytest.raises(SettingsError, match="address of the model one does not fit"):
        Client(member(f"http://{'ü' * 64}.example/v1"))


def test_a_missing_file_of_authorities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Client(member("https://127.0.0.1:1/v1", ca_file=tmp_path / "nothing.pem"))


def test_a_file_of_authorities_without_any_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(SettingsError, match="PEM"):
        Client(member("https://127.0.0.1:1/v1", ca_file=file))
