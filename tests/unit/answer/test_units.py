from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.answer.units import MAX_QUOTE, units

PROSE = ["A plain sentence stands here.", "See [the guide](a.md)", "これは文です。", "x" * 700, "\tindented words here"]
MARKS = [
    "# Title",
    "It grows.",
    "What is it?",
    "Steps:",
    "- one two",
    "| a | b |",
    "| --- | --- |",
    "```",
    "~~~",
    ":::",
]
LINES = st.sampled_from([*PROSE, *MARKS, ""])


def quotes(text: str, *titles: str) -> list[str]:
    return [text[unit.start : unit.end] for unit in units(text, titles)]


def labels(text: str) -> list[str | None]:
    return [text[slice(*unit.label)] if unit.label else None for unit in units(text)]


def test_every_sentence_can_be_quoted() -> None:
    assert quotes("Water boils at 100 degrees. Ice melts at zero.") == [
        "Water boils at 100 degrees.",
        "Ice melts at zero.",
    ]


@pytest.mark.parametrize("line", ["## Boiling water", "Boiling water", "**Boiling Water**"])
def test_a_heading_is_no_answer(line: str) -> None:
    assert quotes(f"{line}\n\nWater boils at 100 degrees.", "Boiling water") == ["Water boils at 100 degrees."]


@pytest.mark.parametrize("mark", ["?", "\uff1f", "\u061f"])
def test_a_question_in_the_text_comes_with_its_answer(mark: str) -> None:
    text = f"When does water boil{mark}\n\nIt does so at 100 degrees."
    assert text in quotes(text)
    assert quotes(f"When does water boil{mark}") == []


def test_a_lead_in_comes_with_its_list() -> None:
    text = "To make tea:\n\n- Boil some water.\n- Add the leaves.\n\nThen you wait for it."
    assert "To make tea:\n\n- Boil some water.\n- Add the leaves." in quotes(text)


def test_a_lead_in_comes_with_its_code() -> None:
    text = "Install it with:\n\n```bash\npip install tea\n```"
    assert text in quotes(text)


def test_a_lead_in_without_anything_behind_it_is_no_answer() -> None:
    assert quotes("These are the steps to make some tea:") == []


def test_of_a_long_list_a_lead_in_takes_what_fits() -> None:
    text = "To make tea:\n" + "\n".join(f"- Take leaf number {number} out of the box." for number in range(100))
    lead = next(quote for quote in quotes(text) if quote.startswith("To make tea:"))
    assert MAX_QUOTE - 50 < len(lead) <= MAX_QUOTE


def test_an_item_is_labelled_by_its_lead_in() -> None:
    text = "To make tea:\n- Boil some water.\n- Add the leaves."
    assert labels(text) == [None, "To make tea:", "To make tea:"]


def test_a_table_row_is_labelled_by_its_header_row() -> None:
    text = "| Drink | Degrees |\n| --- | --- |\n| Tea | 100 |\n| Milk | 60 |"
    assert quotes(text) == ["| Tea | 100 |", "| Milk | 60 |"]
    assert labels(text) == ["| Drink | Degrees |"] * 2


def test_rows_without_a_header_stand_alone() -> None:
    text = "| Tea | 100 |\n| Milk | 60 |"
    assert quotes(text) == ["| Tea | 100 |", "| Milk | 60 |"]
    assert labels(text) == [None, None]


def test_code_stays_in_one_piece() -> None:
    code = "```python\nx = 1. # One.\n\ny = 2. # Two.\n```"
    assert quotes(f"Here it is at last.\n\n{code}\n\nThat was all of it.")[1] == code


def test_the_end_of_a_code_block_that_began_in_another_passage_takes_nothing_with_it() -> None:
    assert quotes("```\nWater boils at 100 degrees.") == ["Water boils at 100 degrees."]


@pytest.mark.parametrize("word", ["It", "This", "They"])
def test_a_sentence_that_refers_back_takes_its_predecessor_with_it(word: str) -> None:
    text = f"Tea needs hot water. {word} must be boiling for that."
    assert quotes(text) == ["Tea needs hot water.", text]


def test_a_sentence_does_not_refer_back_across_paragraphs() -> None:
    assert "It must be boiling now." in quotes("Tea needs hot water.\n\nIt must be boiling now.")


@pytest.mark.parametrize(
    "stub",
    [
        "See more",
        "- [Boiling water for tea](water.md)",
        "Boiling water ........ 12",
        "Get started\nMake some tea\nClean the pot\nFurther information",
        "-----",
        "https://example.org/a/very/long/address",
    ],
)
def test_lines_that_say_nothing_by_themselves_are_no_answer(stub: str) -> None:
    assert quotes(stub) == []


def test_scripts_without_blanks_are_quoted() -> None:
    assert quotes("水は百度で沸騰する。氷は零度で溶ける。") == ["水は百度で沸騰する。", "氷は零度で溶ける。"]


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_whatever_the_text_quotes_lie_inside_it_and_are_short(text: str) -> None:
    for unit in units(text, ("Title",)):
        assert 0 <= unit.start < unit.end <= len(text)
        assert unit.end - unit.start <= MAX_QUOTE
        assert text[unit.start : unit.end].strip()
        if unit.label:
            assert 0 <= unit.label[0] < unit.label[1] <= unit.start
