"""Chat Completions as they are asked for and heard."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_replies import Asked, End, Reply, Sound, chunk, event
from unit.models.protocols.conftest import PATIENT, QUESTION, Opening, Talking, member, talked

from ragstone.domain import ChatRequest, Finish, Message, Role
from ragstone.models.faults import Fault

pytestmark = pytest.mark.anyio

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 50},
}


@pytest.fixture
def telling(server: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> Misbehaving:
    """A server that says what `events` holds."""
    server.fault = "told"
    return server


def tell(monkeypatch: pytest.MonkeyPatch, *events: bytes, kind: str = "text/event-stream") -> None:
    def told(asked: Asked, sound: Sound) -> Reply:
        return Reply([(0.0, each) for each in events], kind=kind, chunked=True)

    monkeypatch.setitem(FAULTS, "told", told)


async def test_a_sound_answer_comes_word_by_word_with_its_usage(talk: Talking) -> None:
    with Misbehaving(between=0.02) as server:
        heard = await talk(member(server.url, price={"input": 1, "output": 10}))
    assert heard.text == "The answer stands in the first passage [1]."
    assert heard.pieces == 8
    assert (heard.end.finish, heard.end.member, heard.end.model) == (Finish.STOP, "one", "m")
    assert (heard.end.usage.input_tokens, heard.end.usage.output_tokens, heard.end.usage.calls) == (7, 8, 1)
    assert heard.end.usage.cost == pytest.approx(87e-6)


async def test_words_that_come_at_once_are_said_at_once(server: Misbehaving, talk: Talking) -> None:
    server.sound.speak = lambda _: "word " * 500
    heard = await talk(member(server.url))
    assert heard.text == "word " * 500
    assert heard.pieces < 250


async def test_the_request_says_all_that_was_asked_for(server: Misbehaving, talk: Talking) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    messages = (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Why?"), Message(Role.ASSISTANT, "Be"))
    request = ChatRequest(messages, max_tokens=9, temperature=0.0, seed=7, stop=("\n",), json_schema=schema)
    await talk(member(server.url), request)
    assert server.requests[0].body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "Be"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.0,
        "seed": 7,
        "stop": ["\n"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        },
    }


async def test_what_is_open_is_left_to_the_server(server: Misbehaving, talk: Talking) -> None:
    await talk(member(server.url))
    assert set(server.requests[0].body) == {"model", "messages", "stream", "stream_options"}


async def test_a_member_is_asked_for_no_more_than_it_writes(server: Misbehaving, talk: Talking) -> None:
    await talk(member(server.url, max_output_tokens=100), ChatRequest(QUESTION.messages, max_tokens=500))
    assert server.requests[0].body["max_tokens"] == 100


async def test_peculiar_servers_get_what_they_want(server: Misbehaving, talk: Talking) -> None:
    model = member(
        server.url,
        max_tokens_field="max_completion_tokens",
        omit=["stream_options", "temperature"],
        extra_body={"reasoning_effort": "low"},
        headers={"X-Team": "search"},
    )
    heard = await talk(model, ChatRequest(QUESTION.messages, max_tokens=5, temperature=0.7))
    body = server.requests[0].body
    assert set(body) == {"model", "messages", "stream", "max_completion_tokens", "reasoning_effort"}
    assert server.requests[0].headers["x-team"] == "search"
    assert heard.end.usage.output_tokens > 0  # estimated


async def test_the_one_model_of_a_server_needs_no_name(server: Misbehaving, opened: Opening) -> None:
    model = member(server.url, model=None)
    client = opened(model)
    for _ in range(2):
        assert (await talked(model, QUESTION, client)).end.model == "mock"
    assert server.requests[-1].body["model"] == "mock"
    assert [asked.method for asked in server.requests] == ["GET", "POST", "POST"]


async def test_a_model_that_is_gone_is_looked_for_anew(server: Misbehaving, opened: Opening) -> None:
    model = member(server.url, model=None)
    client = opened(model)
    assert (await talked(model, QUESTION, client)).end.model == "mock"
    server.sound.models = ("other",)
    server.script.append("404")
    assert (await talked(model, QUESTION, client)).fault.fault is Fault.UNKNOWN_MODEL
    assert (await talked(model, QUESTION, client)).end.model == "other"


async def test_a_server_with_several_models_needs_one_to_be_named(server: Misbehaving, talk: Talking) -> None:
    server.sound.models = tuple(f"model-{number}" for number in range(20))
    heard = await talk(member(server.url, model=None))
    assert heard.fault.fault is Fault.UNKNOWN_MODEL
    assert "needs the setting model: its server has model-0, model-1" in str(heard.fault)
    assert "model-19" not in str(heard.fault)


async def test_azure_is_asked_under_its_deployment(server: Misbehaving, talk: Talking, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("azure-secret\n")
    model = member(server.host, protocol="azure", model="my gpt", api_version="2026-05-01", key_file=key)
    heard = await talk(model, ChatRequest(QUESTION.messages, max_tokens=5))
    asked = server.requests[0]
    assert asked.path == "/openai/deployments/my%20gpt/chat/completions?api-version=2026-05-01"
    assert asked.headers["api-key"] == "azure-secret"
    assert "authorization" not in asked.headers
    assert asked.body["max_completion_tokens"] == 5
    assert heard.text


@pytest.mark.parametrize("path", ["", "/openai", "/openai/v1", "/openai/v1/"])
async def test_azure_without_a_version_is_asked_under_its_own_v1(server: Misbehaving, talk: Talking, path: str) -> None:
    await talk(member(server.host + path, protocol="azure"))
    assert server.requests[0].path == "/openai/v1/chat/completions"


async def test_reasoning_is_kept_apart(telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": " thrice"}]}
    tell(
        monkeypatch,
        chunk({"role": "assistant", "reasoning_content": "I think"}),
        chunk({"reasoning": " twice"}),
        chunk({"content": [thought, {"type": "text", "text": "It"}]}),
        chunk({"content": " is."}, "length"),
        event({"choices": [], "usage": USAGE}),
        b"data: [DONE]\n\n",
    )
    heard = await talk(member(telling.url, price={"input": 2, "cached_input": 1, "output": 10}))
    assert (heard.text, heard.reasoning) == ("It is.", "I think twice thrice")
    assert heard.end.finish is Finish.LENGTH
    usage = heard.end.usage
    assert (usage.input_tokens, usage.cached_tokens) == (1000, 400)
    assert (usage.output_tokens, usage.reasoning_tokens) == (200, 50)
    assert usage.cost == pytest.approx((600 * 2 + 400 * 1 + 200 * 10) / 1e6)


@pytest.mark.parametrize("break_", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_streams_are_read_with_every_line_break(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, break_: bytes
) -> None:
    stream = (
        b": a comment\n\nevent: message\nid: 7\nretry: 10\n"
        b'data: {"choices": [{"delta":\ndata: {"content": "Two lines."}}]}\n\n'
        b'data:{"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    ).replace(b"\n", break_)
    tell(monkeypatch, *(stream[start : start + 7] for start in range(0, len(stream), 7)))
    heard = await talk(member(telling.url))
    assert heard.text == "Two lines."
    assert heard.ended


async def test_a_character_that_no_database_keeps_is_not_heard(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, chunk({"content": "All\0 of "}), chunk({"content": "it.\0"}, "stop"))
    assert (await talk(member(telling.url))).text == "All of it."


@pytest.mark.parametrize("behind", [[], [b"data: [DONE]\n\n"], [b"data: [DONE]"]], ids=["nothing", "done", "half"])
async def test_a_reason_to_stop_is_an_end(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, behind: list[bytes]
) -> None:
    tell(monkeypatch, chunk({"content": "All."}, "stop"), *behind)
    heard = await talk(member(telling.url))
    assert (heard.text, heard.end.finish) == ("All.", Finish.STOP)
    assert heard.end.usage.output_tokens == 1  # estimated


@pytest.mark.parametrize("end", [End.CUT, End.STALL])
async def test_what_comes_behind_the_last_word_does_not_matter(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    said = [chunk({"content": "All."}, "stop"), event({"choices": [], "usage": USAGE})]
    reply = Reply([(0.0, each) for each in said], kind="text/event-stream", chunked=True, end=end)
    monkeypatch.setitem(FAULTS, "told", lambda *_: reply)
    began = time.monotonic()
    heard = await talk(member(telling.url))
    assert (heard.text, heard.end.usage.output_tokens) == ("All.", 200)
    assert time.monotonic() - began < PATIENT["between_tokens"] / 2


@pytest.mark.parametrize("end", [End.CUT, End.STALL])
async def test_a_usage_that_never_comes_is_estimated(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    steps = [(0.0, chunk({"content": "All."}, "stop"))]
    reply = Reply(steps, kind="text/event-stream", chunked=True, end=end)
    monkeypatch.setitem(FAULTS, "told", lambda *_: reply)
    heard = await talk(member(telling.url, {"between_tokens": 0.2}))
    assert (heard.text, heard.end.usage.output_tokens) == ("All.", 1)


@pytest.mark.parametrize("end", [End.CUT, End.STALL])
async def test_an_answer_that_stops_at_every_word_is_whole_only_if_its_stream_is(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    # As gateways before Gemini send it: each chunk has a reason to stop, with the usage so far.
    one = chunk({"content": "Do "}, "stop") + event({"choices": [], "usage": None})
    two = event({"choices": [{"delta": {"content": "not."}, "finish_reason": "stop"}], "usage": USAGE})
    for events, fault in (
        ([one, two], Fault.CUT if end is End.CUT else Fault.TIMEOUT_BETWEEN),
        ([one, two, b"data: [DONE]\n\n"], None),
    ):
        reply = Reply([(0.0, each) for each in events], kind="text/event-stream", chunked=True, end=end)
        monkeypatch.setitem(FAULTS, "told", lambda *_, reply=reply: reply)
        heard = await talk(member(telling.url, {"between_tokens": 0.2}))
        assert heard.text == "Do not."
        assert (heard.error and heard.error.fault) == fault


async def test_words_behind_a_reason_to_stop_and_its_usage_are_heard(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = {"delta": {"content": "word "}, "finish_reason": "stop"}
    tell(monkeypatch, *[event({"choices": [choice], "usage": USAGE})] * 3, b"data: [DONE]\n\n")
    heard = await talk(member(telling.url))
    assert (heard.text, heard.end.usage.output_tokens) == ("word word word ", 200)


async def test_a_stream_may_end_without_a_reason_if_it_says_so(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, chunk({"content": "All."}), b"data: [DONE]\n\n")
    assert (await talk(member(telling.url))).end.finish is Finish.STOP


async def test_azures_first_chunk_has_no_choice(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    filtered = event({"choices": [], "model": "", "prompt_filter_results": [{"prompt_index": 0}]})
    tell(monkeypatch, filtered, chunk({"content": ""}), chunk({"content": "Yes."}), chunk({}, "content_filter"))
    heard = await talk(member(telling.url))
    assert (heard.text, heard.end.finish, heard.end.model) == ("Yes.", Finish.FILTER, "mock")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"message": "slow down", "type": "rate_limit_error"}, Fault.RATE_LIMITED),
        ({"message": "busy", "code": 503}, Fault.OVERLOADED),
        ({"message": "maximum context length is 9", "code": 400}, Fault.TOO_LONG),
        ({"message": "no", "code": "400"}, Fault.REFUSED),
        ({"message": "quota", "type": "insufficient_quota", "code": 429}, Fault.UNAUTHORIZED),
        ({"message": "input flagged", "code": 403, "metadata": {"reasons": ["violence"]}}, Fault.REFUSED),
        ("it broke", Fault.SERVER_ERROR),
        ({}, Fault.CUT),
    ],
)
async def test_errors_inside_a_stream_are_told_apart(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, error: object, fault: Fault
) -> None:
    tell(monkeypatch, event({"error": error}))
    heard = await talk(member(telling.url))
    assert heard.fault.fault is fault
    assert not heard.fault.said


async def test_llama_servers_error_line_is_an_error(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, b'error: {"code": 400, "type": "exceed_context_size_error", "message": "n_prompt"}\n\n')
    assert (await talk(member(telling.url))).fault.fault is Fault.TOO_LONG


async def test_older_vllms_error_is_an_error(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, event({"object": "error", "message": "maximum context length is 9", "code": 400}))
    assert (await talk(member(telling.url))).fault.fault is Fault.TOO_LONG


@pytest.mark.parametrize("reason", ["abort", "error"])
async def test_an_aborted_answer_is_no_answer(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    tell(monkeypatch, chunk({"content": "So "}, reason))
    assert (await talk(member(telling.url))).fault.fault is Fault.SERVER_ERROR


SHAPES: list[object] = [
    5,
    None,
    [],
    {"choices": 5},
    {"choices": [5]},
    {"choices": [{"delta": []}]},
    {"choices": [{"delta": {"content": {"a": 1}}}]},
    {"usage": "many"},
]


@pytest.mark.parametrize("value", SHAPES, ids=map(json.dumps, SHAPES))
async def test_json_of_another_shape_is_garbage(
    telling: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    tell(monkeypatch, event(value))
    heard = await talk(member(telling.url))
    assert heard.fault.fault is Fault.GARBAGE


async def test_a_lone_surrogate_is_asked_as_a_question_mark(server: Misbehaving, talk: Talking) -> None:
    heard = await talk(member(server.url), ChatRequest((Message(Role.USER, "caf\udce9 é 漢"),)))
    assert heard.text
    assert server.requests[0].body["messages"][0]["content"] == "caf? é 漢"
