"""Servers that do not keep to HTTP."""

from __future__ import annotations

import pytest
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_faults import Fault as Faulty
from model_replies import Asked, Reply, Sound
from unit.models.protocols.conftest import Talking, member

from ragstone.models.faults import Fault

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
WORD = b'data: {"choices": [{"delta": {"content": "So "}}]}\n\n'
CHUNK = b"%x\r\n%b\r\n" % (len(WORD), WORD)

MALFORMED = [
    b"HTTP/2 200\r\n\r\n",
    b"HTTP/1.1 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    HEAD + b"content-length: -1\r\n\r\n",
    HEAD + b"content-length: 3, 4\r\n\r\n",
    HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\n",
    HEAD + b"content-length: 99999999999999999999\r\n\r\n",
    HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
    HEAD + b"x: " + b"y" * (1 << 20),
    HEAD + b"x: y\r\n" * (1 << 16),
    CHUNKED + b"xyz\r\n",
    CHUNKED + b"-1\r\n",
    CHUNKED + b"1\r\nab\r\n",
    CHUNKED + b"1" * (1 << 16),
]


def said_by(*pieces: bytes, wait: float = 0.0) -> Faulty:
    steps = [(wait if place else 0.0, piece) for place, piece in enumerate(pieces)]

    def fault(asked: Asked, sound: Sound) -> Reply:
        return Reply(steps, bare=True)

    return fault


@pytest.mark.parametrize("content", MALFORMED, ids=lambda content: repr(content[:90]))
async def test_what_is_not_http_is_garbage(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setitem(FAULTS, "told", said_by(content))
    heard = await talk(member(server.faulty("told")))
    assert heard.fault.fault is Fault.GARBAGE


@pytest.mark.parametrize("wait", [0.0, 0.05])
@pytest.mark.parametrize("content", [b"xyz\r\n", b"1\r\nab\r\n", b"-1\r\n"])
async def test_an_answer_that_becomes_malformed_is_broken_off(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, content: bytes, wait: float
) -> None:
    monkeypatch.setitem(FAULTS, "told", said_by(CHUNKED + CHUNK, content, wait=wait))
    heard = await talk(member(server.faulty("told")))
    assert heard.fault.fault in {Fault.CUT, Fault.GARBAGE}
    assert heard.fault.said is bool(heard.text)
    assert heard.text or not wait, "a word was lost"


async def test_a_declared_length_that_never_comes_is_waited_for_no_longer_than_for_a_token(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTS, "told", said_by(HEAD + b"content-length: 999\r\n\r\n" + WORD))
    heard = await talk(member(server.faulty("told"), {"between_tokens": 0.2}))
    assert heard.fault.fault is Fault.TIMEOUT_BETWEEN
    assert heard.text == "So "


async def test_headers_without_end_are_not_waited_for_for_ever(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTS, "told", said_by(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 500, wait=0.01))
    heard = await talk(member(server.faulty("told"), {"first_token": 0.2}))
    assert heard.fault.fault is Fault.TIMEOUT_FIRST
