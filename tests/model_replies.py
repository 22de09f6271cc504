"""What a sound model server answers, as bytes and the time between them."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

WORDS = "The answer stands in the first passage [1]."
DIMENSION = 8
_WORD = re.compile(r"\S+\s*|\s+")
_SCHEMA_TEXT = '{"answer": "yes"}'


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: Mapping[str, Any]


class End(Enum):
    """How an answer ends."""

    WHOLE = "whole"
    CUT = "cut"  # the connection breaks
    STALL = "stall"  # nothing comes any more


@dataclass(frozen=True)
class Reply:
    """An answer: what is sent, each after so many seconds."""

    steps: Sequence[tuple[float, bytes]]
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    end: End = End.WHOLE
    chunked: bool = False  # else the length is declared
    bare: bool = False  # without a head: the steps are all that is sent

    @classmethod
    def json(cls, value: object, *, status: int = 200, wait: float = 0.0, **headers: str) -> Reply:
        """A whole document."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls([(wait, json.dumps(value).encode())], status, headers=given)

    @classmethod
    def error(cls, status: int, message: str, kind: str = "error", **headers: str) -> Reply:
        """An error as OpenAI shapes it."""
        value = {"error": {"message": message, "type": kind, "code": None}}
        return cls.json(value, status=status, wait=0.0, **headers)

    def head(self) -> bytes:
        """What stands before the body."""
        if self.bare:
            return b""
        length = f"content-length: {sum(len(content) for _, content in self.steps)}"
        lines = [
            f"HTTP/1.1 {self.status} X",
            f"content-type: {self.kind}",
            "transfer-encoding: chunked" if self.chunked else length,
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def framed(self, content: bytes) -> bytes:
        """As it goes over the wire."""
        return b"%x\r\n%b\r\n" % (len(content), content) if self.chunked else content

    def tail(self) -> bytes:
        """What ends it."""
        return b"0\r\n\r\n" if self.chunked else b""


@dataclass
class Sound:
    """A healthy server."""

    first: float = 0.0
    between: float = 0.0
    speak: Callable[[Mapping[str, Any]], str] = lambda body: _SCHEMA_TEXT if "response_format" in body else WORDS
    models: tuple[str, ...] = ("mock",)
    labels: tuple[str, ...] = ("good", "bad")

    def reply(self, asked: Asked) -> Reply:
        """What it answers."""
        path = asked.path.partition("?")[0]
        if "/v2/models/" in path:
            return self._inference(path, asked)
        answers: Mapping[str, Callable[[Mapping[str, Any]], Reply]] = {
            "models": lambda _: Reply.json({"object": "list", "data": [{"id": name} for name in self.models]}),
            "completions": self._chat,
            "messages": self._messages,
            "embeddings": lambda body: Reply.json(_embeddings(body), wait=self.first),
            "rerank": lambda body: Reply.json(_ranking(body), wait=self.first),
        }
        answer = answers.get(path.rpartition("/")[2])
        return answer(asked.body) if answer else Reply.error(404, "no such path")

    def _chat(self, body: Mapping[str, Any]) -> Reply:
        text, read = self.speak(body), _read_tokens(body["messages"])
        name = body.get("model") or self.models[0]
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = _usage(read, len(_WORD.findall(text)))
            return Reply.json({"id": "c", "model": name, "choices": [choice], "usage": usage}, wait=self.first)
        counted = bool(body.get("stream_options", {}).get("include_usage"))
        return self._stream(_chat_events(text, name, read, counted))

    def _messages(self, body: Mapping[str, Any]) -> Reply:
        return self._stream(_message_events(self.speak(body), body["model"], _read_tokens(body["messages"])))

    def _stream(self, events: Sequence[bytes]) -> Reply:
        head = {"cache-control": "no-cache"}
        waits = [self.first] + [self.between] * (len(events) - 1)
        return Reply(list(zip(waits, events, strict=True)), kind="text/event-stream", headers=head, chunked=True)

    def _inference(self, path: str, asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply.json({"name": "m", "parameters": {"labels": list(self.labels)}})
        (given,) = asked.body["inputs"]
        texts = given["data"]
        if "/classifier/" in path:
            logits = [value for text in texts for value in (float(len(text) % 7), 1.0)]
            output = {"name": "logits", "datatype": "FP32", "shape": [len(texts), 2], "data": logits}
        else:
            vectors = [vector_of(text) for text in texts]
            flat = [float(value) for vector in vectors for value in vector]
            output = {"name": "embeddings", "datatype": "FP32", "shape": [len(texts), DIMENSION], "data": flat}
        return Reply.json({"model_name": "m", "outputs": [output]}, wait=self.first)


def event(value: object) -> bytes:
    """A chunk of an OpenAI stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: Mapping[str, object], finish: str | None = None, model: str = "mock") -> bytes:
    """One with a choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]})


def vector_of(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Texts that share words are near to each other; not of unit length."""
    vector = np.full(DIMENSION, 0.01, np.float32)
    for word in text.lower().split():
        vector[zlib.crc32(word.encode()) % DIMENSION] += 1
    return vector


@lru_cache(maxsize=64)
def _chat_events(text: str, model: str, read: int, counted: bool) -> Sequence[bytes]:
    words = _WORD.findall(text)
    events = [chunk({"role": "assistant", "content": ""} | {"content": word}, model=model) for word in words]
    events.append(chunk({}, "stop", model))
    if counted:
        events.append(event({"id": "c", "model": model, "choices": [], "usage": _usage(read, len(words))}))
    return [*events, b"data: [DONE]\n\n"]


@lru_cache(maxsize=64)
def _message_events(text: str, model: str, read: int) -> Sequence[bytes]:
    words = _WORD.findall(text)
    usage = {"input_tokens": read, "cache_read_input_tokens": 3, "output_tokens": 1}
    values: list[Mapping[str, object]] = [
        {"type": "message_start", "message": {"id": "m", "model": model, "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": len(words)}},
        {"type": "message_stop"},
    ]
    return [f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode() for value in values]


def _embeddings(body: Mapping[str, Any]) -> object:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data: list[dict[str, object]] = []
    for index, text in enumerate(texts):
        vector: object = vector_of(text).tolist()
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(vector_of(text).astype("<f4").tobytes()).decode()
        data.insert(0, {"object": "embedding", "index": index, "embedding": vector})  # in no useful order
    tokens = sum(len(text.split()) for text in texts)
    return {"object": "list", "data": data, "model": "mock", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _ranking(body: Mapping[str, Any]) -> object:
    asked = set(body["query"].lower().split())
    scores = [len(asked & set(text.lower().split())) / (len(asked) or 1) for text in body["documents"]]
    best = sorted(enumerate(scores), key=lambda pair: -pair[1])[: body.get("top_n")]
    results = [{"index": index, "relevance_score": score} for index, score in best]
    return {"model": "mock", "results": results, "usage": {"total_tokens": 7}}


def _usage(read: int, written: int) -> Mapping[str, object]:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _read_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(str(message["content"]).split()) for message in messages)
