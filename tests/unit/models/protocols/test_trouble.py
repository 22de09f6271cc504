"""What servers complain of, in their own words, and what becomes of it."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.models.faults import Fault
from ragstone.models.protocols import anthropic, openai
from ragstone.models.protocols.heard import Heard, ToldError, UnfitError
from ragstone.models.protocols.trouble import Speaker, refusal, stream_error

SPEAKER = Speaker("one", lambda text: text.replace("sk-1234", "***"), "Where does my neighbour Agathe keep her goats?")

WORDS = [
    # OpenAI
    (400, {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": None}}, Fault.TOO_LONG),
    (400, {"error": {"message": "Too long.", "code": "context_length_exceeded"}}, Fault.TOO_LONG),
    (400, {"error": {"message": "Unsupported parameter: 'max_tokens'", "param": "max_tokens"}}, Fault.REFUSED),
    (401, {"error": {"message": "Incorrect API key provided: sk-1234", "code": "invalid_api_key"}}, Fault.UNAUTHORIZED),
    (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, Fault.UNKNOWN_MODEL),
    (429, {"error": {"message": "Rate limit reached", "type": "tokens"}}, Fault.RATE_LIMITED),
    (429, {"error": {"message": "You exceeded your quota", "type": "insufficient_quota"}}, Fault.UNAUTHORIZED),
    (429, {"error": {"message": "Request too large: reduce the length", "type": "tokens"}}, Fault.RATE_LIMITED),
    (500, {"error": {"message": "The server had an error", "type": "server_error"}}, Fault.SERVER_ERROR),
    # Azure
    (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
        Fault.UNKNOWN_MODEL,
    ),
    (400, {"error": {"code": "content_filter", "message": "The response was filtered"}}, Fault.REFUSED),
    (
        403,
        {"error": {"message": "Your resource has been blocked for behavior that may violate our content policy."}},
        Fault.UNAUTHORIZED,
    ),
    # OpenRouter
    (403, {"error": {"code": 403, "message": "X requires moderation. Your input was flagged."}}, Fault.REFUSED),
    (403, {"error": {"code": 403, "message": "No.", "metadata": {"flagged_input": "My account..."}}}, Fault.REFUSED),
    (403, {"error": {"code": 403, "message": "Key limit exceeded", "metadata": {}}}, Fault.UNAUTHORIZED),
    # vLLM
    (400, {"object": "error", "message": "maximum context length is 4096 tokens", "code": 400}, Fault.TOO_LONG),
    (
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError"},
        Fault.UNKNOWN_MODEL,
    ),
    # llama-server
    (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "request (9)"}}, Fault.TOO_LONG),
    (500, {"error": {"code": 500, "message": "input (27 tokens) is too large to process."}}, Fault.TOO_LONG),
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, Fault.OVERLOADED),
    # Text Generation Inference
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "validation"}, Fault.TOO_LONG),
    # Anthropic
    (400, {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}, Fault.TOO_LONG),
    (400, {"error": {"message": "Your credit balance is too low"}}, Fault.UNAUTHORIZED),
    (413, {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}, Fault.TOO_LONG),
    (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, Fault.OVERLOADED),
    # Ollama, FastAPI, gateways
    (404, {"error": {"message": "model 'x' not found, try pulling it first"}}, Fault.UNKNOWN_MODEL),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, Fault.REFUSED),
    (502, "<html>Bad Gateway</html>", Fault.SERVER_ERROR),
    (504, "", Fault.SERVER_ERROR),
    (408, "", Fault.SERVER_ERROR),
    (418, "", Fault.REFUSED),
    (307, "", Fault.GARBAGE),
]


@pytest.mark.parametrize(("status", "body", "fault"), WORDS, ids=lambda value: str(value)[:60])
def test_a_complaint_is_understood(status: int, body: object, fault: Fault) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = refusal(SPEAKER, status, {}, content)
    assert error.fault is fault
    assert str(status) in error.what
    assert "sk-1234" not in str(error)


def test_the_servers_reason_is_told() -> None:
    error = refusal(SPEAKER, 401, {}, b'{"error": {"message": "Incorrect API key provided: sk-1234"}}')
    assert str(error) == "The model one answers with status 401: Incorrect API key provided: ***"


@pytest.mark.parametrize(
    "said",
    [
        "Cannot read: Where does my neighbour Agathe keep her goats?",
        "Cannot read: my  neighbour\nAgathe keep her",
        "[{'input': 'does my neighbour Agathe keep'}]",
    ],
)
def test_what_was_asked_is_not_told(said: str) -> None:
    error = refusal(SPEAKER, 400, {}, json.dumps({"error": {"message": said}}).encode())
    assert "Agathe" not in str(error)
    assert "repeats what it was asked" in error.why


def test_the_input_that_was_flagged_is_not_told() -> None:
    flagged = {"message": "Your input was flagged", "metadata": {"flagged_input": "goats", "reasons": ["violence"]}}
    error = refusal(SPEAKER, 403, {}, json.dumps({"error": flagged}).encode())
    assert "Your input was flagged" in str(error)
    assert "goats" not in str(error)


def test_long_and_unprintable_reasons_are_cut() -> None:
    error = refusal(SPEAKER, 400, {}, json.dumps({"error": {"message": "no\x1b[2J\r\n\t" + "x" * 5000}}).encode())
    assert error.why.startswith("no[2J xxx")
    assert len(error.why) <= 200


@pytest.mark.parametrize("status", [400, 401, 500])
def test_only_who_is_busy_says_when_to_come_back(status: int) -> None:
    assert refusal(SPEAKER, status, {"retry-after": "5"}, b"").retry_after is None
    assert refusal(SPEAKER, 503, {"retry-after": "5"}, b"").retry_after == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
FIELDS = st.sampled_from(
    ["choices", "delta", "message", "content", "usage", "error", "type", "object", "finish_reason", "stop_reason"]
)
EVENTS = st.recursive(
    JSON, lambda inner: st.dictionaries(FIELDS, inner | st.lists(inner, max_size=2), max_size=4), max_leaves=12
)


@settings(deadline=None)
@given(EVENTS, st.binary(max_size=20))
def test_no_document_leads_to_an_unknown_error(value: object, noise: bytes) -> None:
    for content in (json.dumps(value).encode(), json.dumps(value).encode() + noise, noise):
        for hear in (openai.hear, anthropic.hear):
            heard = Heard()
            with suppress(UnfitError, ToldError):
                hear(content, heard)
            heard.piece()
        assert refusal(SPEAKER, 400, {}, content).what
    assert stream_error(SPEAKER, value).what


@pytest.mark.parametrize("hear", [openai.hear, anthropic.hear])
def test_deeply_nested_documents_do_not_fit(hear: object) -> None:
    assert callable(hear)
    with pytest.raises(UnfitError):
        hear(b'{"error":' + b"[" * 100_000, Heard())


def test_an_error_of_deeply_nested_json_is_told_as_it_stands() -> None:
    assert refusal(SPEAKER, 500, {}, b"[" * 60_000).fault is Fault.SERVER_ERROR
