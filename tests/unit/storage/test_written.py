"""What is written down comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from answer_samples import hit, store
from shape_samples import ANSWER, NOTHING, SILENCE

from ragstone.domain import (
    Answer,
    AnswerOptions,
    CacheOutcome,
    Comparison,
    Compound,
    Condition,
    Filter,
    Finish,
    Fusion,
    Message,
    Provenance,
    Question,
    Role,
    Store,
    Strategy,
    Turn,
    Unsupported,
    Usage,
)
from ragstone.storage.answers.written import answer_of, answer_text, question_object, question_of

HIT = hit("One.\nTwo.", heading=("A", "B"), turns=(Turn(5, ("A", "C"), 2),))
RICH = replace(
    ANSWER,
    nearest=(replace(HIT, passage=replace(HIT.passage, attributes={"year": 2026, "draft": True, "x": 1.5, "y": "z"})),),
    queries=("first", "first second"),
    unsupported=((3, 9),),
    provenance=Provenance(
        "llama", Strategy.REACT, "react@1:0f", Usage(5, 4, 3, 2, 0.5, 1), Finish.LENGTH, "cut off", CacheOutcome.MISS
    ),
)
STORE = Store(7, "vs_7", "seven", store().model, "german", datetime.now(UTC))


@pytest.mark.parametrize("answer", [ANSWER, NOTHING, SILENCE, RICH])
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    back = answer_of(answer_text(answer))
    assert back == answer
    assert json.loads(answer_text(back)) == json.loads(answer_text(answer))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("half of \ud83d and of \udcff", "half of \ufffd and of \ufffd"),
        (r"\u0000 and \\u0000", r"\u0000 and \\u0000"),
        ("\\\0\\\\\0", "\\\ufffd\\\\\ufffd"),
        ("é \U0001f600 \x01", "é \U0001f600 \x01"),
    ],
)
def test_what_no_database_takes_is_replaced_character_by_character(said: str, kept: str) -> None:
    back = answer_of(answer_text(replace(ANSWER, text=said)))
    assert back == replace(ANSWER, text=kept)


def test_numbers_stay_whole_and_truth_stays_no_number() -> None:
    attributes = answer_of(answer_text(RICH)).nearest[0].passage.attributes
    assert [type(value) for value in attributes.values()] == [int, bool, float, str]


@pytest.mark.parametrize(
    "condition",
    [
        None,
        Condition(Comparison.EQ, "draft", value=True),
        Condition(Comparison.IN, "year", (2025, 2026)),
        Compound(
            every=True,
            filters=(
                Condition(Comparison.GTE, "year", 2024.5),
                Compound(every=False, filters=(Condition(Comparison.NIN, "team", ("a", "b")),)),
            ),
        ),
    ],
)
@pytest.mark.parametrize("fusion", [None, Fusion(0.25, 0.75)])
def test_a_question_comes_back_as_it_was_with_the_ids_of_its_stores(
    condition: Filter | None, fusion: Fusion | None
) -> None:
    history = (Message(Role.USER, "And how?"), Message(Role.ASSISTANT, "So."))
    options = AnswerOptions(Strategy.REACT, unsupported=Unsupported.REMOVE, max_tokens=7, cached=False)
    question = Question("Why?", (STORE,), 3, condition, fusion, 0.5, history, options)
    written = json.loads(json.dumps(question_object(question)))
    assert question_of(written) == (replace(question, stores=()), ("vs_7",))
