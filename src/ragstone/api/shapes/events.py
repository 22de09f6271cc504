"""A response as it is told: the published events, in the published order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from ragstone.answer.tell import tell
from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.citations import file_citation
from ragstone.api.shapes.ending import Ending, Failure
from ragstone.api.shapes.items import message, output_text, search_call
from ragstone.api.shapes.response import Draft, Status, output, response, status_of
from ragstone.domain import Answer, Citation, Cited, Found, Hit, Searching, Wrote

Event: TypeAlias = dict[str, object]

_DELTA = "response.output_text.delta"


class ResponseStream:
    """Turns what becomes known of an answer into events; each step returns those that are due.

    The steps, in order: `create`, `start`, `search`, `found`, then `write` and `cite` as often as need be, and one of
    `conclude`, `cancel` and `fail`, the last two of which may come at any time. A search can be left out. What was told
    adds up to the response of the last event.
    """

    def __init__(self, asked: Asked) -> None:
        """Nothing is known yet."""
        self._asked = asked
        self._draft = Draft()  # but for the words
        self._words: list[str] | None = None  # None: nothing has been said yet
        self._told = 0  # events so far

    def create(self) -> list[Event]:
        """The response has its identity; in the background it waits for its turn."""
        if not self._asked.background:
            return [self._state("response.created", Status.IN_PROGRESS)]
        return [self._state(f"response.{kind}", Status.QUEUED) for kind in ("created", "queued")]

    def start(self) -> list[Event]:
        """Work has begun."""
        return [self._state("response.in_progress", Status.IN_PROGRESS)]

    def search(self, queries: Sequence[str] = ()) -> list[Event]:
        """The stores are being searched for these queries; without any, for the question."""
        queries = tuple(queries) or (self._asked.question,)
        self._draft = replace(self._draft, queries=queries)
        item = search_call(self._asked, "in_progress", queries, None)
        return [
            self._event("response.output_item.added", output_index=0, item=item),
            *(self._search(state) for state in ("in_progress", "searching")),
        ]

    def found(self, hits: Sequence[Hit], queries: Sequence[str] = ()) -> list[Event]:
        """The search is over; it was for these queries, if they are others than those it began with."""
        self._draft = replace(self._draft, hits=tuple(hits), queries=tuple(queries) or self._draft.queries)
        item = output(self._asked, Status.IN_PROGRESS, self._draft)[0]
        return [self._search("completed"), self._event("response.output_item.done", output_index=0, item=item)]

    def write(self, text: str) -> list[Event]:
        """The answer goes on with these words; not one word is no event."""
        opening = self._open()
        if not text:
            return opening
        self._say(text)
        return [*opening, self._part(_DELTA, delta=text, logprobs=[])]

    def written(self, text: str) -> bytes:
        """The events of `write` as they go over the wire: a model's words come one by one, and each costs time."""
        opening = sse.events(self._open())
        if not text:
            return opening
        self._say(text)
        self._told += 1
        event = (
            f'event: {_DELTA}\ndata: {{"type":"{_DELTA}","sequence_number":{self._told - 1},'
            f'"item_id":"{self._asked.message_id}","output_index":{self._message_index},"content_index":0,'
            f'"delta":{sse.quoted(text)},"logprobs":[]}}\n\n'
        )
        return opening + event.encode()

    def cite(self, citation: Citation) -> list[Event]:
        """What was written last rests on this."""
        opening = self._open()
        number = len(self._draft.citations)
        self._draft = replace(self._draft, citations=(*self._draft.citations, citation))
        added = self._part(
            "response.output_text.annotation.added", annotation_index=number, annotation=file_citation(citation)
        )
        return [*opening, added]

    def tell(self, event: Searching | Found | Wrote | Cited) -> list[Event]:
        """What is due once this has become known."""
        match event:
            case Searching(queries):
                return self.search(queries) if self._draft.queries is None else []
            case Found(hits, queries):
                return self.found(hits, queries) if self._draft.hits is None else []
            case Wrote(text):
                return self.write(text)
            case Cited(citation):
                return self.cite(citation)

    def conclude(self, ending: Ending) -> list[Event]:
        """There is nothing more to come, even if nothing was said; an answer may have to stop before its end."""
        answer, status = ending.answer, status_of(ending)
        if answer is not None and self._draft.queries is not None:
            # Behind the search that was told of, there may have been more of them.
            self._draft = replace(self._draft, queries=answer.queries or self._draft.queries, hits=answer.nearest)
        opening = self._open()
        closing = self._close("completed" if status is Status.COMPLETED else "incomplete")
        return [*opening, *closing, self._state(f"response.{status.value}", status, ending)]

    def fail(self, failure: Failure) -> list[Event]:
        """There will be no answer; before `create` there is not even a response that could say so."""
        if not self._told:
            return self.break_off(failure)
        return [self._state("response.failed", Status.FAILED, Ending(failure=failure))]

    def break_off(self, failure: Failure) -> list[Event]:
        """No more can be told here; what becomes of the response is another matter."""
        return [self._event("error", code=failure.code.value, message=failure.message, param=None)]

    def cancel(self) -> list[Event]:
        """There will be no answer, since the asker called it off; no event of that name is published."""
        return [self._state("response.incomplete", Status.CANCELLED)]

    def _say(self, text: str) -> None:
        assert self._words is not None
        self._words.append(text)

    def _open(self) -> list[Event]:
        """The message and its text, if they have not begun yet."""
        if self._words is not None:
            return []
        self._words = []
        item = message(self._asked, "in_progress", [])
        return [
            self._event("response.output_item.added", output_index=self._message_index, item=item),
            self._part("response.content_part.added", part=output_text("", ())),
        ]

    def _close(self, status: str) -> list[Event]:
        """The message and its text."""
        text = "".join(self._words or ())
        part = output_text(text, self._draft.citations)
        item = message(self._asked, status, [part])
        return [
            self._part("response.output_text.done", text=text, logprobs=[]),
            self._part("response.content_part.done", part=part),
            self._event("response.output_item.done", output_index=self._message_index, item=item),
        ]

    @property
    def _message_index(self) -> int:
        return 0 if self._draft.queries is None else 1

    def _state(self, kind: str, status: Status, ending: Ending | None = None) -> Event:
        draft = self._draft if self._words is None else replace(self._draft, text="".join(self._words))
        return self._event(kind, response=response(self._asked, status, draft, ending or Ending()))

    def _search(self, state: str) -> Event:
        kind = f"response.file_search_call.{state}"
        return self._event(kind, output_index=0, item_id=self._asked.search_id)

    def _part(self, kind: str, **more: object) -> Event:
        place = {"item_id": self._asked.message_id, "output_index": self._message_index, "content_index": 0}
        return self._event(kind, **place, **more)

    def _event(self, kind: str, **more: object) -> Event:
        self._told += 1
        return {"type": kind, "sequence_number": self._told - 1, **more}


def opening(stream: ResponseStream) -> list[Event]:
    """All that can be told before anything is known."""
    return [*stream.create(), *stream.start(), *stream.search()]


def telling(stream: ResponseStream, answer: Answer, ending: Ending) -> Iterator[Event]:
    """All that follows once the answer is there."""
    for event in tell(answer, begin=Found):
        if not isinstance(event, Answer):
            yield from stream.tell(event)
    yield from stream.conclude(ending)


def play(asked: Asked, answer: Answer, ending: Ending) -> Iterator[Event]:
    """A finished answer told from its beginning; the last event holds the response that `concluded` makes of it."""
    stream = ResponseStream(asked)
    yield from opening(stream)
    yield from telling(stream, answer, ending)
