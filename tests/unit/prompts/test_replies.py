from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.prompts.replies import listed, spoken

TWO = ["What does the large plan cost?", "What does the small plan cost?"]


@pytest.mark.parametrize(
    "said",
    [
        "What does the large plan cost?\nWhat does the small plan cost?",
        "1. What does the large plan cost?\n2) What does the small plan cost?\n",
        "- What does the large plan cost?\n\n* What does the small plan cost?",
        '"What does the large plan cost?"\n"What does the small plan cost?"',
        "Here are the questions:\n\n1. **What does the large plan cost?**\n2. **What does the small plan cost?**",
        "Question 1: What does the large plan cost?\nQuestion 2: What does the small plan cost?",
        "```\nWhat does the large plan cost?\nWhat does the small plan cost?\n```",
        '["What does the large plan cost?", "What does the small plan cost?"]',
        '```json\n{"queries": ["What does the large plan cost?", "What does the small plan cost?"]}\n```',
        "<think>They want\nprices.</think>\nWhat does the large plan cost?\nWhat does the small plan cost?",
        "a) What does the large plan cost?\nb) What does the small plan cost?\na) What does the large plan cost?",
    ],
)
def test_a_list_is_read_however_it_was_written(said: str) -> None:
    assert listed(said) == TWO


@pytest.mark.parametrize(
    "line",
    [
        "3.5 mm plugs",
        "-20 degrees",
        "A plan for 2025?",
        "2024 figures",
        "What is `max_connections` for?",
        "C# or F#?",
        "E. coli growth rate in winter",
        "j. smith holidays",
    ],
)
def test_what_only_looks_like_a_bullet_stays(line: str) -> None:
    assert listed(line) == [line]


@pytest.mark.parametrize("said", ["", "\n \n", "```\n```", "<think>no end", "Here they are:", "[]", "[1, 2]", '"" ""'])
def test_nothing_listed_is_an_empty_list(said: str) -> None:
    assert listed(said) == []


def test_broken_json_is_read_as_lines() -> None:
    assert listed('["What is it?') == ['["What is it?']


@given(st.text(max_size=300))
def test_whatever_was_said_gives_bare_lines(said: str) -> None:
    for item in listed(said):
        assert item == item.strip()
        assert item
        assert len(item.splitlines()) == 1


def test_what_was_thought_aloud_is_not_said() -> None:
    assert spoken("<think>hm</think>\nYes. <reasoning>well</reasoning>") == "Yes."
    assert spoken("<thinking>never ends") == ""
    assert spoken("a <thinker> b") == "a <thinker> b"
