from __future__ import annotations

from unicodedata import normalize

import pytest

from ragstone.retrieve.phrases import phrases, shares


def test_neighbouring_words_form_a_phrase_with_the_small_words_between_them() -> None:
    assert phrases("What was the Cost of  Sales in 2019?", ["english"]) == ["cost of sales", "sales in 2019"]


@pytest.mark.parametrize("question", ["", "sales", "what is the", "?!"])
def test_less_than_two_words_that_say_something_form_no_phrase(question: str) -> None:
    assert phrases(question, ["english"]) == []
    assert shares([], ["sales"]).tolist() == [0.0]


def test_a_phrase_is_wanted_only_once() -> None:
    assert phrases("red fox, red fox", ["english"]) == ["red fox", "fox, red"]


def test_the_same_letters_are_found_however_they_are_composed() -> None:
    composed, apart = normalize("NFC", "Café über Schloß"), normalize("NFD", "Café über Schloß")
    for question, text in ((composed, apart), (apart, composed), (apart, apart)):
        assert shares(phrases(question, ["english"]), [text]).tolist() == [1.0]


def test_a_text_has_the_share_of_the_phrases_that_stand_in_it_whatever_its_case_and_blanks() -> None:
    wanted = ["cost of sales", "gross margin"]
    assert shares(wanted, ["The COST  of\nsales rose.", "Gross margins; cost of sales", "sales of cost"]).tolist() == [
        0.5,
        1.0,
        0.0,
    ]
