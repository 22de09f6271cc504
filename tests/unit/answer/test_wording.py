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
        ("Store it at -5 °C.", "at minus 5 degrees"),
        ("Store it at \u22125 °C.", "Temperature: **-5 °C**"),
        ("It lost -$5.", "a loss of -5 USD"),
        ("It takes 5 to 10 days.", "5-10 days"),
        ("It takes 5 to 10 days.", "5 -10 days"),
        ("It needs 5 screws.", "- 5 screws"),
        ("It began on 2020-03-05.", "5 March 2020"),
        ("Model F-16 of COVID-19.", "16 and 19"),
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
        ("Store it at 5 °C.", "Store it at -5 °C."),
        ("Store it at 5 °C.", "(\u22125 °C)"),
        ("Store it at 5 °C.", "minus 5 °C"),
        ("-5 °C", "5 °C"),
        ("The balance is -1,000 EUR.", "The balance is 1,000 EUR."),
        ("Between -40 and -20.", "between 40 and 20"),
        ("It takes minus two days.", "It takes two days."),
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
        "The passages do not mention the price, the name of the seller, or how it is paid.",
        "The documents do not yet say what to do while the oil is hot.",
        "Unfortunately, however, the documents do not mention the price.",
        "For the 5000 model, the documents do not mention the price.",
        "Yes, but the documents do not mention the price.",
        "Since the documents do not mention the price, it cannot be determined.",
        "The documents do not mention the price, so I cannot answer.",
        "\u03a0\u03cc\u03c4\u03b5 \u03b2\u03c1\u03ac\u03b6\u03b5\u03b9\u037e",  # Greek, with its own mark
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
        "- The fine is 9,000 EUR;",
        "- Bob Smith pays the fine;",
    ],
)
def test_a_sentence_that_states_something_needs_support(text: str) -> None:
    assert states_something(text, before="")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The documents do not mention the price, but it is 500 EUR at Bosch.", "it is 500 EUR at Bosch."),
        ("The documents do not say who pays, so Bob Smith pays.", "Bob Smith pays."),
        ("The documents do not mention the price; Bosch sets it.", "Bosch sets it."),
        ("The documents do not mention the price, it is set by Bosch.", "it is set by Bosch."),
        ("The documents do not mention the price and it is set by Bosch.", "it is set by Bosch."),
        ("The documents do not mention the price: 9,000 EUR.", "9,000 EUR."),
        ("The documents do not mention the price (500 EUR).", "500 EUR"),
        ("Although the documents do not mention the price, Bosch sells it.", "Bosch sells it."),
        ("Water boils at 100 degrees, but the documents do not mention ice.", "Water boils at 100 degrees"),
        ("The price is 500 EUR, which is not mentioned in the documents.", "The price is 500 EUR"),
        ("The documents do not mention ice, but they do say that water boils.", "water boils."),
        ("It costs 5 EUR, but I do not know why, however Bob does.", "It costs 5 EUR, Bob does."),
    ],
)
def test_what_is_told_beside_the_word_that_something_is_not_told_needs_support(text: str, told: str) -> None:
    assert states_something(text, before="")
    assert bare(text) == told


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
