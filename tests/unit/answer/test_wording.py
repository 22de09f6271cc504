from __future__ import annotations

import pytest

from ragstone.answer import wording
from ragstone.answer.claims import bare, states_something


def agree(claim: str, evidence: str) -> bool:
    known = wording.loose_numbers(evidence)
    return all(any(map(number.equals, known)) for number in wording.numbers(claim))


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("It costs 1,000 EUR.", "The price is 1000 euros."),
        ("It costs 1000 EUR.", "Der Preis: 1.000 €"),
        ("It grew by 3.5 %.", "growth of 3.5 percent"),
        ("It takes 2 days.", "It takes two days."),
        ("It takes two days.", "It takes 2 days."),
        ("1.2 million people live there.", "1,200,000 people"),
        ("It needs 8 GB.", "Memory: 8GB"),
        ("Version 1.2.3 is out.", "1.2.3 came out"),
        ("On 2020-03-05 it began.", "It began on 5 March 2020."),
        ("3. Press the button.", "Press the button."),
        ("The 3rd door.", "door 3"),
    ],
)
def test_a_number_is_found_in_another_spelling(claim: str, evidence: str) -> None:
    assert agree(claim, evidence)


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("It needs 8 GB.", "It needs 16 GB."),
        ("It needs 8 GB.", "It needs 8 MB."),
        ("It takes three days.", "It takes two days."),
        ("1.2 million people live there.", "1.2 billion people"),
        ("Version 1.2.3 is out.", "1.2.4 came out"),
        ("It costs $5.", "It costs 5 EUR."),
        ("It is 99.", "It is 9."),
    ],
)
def test_another_number_or_unit_is_noticed(claim: str, evidence: str) -> None:
    assert not agree(claim, evidence)


def test_names_are_words_with_capitals_inside_a_sentence_or_with_odd_looks() -> None:
    text = "The controller of KServe runs in Paris. Then max_connections was set by Anna's team."
    assert wording.names(text) == ["kserve", "paris", "anna"]
    assert wording.names("Use v1.2 and ISO-9001 now.") == ["v1.2", "iso-9001"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GPUs are supported", "GPUs are not supported"),
        ("GPUs are supported", "GPUs aren't supported"),
        ("GPUs are supported", "GPUs are unsupported"),
        ("It can be removed", "It cannot be removed"),
        ("Das Gerät ist wasserdicht", "Das Gerät ist nicht wasserdicht"),
        ("Il est ouvert", "Il n'est pas ouvert"),
        ("水は飲める", "水は飲めない"),
    ],
)
def test_a_denial_is_noticed_from_both_sides(one: str, other: str) -> None:
    assert wording.differ(one, other)
    assert wording.differ(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GPUs are supported", "GPUs are supported too"),
        ("GPUs are not supported", "GPUs are unsupported"),
        ("It is not only fast", "It is fast"),
        ("It can't be undone", "It cannot be undone"),
    ],
)
def test_the_same_in_other_words_is_no_denial(one: str, other: str) -> None:
    assert not wording.differ(one, other)


def test_words_that_exclude_each_other_are_noticed() -> None:
    assert wording.opposed("Sales increased in May", "Sales decreased in May")
    assert wording.opposed("The field is required", "The field is optional")
    assert not wording.opposed("Sales grew in May", "Sales increased in May")
    assert not wording.opposed("First and last", "first to last")


@pytest.mark.parametrize(
    "text",
    [
        "# Boiling water",
        "| --- | --- |",
        "| Drink | Degrees |",
        "Is that enough?",
        "Yes.",
        "**No!**",
        "Here is what the documents say:",
        "Here is the information you need.",
        "I hope this helps!",
        "Let me know if you have any other questions.",
        "The passages do not mention the price.",
        "The provided documents don't specify when it opens.",
        "I could not find the price.",
        "---",
    ],
)
def test_a_sentence_that_states_nothing_needs_no_support(text: str) -> None:
    assert not states_something(text, before="")


@pytest.mark.parametrize(
    "text",
    [
        "Water boils.",
        "- Water boils",
        "The price is 5 EUR as follows:",
        "The documents do not allow visitors.",
        "I hope this helps: water boils at 90 degrees.",
        "Here is the price of the large plan, 20 EUR.",
    ],
)
def test_a_sentence_that_states_something_needs_support(text: str) -> None:
    assert states_something(text, before="")


def test_of_a_table_the_first_row_states_nothing_and_the_others_do() -> None:
    assert states_something("| Tea | 80 |", before="| --- | --- |")


def test_marks_of_lists_and_emphasis_do_not_count() -> None:
    assert bare("  1. **Water** boils at `100` _degrees_.") == "Water boils at `100` degrees."
    assert bare("No, it is not.") == "it is not."
    assert bare("No. 5 is alive, and Norway is far.") == "No. 5 is alive, and Norway is far."
    assert bare("Yes, however, according to the provided passages, it is.") == "it is."
    assert bare("The documents state that it is.") == "it is."
    assert bare("The documents that it is about") == "The documents that it is about"
    assert bare("snake_case_name stays") == "snake_case_name stays"
