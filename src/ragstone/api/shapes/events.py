"""A response as it is told: the published events, in the published order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.citations import file_citation
from ragstone.api.shapes.ending import CutShort, Ending, Failure
from ragstone.api.shapes.items import message, output_text, search_call
from ragstone.api.shapes.pieces import pieces
from ragstone.api.shapes.response import Draft, Status, output, response
from ragstone.domain import Answer, Citation, Hit

Event: TypeAlias = dict[str, object]


class ResponseStream:
    """Turns what becomes known of an answer into events; each step returns those that are due.

    The steps, in order: `create`, `start`, `search`, `found`, then `write` and `cite` as often as need be, and one of
    `complete`, `cut_short`, `cancel` and `fail`, the last two of which may come at any time. A search can be left out.
    What was told adds up to the response of the last event.
    """

    def __init__(self, asked: Asked) -> None:
        """Nothing is known yet."""
        self._asked = asked
        self._draft = Draft()
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
        self._draft = replace(self._draft, text=f"{self._draft.text}{text}")
        return [*opening, self._part("response.output_text.delta", delta=text, logprobs=[])]

    def cite(self, citation: Citation) -> list[Event]:
        """What was written last rests on this."""
        opening = self._open()
        number = len(self._draft.citations)
        self._draft = replace(self._draft, citations=(*self._draft.citations, citation))
        added = self._part(
            "response.output_text.annotation.added", annotation_index=number, annotation=file_citation(citation)
        )
        return [*opening, added]

    def complete(self, ending: Ending) -> list[Event]:
        """The answer is whole, even if nothing was said."""
        opening = self._open()
        closing = self._close("completed")
        return [*opening, *closing, self._state("response.completed", Status.COMPLETED, ending)]

    def cut_short(self, reason: CutShort, ending: Ending) -> list[Event]:
        """The answer has to stop here."""
        closing = self._close("incomplete")
        ending = replace(ending, cut_short=reason)
        return [*closing, self._state("response.incomplete", Status.INCOMPLETE, ending)]

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

    def _open(self) -> list[Event]:
        """The message and its text, if they have not begun yet."""
        if self._draft.text is not None:
            return []
        self._draft = replace(self._draft, text="")
        item = message(self._asked, "in_progress", [])
        return [
            self._event("response.output_item.added", output_index=self._message_index, item=item),
            self._part("response.content_part.added", part=output_text("", ())),
        ]

    def _close(self, status: str) -> list[Event]:
        """The message and its text, if they have begun."""
        text = self._draft.text
        if text is None:
            return []
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
        return self._event(kind, response=response(self._asked, status, self._draft, ending or Ending()))

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
    yield from stream.found(answer.nearest, answer.queries)
    for piece in pieces(answer):
        yield from stream.cite(piece) if isinstance(piece, Citation) else stream.write(piece)
    yield from stream.complete(ending)


def play(asked: Asked, answer: Answer, ending: Ending) -> Iterator[Event]:
    """A finished answer told from its beginning; the last event holds the response that `completed` makes of it."""
    stream = ResponseStream(asked)
    yield from opening(stream)
    yield from telling(stream, answer, ending)
