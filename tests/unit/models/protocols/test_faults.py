"""Every way to misbehave has its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from certificates import self_signed
from misbehaving import Misbehaving
from model_faults import FAULTS
from unit.models.protocols.conftest import QUESTION, Talking, member

from ragstone.domain import ChatRequest, Message, Role
from ragstone.models.faults import Fault

pytestmark = pytest.mark.anyio

EXPECTED = {
    **{name: Fault.RATE_LIMITED for name in FAULTS if name.startswith("429")},
    "500": Fault.SERVER_ERROR,
    "502": Fault.SERVER_ERROR,
    "503": Fault.OVERLOADED,
    "503-seconds": Fault.OVERLOADED,
    "529": Fault.OVERLOADED,
    "400": Fault.REFUSED,
    "400-context": Fault.TOO_LONG,
    "401": Fault.UNAUTHORIZED,
    "403": Fault.UNAUTHORIZED,
    "404": Fault.UNKNOWN_MODEL,
    "silent": Fault.TIMEOUT_FIRST,
    "late": Fault.TIMEOUT_FIRST,
    "pings": Fault.TIMEOUT_FIRST,
    "flood": Fault.TIMEOUT_FIRST,
    "hangs-up": Fault.CONNECT,
    "stall": Fault.TIMEOUT_BETWEEN,
    "cut": Fault.CUT,
    "without-end": Fault.CUT,
    "json": Fault.GARBAGE,
    "json-later": Fault.GARBAGE,
    "type": Fault.GARBAGE,
    "empty-choices": Fault.GARBAGE,
    "huge": Fault.GARBAGE,
    "error-in-stream": Fault.SERVER_ERROR,
    "error-later": Fault.SERVER_ERROR,
    "redirect": Fault.GARBAGE,
    "no-http": Fault.GARBAGE,
    "gzip": Fault.GARBAGE,
}
SAID = {"stall", "cut", "without-end", "json-later", "error-later"}
WAITS = {
    "429-seconds": 30.0,
    "429-stalls": 30.0,
    "429-date": 30.0,
    "429-soon": 0.05,
    "429-ms": 2.5,
    "429-openai": 62.0,
    "429-anthropic": 20.0,
    "503-seconds": 5.0,
}


def impatient(fault: str) -> Mapping[str, float]:
    """Timeouts that end the waiting where this fault makes wait."""
    late = {Fault.TIMEOUT_FIRST: {"first_token": 0.2}, Fault.TIMEOUT_BETWEEN: {"between_tokens": 0.2}}
    return late.get(EXPECTED[fault], {})


def test_no_fault_is_without_its_name() -> None:
    assert set(FAULTS) == {*EXPECTED, "whole"}


@pytest.mark.parametrize("fault", EXPECTED)
async def test_a_fault_is_recognised(server: Misbehaving, talk: Talking, fault: str) -> None:
    heard = await talk(member(server.faulty(fault), impatient(fault)))
    assert heard.fault.fault is EXPECTED[fault]
    assert heard.fault.said is bool(heard.text) is (fault in SAID)
    assert heard.fault.usage.calls == 1
    assert heard.fault.usage.input_tokens > 0
    assert heard.fault.retry_after == pytest.approx(WAITS.get(fault), abs=2)
    assert server.asked == 1


@pytest.mark.parametrize("fault", sorted(SAID))
async def test_the_same_happens_to_anthropic(server: Misbehaving, talk: Talking, fault: str) -> None:
    model = member(server.faulty(fault), impatient(fault), protocol="anthropic")
    if fault in {"stall", "cut", "without-end"}:
        heard = await talk(model)
        assert heard.fault.fault is EXPECTED[fault]
        assert heard.text


async def test_a_server_that_knows_no_streams_is_heard_in_one_piece(server: Misbehaving, talk: Talking) -> None:
    heard = await talk(member(server.faulty("whole")))
    assert heard.text == "The answer stands in the first passage [1]."
    assert (heard.pieces, heard.end.usage.output_tokens) == (1, 8)


async def test_a_stream_that_takes_too_long_as_a_whole_is_ended(talk: Talking) -> None:
    with Misbehaving(between=0.1, speak=lambda _: "word " * 100) as server:
        heard = await talk(member(server.url, {"total": 0.5}))
    assert heard.fault.fault is Fault.TIMEOUT_TOTAL
    assert heard.text.startswith("word word ")


async def test_the_callers_time_counts_as_the_whole_time(talk: Talking, server: Misbehaving) -> None:
    server.fault = "silent"
    request = ChatRequest(QUESTION.messages, seconds=0.1)
    assert (await talk(member(server.url), request)).fault.fault is Fault.TIMEOUT_TOTAL


async def test_a_certificate_that_nobody_vouches_for_is_a_failed_connection(tmp_path: Path, talk: Talking) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    with Misbehaving(certificate=certificate) as server:
        heard = await talk(member(server.url))
        assert heard.fault.fault is Fault.CONNECT
        assert "certificate is not trusted" in str(heard.fault)
        assert server.asked == 0
        trusting = await talk(member(server.url, ca_file=certificate))
        assert trusting.text == "The answer stands in the first passage [1]."


async def test_a_certificate_of_another_host_is_a_failed_connection(tmp_path: Path, talk: Talking) -> None:
    certificate = self_signed(tmp_path / "server.pem", "127.0.0.9")
    with Misbehaving(certificate=certificate) as server:
        heard = await talk(member(server.url, ca_file=certificate))
    assert heard.fault.fault is Fault.CONNECT


async def test_plain_http_behind_a_https_address_is_a_failed_connection(server: Misbehaving, talk: Talking) -> None:
    heard = await talk(member(server.url.replace("http:", "https:")))
    assert heard.fault.fault is Fault.CONNECT
    assert "TLS fails" in str(heard.fault)


async def test_a_host_that_does_not_exist_is_a_failed_connection(talk: Talking) -> None:
    heard = await talk(member("http://nobody.invalid/v1"))
    assert heard.fault.fault is Fault.CONNECT


async def test_a_port_where_nobody_listens_is_a_failed_connection(server: Misbehaving, talk: Talking) -> None:
    server.kill()
    heard = await talk(member(server.url))
    assert heard.fault.fault is Fault.CONNECT
    assert "refused" in str(heard.fault).lower()


async def test_an_address_that_swallows_connections_is_given_up_in_time(talk: Talking) -> None:
    # Of TEST-NET-1 (RFC 5737): there is nobody, and often nobody says so.
    heard = await talk(member("http://192.0.2.1:9/v1", {"connect": 0.2}))
    assert heard.fault.fault is Fault.CONNECT


@pytest.mark.parametrize("fault", EXPECTED)
async def test_no_error_repeats_what_was_asked(talk: Talking, fault: str) -> None:
    words = "my neighbour at number seven is called Agathe"
    with Misbehaving(fault=fault) as server:
        server.sound.speak = lambda _: words
        heard = await talk(member(server.url, impatient(fault)), ChatRequest((Message(Role.USER, words),)))
    assert "Agathe" not in str(heard.fault)
