"""Chat completions: the object, and the same in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from ragstone import wire
from ragstone.answer.tell import tell
from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import ChatAsked
from ragstone.api.shapes.citations import Link, url_citations
from ragstone.api.shapes.ending import CutShort, Ending, Failure
from ragstone.api.shapes.usage import of_chat
from ragstone.domain import Answer, Citation, Cited, Found, Searching, Wrote

Chunk: TypeAlias = dict[str, object]

_REASONS = {CutShort.MAX_OUTPUT_TOKENS: "length", CutShort.CONTENT_FILTER: "content_filter"}


def completion(asked: ChatAsked, answer: Answer, link: Link) -> dict[str, object]:
    """A whole chat completion; `link` names the place where cited words can be read."""
    message = {
        "role": "assistant",
        "content": answer.text,
        "refusal": None,
        "annotations": url_citations(answer.citations, answer.text, link),
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
    return {
        "id": asked.id,
        "object": "chat.completion",
        "created": asked.created_at,
        "model": asked.model,
        "choices": [choice],
        "usage": of_chat(answer.provenance.usage),
        **wire.account(answer),
    }


class ChatStream:
    """Turns what becomes known of an answer into chunks; each step returns those that are due.

    The steps, in order: `start`, then `write` and `cite` as often as need be, and `conclude` or `fail`.
    """

    def __init__(self, asked: ChatAsked, link: Link) -> None:
        """Nothing is known yet; `link` names the place where cited words can be read."""
        self._asked = asked
        self._link = link
        self._words: list[str] = []
        self._citations: list[Citation] = []
        # All but the words of a chunk with words: they come one by one, and each costs time.
        head, words, tail = sse.data(self._delta({"content": ""})).decode().partition('"content":""')
        self._head, self._tail = head + words[:-2], tail

    def start(self) -> list[Chunk]:
        """Somebody is about to speak."""
        return [self._delta({"role": "assistant", "content": "", "refusal": None, "annotations": []})]

    def write(self, text: str) -> list[Chunk]:
        """The answer goes on with these words; not one word is no chunk."""
        self._words.append(text)
        return [self._delta({"content": text})] if text else []

    def written(self, text: str) -> bytes:
        """The chunk of `write` as it goes over the wire."""
        self._words.append(text)
        return f"{self._head}{sse.quoted(text)}{self._tail}".encode() if text else b""

    def cite(self, citation: Citation) -> list[Chunk]:
        """What was written last rests on this; it is told when the text ends."""
        self._citations.append(citation)
        return []

    def tell(self, event: Searching | Found | Wrote | Cited) -> list[Chunk]:
        """What is due once this has become known; of the search nothing is."""
        match event:
            case Wrote(text):
                return self.write(text)
            case Cited(citation):
                return self.cite(citation)
            case _:
                return []

    def conclude(self, answer: Answer) -> list[Chunk]:
        """The text ends: its annotations, why it ends, and the tokens if the request wants them counted."""
        chunks = []
        if self._citations:
            # All at once: of several lists, OpenAI's JavaScript client keeps the last and its Python client fails.
            annotations = url_citations(self._citations, "".join(self._words), self._link)
            chunks.append(self._delta({"annotations": annotations}))
        chunks.append({**self._delta({}, _finish(answer)), **wire.account(answer)})
        if self._asked.include_usage:
            chunks.append({**self._chunk([]), "usage": of_chat(answer.provenance.usage)})
        return chunks

    def fail(self, failure: Failure) -> list[Chunk]:
        """There will be no more; clients raise this as an error of the interface."""
        code = failure.code
        return [{"error": {"message": failure.message, "type": code.kind, "param": None, "code": code.value}}]

    def _delta(self, delta: dict[str, object], finish_reason: str | None = None) -> Chunk:
        return self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}])

    def _chunk(self, choices: list[dict[str, object]]) -> Chunk:
        # If tokens are counted in the end, every chunk before says that they are not counted yet.
        usage = {"usage": None} if self._asked.include_usage else {}
        return {
            "id": self._asked.id,
            "object": "chat.completion.chunk",
            "created": self._asked.created_at,
            "model": self._asked.model,
            "choices": choices,
            **usage,
        }


def play(asked: ChatAsked, answer: Answer, link: Link) -> Iterator[Chunk]:
    """A finished answer told from its beginning; what is told adds up to what `completion` makes of it."""
    stream = ChatStream(asked, link)
    yield from stream.start()
    for event in tell(answer, begin=None):
        if not isinstance(event, Answer):
            yield from stream.tell(event)
    yield from stream.conclude(answer)


def _finish(answer: Answer) -> str:
    cut_short = Ending(answer=answer).cut_short
    return "stop" if cut_short is None else _REASONS[cut_short]
