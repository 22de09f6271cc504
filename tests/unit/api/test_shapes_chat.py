"""Chat completions and their chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from published import Published, described
from shape_samples import (
    ANSWER,
    CHAT,
    CITATIONS,
    CUT,
    NOTHING,
    SENTENCES,
    SILENCE,
    SPOKEN,
    TEXT,
    answering,
    citation,
    having,
    link,
    streaming,
    without_nulls,
)

from ragstone.api.shapes import sse
from ragstone.api.shapes.chat import ChatStream, Chunk, completion, play
from ragstone.api.shapes.citations import supported
from ragstone.api.shapes.ending import Failure, FailureCode
from ragstone.domain import Answer, Finish, Usage

FAILURE = Failure(FailureCode.RATE_LIMIT_EXCEEDED, "Enough for now. Try again in a minute")
ANSWERS = {"answer": ANSWER, "a model's": SPOKEN, "cut short": CUT, "no evidence": NOTHING, "not a word": SILENCE}


@pytest.fixture
def description() -> Published:
    return described()


def whole(answer: Answer) -> dict[str, object]:
    return completion(CHAT, answer, link)


def chunks(answer: Answer) -> list[Chunk]:
    return list(play(CHAT, answer, link))


def wire(told: list[Chunk]) -> list[bytes]:
    return [*map(sse.data, told), sse.DONE]


def message_of(made: dict[str, object]) -> dict[str, Any]:
    choices: Any = made["choices"]
    message: dict[str, Any] = choices[0]["message"]
    return message


@pytest.mark.parametrize("name", ANSWERS)
def test_a_completion_fits_the_published_description(description: Published, name: str) -> None:
    description.check_answer("POST", "/v1/chat/completions", 200, whole(ANSWERS[name]))


@pytest.mark.parametrize("name", ANSWERS)
def test_every_chunk_fits_the_published_description(description: Published, name: str) -> None:
    for chunk in chunks(ANSWERS[name]):
        description.check_chunk(chunk)
    for chunk in play(replace(CHAT, include_usage=False), ANSWERS[name], link):
        description.check_chunk(chunk)


def test_the_annotations_lead_to_the_cited_words() -> None:
    message = message_of(whole(ANSWER))
    assert message["content"] == TEXT
    first, second, third = message["annotations"]
    assert first["url_citation"] == {
        "url": "https://rag.example/console/file-1?start=100",
        "title": "handbook.md",
        "start_index": 0,
        "end_index": len(SENTENCES[0]),
    }
    assert urlsplit(first["url_citation"]["url"]).scheme == "https"
    assert (first["file_id"], first["page"], first["quote"], first["verified"]) == ("file-1", 3, SENTENCES[0], True)
    assert (first["start_index"], first["end_index"]) == (100, 100 + len(SENTENCES[0]))
    for annotation in (second, third):
        place = annotation["url_citation"]
        assert TEXT[place["start_index"] : place["end_index"]] == SENTENCES[1]


def test_a_quote_in_other_words_supports_the_last_sentence_before_it() -> None:
    text = "Keys are rotated. After ninety days, says Dr. Marble. More of it."
    end = len("Keys are rotated. After ninety days, says Dr. Marble.")
    start, stop = supported(citation("The period is 90 d.", end), text)
    assert text[start:stop] == "After ninety days, says Dr. Marble."


def test_a_citation_before_the_first_word_supports_nothing() -> None:
    assert supported(citation("A quote.", 0), "Keys are rotated.") == (0, 0)


def test_a_completion_says_how_well_it_is_grounded_and_what_it_took() -> None:
    made = whole(having(usage=Usage(10, 5, 4, 3), degraded="The model is away"))
    assert made["grounding"] == {"status": "supported"}
    assert made["timings_ms"] == {"search": 2.0, "total": 3}
    assert made["degraded"] is True
    assert made["usage"] == {
        "prompt_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens": 5,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [(Finish.STOP, "stop"), (Finish.LENGTH, "length"), (Finish.FILTER, "content_filter")],
)
def test_the_reason_to_stop_is_told(reason: Finish, finish: str) -> None:
    answer = having(finish=reason)
    choices: Any = whole(answer)["choices"]
    assert choices[0]["finish_reason"] == finish
    *_, last, _usage = chunks(answer)
    told: Any = last["choices"]
    assert told[0]["finish_reason"] == finish


def test_chunks_begin_with_the_role_and_end_with_the_reason_and_the_tokens() -> None:
    told: list[Any] = chunks(having(usage=Usage(10, 5)))
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None, "annotations": []}
    assert [chunk["choices"][0]["finish_reason"] for chunk in told[:-1]] == [None] * (len(told) - 2) + ["stop"]
    assert told[-2]["choices"][0]["delta"] == {}
    assert told[-2]["grounding"] == {"status": "supported"}
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["total_tokens"] == 15
    assert [chunk["usage"] for chunk in told[:-1]] == [None] * (len(told) - 1)


def test_tokens_are_counted_only_where_the_request_asks_for_it() -> None:
    told = list(play(replace(CHAT, include_usage=False), ANSWER, link))
    assert not [chunk for chunk in told if "usage" in chunk or not chunk["choices"]]


def test_words_are_written_as_they_are_told() -> None:
    for asked in (CHAT, replace(CHAT, include_usage=False), replace(CHAT, model='ragstone/"content":""')):
        told, written = ChatStream(asked, link), ChatStream(asked, link)
        for word in ("Keys", " ", "", '"rotate"\u2028', "\N{PILE OF POO}."):
            assert written.written(word) == sse.chunks(told.write(word))
        assert written.conclude(ANSWER) == told.conclude(ANSWER)


def test_annotations_come_together_once_the_text_is_told() -> None:
    told: list[Any] = chunks(ANSWER)
    deltas = [chunk["choices"][0]["delta"] for chunk in told if chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == TEXT
    assert deltas[-2] == {"annotations": message_of(whole(ANSWER))["annotations"]}
    assert [delta for delta in deltas if delta.get("annotations")] == [deltas[-2]]


def test_words_that_come_one_by_one_are_told_one_by_one() -> None:
    stream = ChatStream(CHAT, link)
    stream.start()
    assert [len(stream.write(word)) for word in ("Keys", "", " rotate.")] == [1, 0, 1]
    assert stream.cite(citation("Keys rotate.", 12)) == []
    told: Any = stream.conclude(ANSWER)[0]["choices"]
    (annotation,) = told[0]["delta"]["annotations"]
    assert (annotation["url_citation"]["start_index"], annotation["url_citation"]["end_index"]) == (0, 12)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_stock_client_reads_a_completion_as_it_was_written(name: str) -> None:
    with answering(whole(ANSWERS[name])) as client:
        read = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert read.to_dict(mode="json") == whole(ANSWERS[name])


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "cut short"])
def test_the_stock_client_s_helper_accumulates_the_same_completion(name: str) -> None:
    with (
        streaming(wire(chunks(ANSWERS[name]))) as client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "x"}]) as told,
    ):
        for _ in told:
            pass
        final = told.get_final_completion()
    # The helper leaves out what stands beside the choices of later chunks: there our additions are.
    additions = {
        *("grounding", "timings_ms", "answered_by", "cache"),
        *("strategy", "prompt_template", "cost", "degraded", "degraded_reason"),
    }
    expected = {key: value for key, value in whole(ANSWERS[name]).items() if key not in additions}
    assert without_nulls(final.to_dict(mode="json")) == without_nulls(expected)


def test_the_stock_client_s_helper_hears_that_an_answer_was_cut_short() -> None:
    with (
        streaming(wire(chunks(CUT))) as client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "x"}]) as told,
        pytest.raises(openai.LengthFinishReasonError) as raised,
    ):
        told.get_final_completion()
    assert raised.value.completion.choices[0].message.content == TEXT


def test_the_stock_client_sees_the_additions_in_the_chunk_that_ends_the_text() -> None:
    with streaming(wire(chunks(ANSWER))) as client:
        told = list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))
    assert [chunk.to_dict(mode="json") for chunk in told] == chunks(ANSWER)
    assert told[-2].model_extra is not None
    assert told[-2].model_extra["grounding"] == {"status": "supported"}


def test_a_failure_is_raised_by_the_stock_client() -> None:
    stream = ChatStream(CHAT, link)
    told = [*stream.start(), *stream.write(SENTENCES[0]), *stream.cite(CITATIONS[0]), *stream.fail(FAILURE)]
    with (
        streaming(wire(told)) as client,
        pytest.raises(openai.APIError, match="Enough for now") as raised,
    ):
        list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))
    assert (raised.value.code, raised.value.type) == ("rate_limit_exceeded", "rate_limit_error")


def test_a_failure_has_the_published_shape_of_errors(description: Published) -> None:
    (told,) = ChatStream(CHAT, link).fail(FAILURE)
    description.check_answer("POST", "/v1/chat/completions", 429, told)
