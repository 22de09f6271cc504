"""Anthropic's Messages as they are asked for and heard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_replies import Asked, Reply, Sound
from unit.models.protocols.conftest import QUESTION, Talking, member

from ragstone.domain import ChatRequest, Finish, Message, Role
from ragstone.models.faults import Fault

pytestmark = pytest.mark.anyio


def tell(monkeypatch: pytest.MonkeyPatch, *events: object) -> None:
    def told(asked: Asked, sound: Sound) -> Reply:
        lines = [f"event: x\ndata: {json.dumps(each)}\n\n".encode() for each in events]
        return Reply([(0.0, line) for line in lines], kind="text/event-stream", chunked=True)

    monkeypatch.setitem(FAULTS, "told", told)


async def test_a_sound_answer_comes_with_its_usage(server: Misbehaving, talk: Talking, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-ant-1")
    server.key = "sk-ant-1"
    heard = await talk(member(server.url, protocol="anthropic", key_file=key, price={"input": 1, "cached_input": 0}))
    assert heard.text == "The answer stands in the first passage [1]."
    assert (heard.end.finish, heard.end.model) == (Finish.STOP, "m")
    usage = heard.end.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (5 + 3, 3, 8)
    assert usage.cost == pytest.approx(5e-6)
    asked = server.requests[0]
    assert (asked.headers["x-api-key"], asked.headers["anthropic-version"]) == ("sk-ant-1", "2023-06-01")
    assert asked.body == {
        "model": "m",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Where does the answer stand?"}],
        "stream": True,
        "max_tokens": 4096,
    }


async def test_turns_alternate_and_begin_with_the_user(server: Misbehaving, talk: Talking) -> None:
    said = [
        (Role.SYSTEM, "One."),
        (Role.ASSISTANT, "Hello."),
        (Role.USER, "Why?"),
        (Role.SYSTEM, "Two."),
        (Role.USER, "Say!"),
        (Role.ASSISTANT, " "),
        (Role.USER, "Now. "),
    ]
    schema = {"type": "object"}
    request = ChatRequest(tuple(Message(*turn) for turn in said), max_tokens=5, stop=("#",), json_schema=schema, seed=3)
    await talk(member(server.url, protocol="anthropic"), request)
    body = server.requests[0].body
    assert body["system"] == "One.\n\nTwo."
    assert body["messages"] == [
        {"role": "user", "content": "Go on."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Why?\n\nSay!\n\nNow."},
    ]
    assert (body["max_tokens"], body["stop_sequences"]) == (5, ["#"])
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert "seed" not in body


async def test_thinking_is_kept_apart(server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch) -> None:
    server.fault = "told"
    tell(
        monkeypatch,
        {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 10, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "x"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Yes."}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    )
    heard = await talk(member(server.url, protocol="anthropic"))
    assert (heard.reasoning, heard.text) == ("Hm.", "Yes.")
    assert (heard.end.finish, heard.end.usage.input_tokens, heard.end.usage.output_tokens) == (Finish.LENGTH, 10, 7)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("overloaded_error", Fault.OVERLOADED),
        ("rate_limit_error", Fault.RATE_LIMITED),
        ("api_error", Fault.SERVER_ERROR),
        ("authentication_error", Fault.UNAUTHORIZED),
        ("request_too_large", Fault.TOO_LONG),
        ("invalid_request_error", Fault.REFUSED),
    ],
)
async def test_errors_inside_a_stream_are_told_apart(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, kind: str, fault: Fault
) -> None:
    server.fault = "told"
    tell(monkeypatch, {"type": "error", "error": {"type": kind, "message": "no"}})
    assert (await talk(member(server.url, protocol="anthropic"))).fault.fault is fault


async def test_a_prompt_that_is_too_long_is_one(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.fault = "told"
    error = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
    monkeypatch.setitem(FAULTS, "told", lambda *_: Reply.json({"type": "error", "error": error}, status=400))
    assert (await talk(member(server.url, protocol="anthropic"), QUESTION)).fault.fault is Fault.TOO_LONG
