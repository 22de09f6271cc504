"""The ways in which the misbehaving model server misbehaves."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from model_replies import Asked, End, Reply, Sound, chunk, event

Fault = Callable[[Asked, Sound], Reply]

_STREAM = "text/event-stream"
_HUGE = 10 * 2**20


def _busy(status: int = 429, **headers: str) -> Fault:
    return lambda _asked, _sound: Reply.error(status, "slow down", "rate_limit_error", **headers)


def _date(asked: Asked, sound: Sound) -> Reply:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    return Reply.error(429, "slow down", retry_after=format_datetime(soon, usegmt=True))


def _anthropic(asked: Asked, sound: Sound) -> Reply:
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat().replace("+00:00", "Z")
    headers = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": soon}
    return replace(Reply.error(429, "slow down"), headers=headers)


def _error(status: int, message: str, **rest: str) -> Fault:
    value: Mapping[str, object] = {"error": {"message": message, "type": "error", **rest}}
    return lambda _asked, _sound: Reply.json(value, status=status)


def _late(asked: Asked, sound: Sound) -> Reply:
    return Reply([], kind=_STREAM, chunked=True, end=End.STALL)


def _silent(asked: Asked, sound: Sound) -> Reply:
    return Reply([], bare=True, end=End.STALL)


def _hangs_up(asked: Asked, sound: Sound) -> Reply:
    return Reply([], bare=True, end=End.CUT)


def _half(end: End) -> Fault:
    """The first half of a sound answer, and then this."""

    def fault(asked: Asked, sound: Sound) -> Reply:
        reply = sound.reply(asked)
        if len(reply.steps) == 1:  # a whole document
            wait, content = reply.steps[0]
            return replace(reply, steps=[(wait, content[: len(content) // 2])], chunked=True, end=end)
        return replace(reply, steps=reply.steps[: max(2, len(reply.steps) // 2)], end=end)

    return fault


def _without_end(asked: Asked, sound: Sound) -> Reply:
    return replace(_half(End.WHOLE)(asked, sound), end=End.WHOLE)


def _pings(asked: Asked, sound: Sound) -> Reply:
    """Signs of life, and never a token."""
    return Reply([(0.05, b": ping\n\n")] * 10_000, kind=_STREAM, chunked=True)


def _stream(*events: bytes, kind: str = _STREAM) -> Fault:
    """With time between them: what comes at once is heard at once, so that no word of it would have been said."""
    steps = [(0.25 if place else 0.05, each) for place, each in enumerate(events)]
    return lambda _asked, _sound: Reply(steps, kind=kind, chunked=True)


def _body(content: bytes, kind: str = "application/json", status: int = 200) -> Fault:
    return lambda _asked, _sound: Reply([(0.0, content)], status, kind)


def _whole(asked: Asked, sound: Sound) -> Reply:
    """Not a fault: a server that knows no streams."""
    return sound.reply(replace(asked, body={**asked.body, "stream": False}))


FAULTS: Mapping[str, Fault] = {
    "429": _busy(),
    "429-seconds": _busy(retry_after="30"),
    "429-date": _date,
    "429-soon": _busy(retry_after_ms="50"),
    "429-ms": _busy(retry_after_ms="2500"),
    "429-openai": _busy(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1m2s"),
    "429-anthropic": _anthropic,
    "429-stalls": lambda _asked, _sound: Reply([], 429, headers={"retry-after": "30"}, chunked=True, end=End.STALL),
    "500": _error(500, "it broke"),
    "502": _body(b"<html>bad gateway</html>", "text/html", 502),
    "503": _busy(503),
    "503-seconds": _busy(503, retry_after="5"),
    "529": _error(529, "Overloaded"),
    "400": _error(400, "the parameter is not known"),
    "400-context": _error(400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded"),
    "401": _error(401, "Incorrect API key provided"),
    "403": _error(403, "this is not for you"),
    "404": _error(404, "The model does not exist", code="model_not_found"),
    "silent": _silent,  # it takes the request and says nothing at all
    "late": _late,  # it says 200, and then nothing
    "pings": _pings,
    "flood": lambda _asked, _sound: Reply([(0.0, b": ping\n\n" * 4096)] * 5000, kind=_STREAM, chunked=True),
    "hangs-up": _hangs_up,
    "stall": _half(End.STALL),
    "cut": _half(End.CUT),
    "without-end": _without_end,  # the stream ends properly, the answer does not
    "json": _stream(b'data: {"choices": [{"delta": {"content": \n\n'),
    "json-later": _stream(chunk({"content": "So "}), b"data: {nonsense\n\n"),
    "type": _body(b"<html>welcome to our portal</html>", "text/html"),
    "empty-choices": _stream(event({"choices": []}), b"data: [DONE]\n\n"),
    "huge": _stream(b"data: " + b"x" * _HUGE + b"\n\n"),
    "error-in-stream": _stream(event({"error": {"message": "CUDA out of memory", "code": 500}})),
    "error-later": _stream(chunk({"content": "So "}), event({"error": {"message": "it broke", "code": 500}})),
    "redirect": lambda _asked, _sound: Reply([], 302, headers={"location": "http://127.0.0.1:9/stolen"}),
    "no-http": lambda _asked, _sound: Reply([(0.0, b"SSH-2.0-OpenSSH_9.9\r\n")], bare=True, end=End.CUT),
    "gzip": lambda _asked, _sound: Reply([(0.0, gzip.compress(b"{}"))], headers={"content-encoding": "gzip"}),
    "whole": _whole,
}
