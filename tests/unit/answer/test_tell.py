from __future__ import annotations

import pytest
from answer_samples import hit
from hypothesis import given
from hypothesis import strategies as st
from written_answers import answer_in

from ragstone.answer.tell import tell
from ragstone.domain import Answer, AnswerEvent, Citation, Found, GroundingStatus, Searching, Wrote


def finished(text: str, *places: int) -> Answer:
    citations = tuple(
        Citation("file_1", "a.md", 1, None, (), "quote", 0, 5, place, 0.9, verified=True) for place in sorted(places)
    )
    return Answer(text, GroundingStatus.SUPPORTED, citations, (hit("Ice."),), {}, queries=("ice", "water"))


@given(st.text(max_size=60), st.lists(st.floats(0, 1), max_size=4))
def test_the_events_of_an_answer_add_up_to_it(text: str, shares: list[float]) -> None:
    answer = finished(text, *(int(share * len(text)) for share in shares))
    assert answer_in(list(tell(answer))) == answer


@pytest.mark.parametrize(
    ("begin", "first"), [(Searching, [Searching, Found, Wrote]), (Found, [Found, Wrote, Wrote]), (None, [Wrote, Wrote])]
)
def test_an_answer_is_told_from_where_it_is_asked_for(
    begin: type[Searching | Found] | None, first: list[type[AnswerEvent]]
) -> None:
    events = list(tell(finished("Ice floats on the lakes in winter."), begin=begin))
    assert [type(event) for event in events[: len(first)]] == first


def test_the_search_is_told_with_its_words_and_its_hits() -> None:
    searching, found, *_ = tell(finished("Ice."))
    assert searching == Searching(("ice", "water"))
    assert found == Found((hit("Ice."),), ("ice", "water"))
