"""The event stream of a response."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent, ResponseIncompleteEvent
from published import Published, described
from shape_samples import (
    ANSWER,
    CITATIONS,
    CUT,
    ENDING,
    NOTHING,
    SENTENCES,
    SILENCE,
    SPOKEN,
    TEXT,
    asked,
    streaming,
    without_nulls,
)

from ragstone.api.shapes import sse
from ragstone.api.shapes.ending import Ending, Failure, FailureCode
from ragstone.api.shapes.events import Event, ResponseStream, play
from ragstone.api.shapes.response import Draft, Status, concluded, failed, response
from ragstone.domain import Answer, Found, Searching

FAILURE = Failure(FailureCode.SERVER_ERROR, "The database is away. Try again")


@pytest.fixture
def description() -> Published:
    return described()


def kinds(events: list[Event]) -> list[str]:
    """Types of events without their common prefix, repetitions once."""
    names = [str(event["type"]).removeprefix("response.") for event in events]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def speaking() -> tuple[ResponseStream, list[Event]]:
    """A stream that has said and cited its first sentence."""
    stream = ResponseStream(asked())
    told = [*stream.create(), *stream.start(), *stream.search(("key rotation",)), *stream.found(ANSWER.nearest)]
    return stream, [*told, *stream.write(SENTENCES[0]), *stream.cite(CITATIONS[0])]


SAID = Draft(("key rotation",), ANSWER.nearest, SENTENCES[0], CITATIONS[:1])


def streams() -> dict[str, list[Event]]:
    """Every way in which a stream can go."""
    broken, torn = speaking()
    searching = ResponseStream(asked())
    silent = ResponseStream(asked())
    return {
        "answer": list(play(asked(), ANSWER, ENDING)),
        "answer in the background": list(play(asked(background=True), ANSWER, ENDING)),
        "no evidence": list(play(asked(), NOTHING, Ending(1, NOTHING))),
        "not a word": list(play(asked(), SILENCE, Ending(1, SILENCE))),
        "no search": [*silent.create(), *silent.start(), *silent.write("Hello."), *silent.conclude(Ending(1))],
        "a model's answer": list(play(asked(), SPOKEN, Ending(1, SPOKEN))),
        "cut short": list(play(asked(), CUT, Ending(1, CUT))),
        "failed while speaking": [*torn, *broken.fail(FAILURE)],
        "failed while searching": [*searching.create(), *searching.search(), *searching.fail(FAILURE)],
        "failed at once": ResponseStream(asked()).fail(FAILURE),
    }


STREAMS = streams()


def test_the_events_come_in_the_published_order() -> None:
    assert kinds(STREAMS["answer"]) == [
        "created",
        "in_progress",
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_event_fits_the_published_description(description: Published, stream: str) -> None:
    for event in STREAMS[stream]:
        description.check_event(event)


@pytest.mark.parametrize("stream", STREAMS)
def test_events_are_numbered_without_a_gap(stream: str) -> None:
    events = STREAMS[stream]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize(
    ("stream", "answer"),
    [
        ("answer", ANSWER),
        ("no evidence", NOTHING),
        ("not a word", SILENCE),
        ("a model's answer", SPOKEN),
        ("cut short", CUT),
    ],
)
def test_what_is_told_adds_up_to_the_object_that_is_given_without_a_stream(stream: str, answer: Answer) -> None:
    ending = ENDING if answer is ANSWER else Ending(1, answer)
    assert STREAMS[stream][-1]["response"] == concluded(asked(), ending)


@pytest.mark.parametrize("stream", [name for name, events in STREAMS.items() if kinds(events)[-1] == "completed"])
def test_the_deltas_and_annotations_are_those_of_the_whole_text(stream: str) -> None:
    events = STREAMS[stream]
    final: Any = events[-1]["response"]
    (content,) = final["output"][-1]["content"]
    told: list[Any] = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(told) == content["text"]
    assert all(told)
    added = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [event["annotation"] for event in added] == content["annotations"]
    assert [event["annotation_index"] for event in added] == list(range(len(added)))


@pytest.mark.parametrize("stream", STREAMS)
def test_items_that_are_done_are_those_of_the_last_response(stream: str) -> None:
    events = STREAMS[stream]
    final: Any = events[-1].get("response", {"output": []})
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    for index, item in done.items():
        assert final["output"][index] == item


def test_a_citation_is_told_right_behind_its_sentence() -> None:
    text, behind = "", []
    for event in STREAMS["answer"]:
        if event["type"] == "response.output_text.delta":
            text += str(event["delta"])
        if event["type"] == "response.output_text.annotation.added":
            behind.append(text)
    assert behind == [SENTENCES[0], TEXT, TEXT]


def test_a_long_sentence_is_told_in_pieces_of_a_few_words() -> None:
    deltas = [str(event["delta"]) for event in STREAMS["answer"] if event["type"] == "response.output_text.delta"]
    assert max(len(delta.split()) for delta in deltas) == 4


def test_in_the_background_a_response_waits_before_it_begins() -> None:
    assert kinds(STREAMS["answer in the background"])[:3] == ["created", "queued", "in_progress"]
    created: Any = STREAMS["answer in the background"][0]["response"]
    assert created["status"] == "queued"


def test_words_that_come_one_by_one_are_told_one_by_one() -> None:
    stream = ResponseStream(asked())
    stream.create()
    assert [len(stream.write(word)) for word in ("Keys", " ", "", "rotate.")] == [3, 1, 0, 1]
    final: Any = stream.conclude(Ending(1))[-1]["response"]
    assert final["output"][0]["content"][0]["text"] == "Keys rotate."


def test_an_answer_that_is_cut_short_closes_what_was_open() -> None:
    assert kinds(STREAMS["cut short"])[-4:] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "incomplete",
    ]
    # It ended, but it was not completed.
    final: Any = STREAMS["cut short"][-1]["response"]
    assert (final["status"], final["completed_at"], final["usage"]["total_tokens"]) == ("incomplete", None, 120)
    assert final["output"][-1]["status"] == "incomplete"


def test_words_are_written_as_they_are_told() -> None:
    told, written = (ResponseStream(asked()) for _ in range(2))
    for stream in (told, written):
        stream.create()
        stream.search()
    for word in ("Keys", " ", "", '"rotate"\u2028', "\N{PILE OF POO}."):
        assert written.written(word) == sse.events(told.write(word))
    assert written.conclude(Ending(1)) == told.conclude(Ending(1))


def test_hits_of_further_searches_are_in_the_response_that_ends_the_stream() -> None:
    stream = ResponseStream(asked())
    for event in (Searching(()), Found(ANSWER.nearest[:1], ()), Searching(("more",)), Found(ANSWER.nearest[1:], ())):
        stream.tell(event)
    final: Any = stream.conclude(Ending(1, replace(ANSWER, queries=("first", "more"))))[-1]["response"]
    assert final["output"][0]["queries"] == ["first", "more"]
    assert len(final["output"][0]["results"]) == 2


def test_a_failure_ends_the_stream_with_what_there_was() -> None:
    assert STREAMS["failed while speaking"][-1]["response"] == failed(asked(), FAILURE, SAID)
    searched = Draft((asked().question,))
    assert STREAMS["failed while searching"][-1]["response"] == failed(asked(), FAILURE, searched)


def test_a_failure_before_anything_was_told_is_an_error_event() -> None:
    assert STREAMS["failed at once"] == [
        {"type": "error", "sequence_number": 0, "code": "server_error", "message": FAILURE.message, "param": None}
    ]


def test_an_event_is_named_by_its_type_and_takes_one_line_of_ascii() -> None:
    for told in map(sse.event, STREAMS["answer"]):
        name, data, *rest = told.split(b"\n")
        assert name.startswith(b"event: response.")
        assert data.startswith(b"data: {")
        assert rest == [b"", b""]
        assert data.decode().splitlines() == [data.decode("ascii")]


def read(stream: str) -> Any:
    """What the stock client's own streaming helper makes of the events."""
    with (
        streaming(map(sse.event, STREAMS[stream])) as client,
        client.responses.stream(model="m", input="x") as told,
    ):
        for _ in told:
            pass
        return told.get_final_response()


@pytest.mark.parametrize("stream", ["answer", "answer in the background", "no evidence", "not a word", "no search"])
def test_the_stock_client_s_helper_accumulates_the_same_response(stream: str) -> None:
    final = read(stream)
    expected: Any = STREAMS[stream][-1]["response"]
    read_back = final.to_dict(mode="json")
    for part in (content for item in read_back["output"] for content in item.get("content", [])):
        part.pop("parsed", None)  # of its own making
    assert without_nulls(read_back) == without_nulls(expected)
    assert final.output_text == "".join(
        str(event["delta"]) for event in STREAMS[stream] if event["type"] == "response.output_text.delta"
    )


def test_the_stock_client_follows_the_text_as_it_grows() -> None:
    with (
        streaming(map(sse.event, STREAMS["answer"])) as client,
        client.responses.stream(model="m", input="x") as told,
    ):
        snapshots = [event.snapshot for event in told if event.type == "response.output_text.delta"]
    assert snapshots[-1] == TEXT
    assert all(later.startswith(earlier) for earlier, later in pairwise(snapshots))


def test_the_stock_client_sees_every_event_in_its_own_type() -> None:
    with streaming(map(sse.event, STREAMS["answer"])) as client:
        told = list(client.responses.create(model="m", input="x", stream=True))
    assert [event.to_dict(mode="json") for event in told] == STREAMS["answer"]
    assert {type(event).__module__.rpartition(".")[0] for event in told} == {"openai.types.responses"}


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("cut short", ResponseIncompleteEvent),
        ("failed while speaking", ResponseFailedEvent),
        ("failed while searching", ResponseFailedEvent),
        ("failed at once", ResponseErrorEvent),
    ],
)
def test_the_stock_client_is_told_of_the_end_that_was_not_planned(stream: str, kind: type) -> None:
    with streaming(map(sse.event, STREAMS[stream])) as client:
        *_, last = client.responses.create(model="m", input="x", stream=True)
    assert isinstance(last, kind)


def test_a_helper_that_waits_for_the_whole_answer_hears_that_there_is_none() -> None:
    with pytest.raises(RuntimeError, match=r"response\.completed"):
        read("failed while speaking")


def test_a_stream_that_is_told_again_tells_the_same() -> None:
    assert list(play(asked(), ANSWER, ENDING)) == STREAMS["answer"]


def test_an_answer_without_a_search_has_its_message_first() -> None:
    message = [event for event in STREAMS["no search"] if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in message] == [0]
    spoken = response(asked(), Status.COMPLETED, Draft(text="Hello."), Ending(1))
    assert STREAMS["no search"][-1]["response"] == spoken
